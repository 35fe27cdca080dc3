#include "control/replica_reports.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/content_id.h"
#include "base/letter_case.h"
#include "base/log.h"
#include "kube/list_watch.h"
#include "kube/writer.h"

namespace sluice::control {

using nlohmann::json;
using namespace nlohmann::literals;  // NOLINT: the only way to a pointer in one word

namespace {

const kube::Resource& config_maps() {
  static const kube::Resource kResource{
      .group = "", .version = "v1", .plural = "configmaps", .kind = "ConfigMap"};
  return kResource;
}

// A change of one replica's Envoys is news for all others, and each writes little.
constexpr kube::WriteQueue::Options kWrites{.gap = std::chrono::milliseconds(500),
                                            .longest_gap = std::chrono::milliseconds(5'000)};
constexpr std::string_view kManager = "sluice-report";

std::string report_name(const ReplicaName& replica) {
  return "sluice-report-" + lower_case(replica.name);
}

}  // namespace

class ReplicaReports::Work : public kube::Sink {
 public:
  Work(kube::Client& client, ReplicaName own, Heard heard)
      : own_(std::move(own)),
        name_(report_name(own_)),
        label_(content_id(own_.controller_name)),
        heard_(std::move(heard)),
        writer_(client, kWrites, [this](const kube::Written& written) { this->written(written); }),
        watch_(std::make_unique<kube::ListWatch>(
            client,
            kube::ListWatch::Options{.watched = {.resource = config_maps(),
                                                 .name_space = own_.name_space,
                                                 .label_selector = fmt::format("{}={}", kReportLabel, label_),
                                                 .field_selector = ""}},
            *this)) {
    writer_.set_active(true);
  }

  // No callback follows.
  void end() { watch_.reset(); }

  void tell(const ReplicaReport& report) {
    told_ = true;
    is_empty_ = report.empty();
    if (is_empty_) return remove();
    json metadata = {{"name", name_}, {"namespace", own_.name_space}, {"labels", {{kReportLabel, label_}}}};
    if (!own_.pod_uid.empty()) {
      metadata["ownerReferences"] = json::array(
          {{{"apiVersion", "v1"}, {"kind", "Pod"}, {"name", own_.name}, {"uid", own_.pod_uid}}});
    }
    const json document = {
        {"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", metadata}, {"data", write_report(report)}};
    is_there_ = true;
    writer_.want(name_, {.kind = kube::Write::Kind::kApply,
                         .target = target() + kube::apply_query(kManager, true),
                         .body = document.dump(-1, ' ', false, json::error_handler_t::replace)});
  }

  // The sink's.
  void replaced(kube::Difference difference) override {
    for (const NamespacedName& gone : difference.gone) deleted(gone);
    for (const kube::Object& object : difference.changed) applied(object);
  }
  void applied(kube::Object object) override {
    if (object.name.name == name_) {
      // What an earlier process in this pod has left.
      is_there_ = true;
      if (told_ && is_empty_) remove();
      return;
    }
    const json document = json::parse(object.json, nullptr, false);
    if (document.is_object()) heard_(object.name.name, read_report(document.value("data", json::object())));
  }
  void deleted(const NamespacedName& name) override {
    if (name.name == name_) return writer_.forget(name_);
    heard_(name.name, std::nullopt);
  }
  void missing() override {}
  // The source tells of an API server that does not answer.
  void problem(const std::string& text) override {
    log(Level::kWarning, "the reports of other replicas cannot be read", {{"error", text}});
  }
  void recovered() override {}

 private:
  std::string target() const { return config_maps().target(own_.name_space, name_); }

  void remove() {
    if (!std::exchange(is_there_, false)) return;
    writer_.want(name_, {.kind = kube::Write::Kind::kDelete, .target = target(), .body = ""});
  }

  void written(const kube::Written& written) {
    if (written.verdict != kube::WriteQueue::Verdict::kRefused) return;
    if (written.write.kind == kube::Write::Kind::kDelete) return;  // it is gone already
    log(Level::kWarning, "other replicas cannot be told what Envoys refuse",
        {{"error", written.outcome ? kube::describe(written.outcome->status, written.outcome->body)
                                   : written.outcome.error().message}});
  }

  const ReplicaName own_;
  const std::string name_;
  const std::string label_;
  const Heard heard_;
  bool told_ = false;
  bool is_empty_ = true;
  bool is_there_ = false;  // our report, as far as is known
  kube::Writer writer_;
  std::unique_ptr<kube::ListWatch> watch_;  // last: it tells the rest
};

ReplicaReports::ReplicaReports(kube::Client& client, ReplicaName own, Heard heard)
    : client_(client), work_(std::make_shared<Work>(client, std::move(own), std::move(heard))) {}

ReplicaReports::~ReplicaReports() { work_->end(); }

void ReplicaReports::tell(ReplicaReport report) {
  client_.post([work = std::weak_ptr(work_), report = std::move(report)] {
    if (const auto self = work.lock()) self->tell(report);
  });
}

}  // namespace sluice::control
