#include "control/status_writer.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "kube/writer.h"
#include "status/patch.h"
#include "translate/condition.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using Row = std::shared_ptr<const translate::ObjectStatus>;

// So many comparisons in a row, of some ten microseconds each: events are not kept waiting for longer.
constexpr std::size_t kAtOnce = 50;

// One change often makes several commits: a new proxy is not known to run in the first.
constexpr std::chrono::milliseconds kQuiet{20};

std::string system_now() {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
}

// The proxy of the Gateway, or ListenerSet, is not known to serve it, while the server has it that it does.
bool takes_back_programmed(const translate::ObjectStatus& row, const json& present) {
  const translate::Condition* const programmed = translate::find_condition(row.conditions, "Programmed");
  if (programmed != nullptr && (programmed->status || programmed->reason != "Pending")) return false;
  if (!present.is_object() || !present.contains("conditions")) return false;
  return std::ranges::any_of(present["conditions"], [](const json& condition) {
    return condition.is_object() && condition.value("type", "") == "Programmed" &&
           condition.value("status", "") == "True";
  });
}

}  // namespace

class StatusWriter::Work : public std::enable_shared_from_this<StatusWriter::Work> {
 public:
  Work(kube::Client& client, Options options)
      : client_(client),
        options_(std::move(options)),
        writer_(make_writer()),
        gateway_writer_(make_writer()) {
    if (!options_.now) options_.now = system_now;
  }

  // No callback follows.
  void end() {
    over_ = true;
    writer_.reset();
    gateway_writer_.reset();
  }

  void take(std::vector<std::pair<ObjectKey, Row>> rows) {
    for (auto& [object, row] : rows) {
      if (row == nullptr) {
        rows_.erase(object);
      } else {
        rows_[object] = std::move(row);
      }
      touch(object);
    }
    if (std::exchange(has_rows_, true)) return;
    for (const auto& [object, seen] : seen_) touch(object);
    client_.after(options_.patience, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self || self->over_) return;
      self->patient_ = false;
      for (const ObjectKey& object : std::exchange(self->postponed_, {})) self->touch(object);
    });
  }

  void seen(const ObjectKey& object, const kube::Resource& resource,
            std::optional<source::ServerStatus> status) {
    const auto found = seen_.find(object);
    if (!status) {
      if (found == seen_.end()) return;
      writer_of(object).drop(found->second.target);
      targets_.erase(found->second.target);
      seen_.erase(found);
      return;
    }
    std::string target = resource.target(object.name.namespace_, object.name.name, "status");
    Seen& entry = found == seen_.end() ? seen_[object] : found->second;
    if (entry.target != target) {
      if (!entry.target.empty()) writer_of(object).drop(entry.target);
      targets_.erase(entry.target);
      targets_[target] = object;
      entry.target = std::move(target);
    }
    if (entry.server == *status) return;
    if (entry.server.uid != status->uid) entry.left_out = 0;
    entry.server = *std::move(status);
    touch(object);
  }

  void set_leads(bool leads) {
    if (std::exchange(leads_, leads) == leads) return;
    writer_->set_active(leads);
    gateway_writer_->set_active(leads);
    if (!leads) return;
    for (const auto& [object, entry] : seen_) touch(object);
  }

 private:
  struct Seen {
    std::string target;
    source::ServerStatus server;
    bool writing = false;      // something waits to be written, or is on its way
    Row sent;                  // what that says
    std::string sent_for;      // the version that it was made for
    std::size_t body = 0;      // its hash
    std::size_t after = 0;     // hash of what the server's status is to be then
    std::size_t left_out = 0;  // hash of what the server did not keep of it
  };

  std::unique_ptr<kube::Writer> make_writer() {
    return std::make_unique<kube::Writer>(client_, options_.writes,
                                          [this](const kube::Written& written) { this->written(written); });
  }

  // What people wait for first, and of which there are few, does not wait for thousands of routes.
  kube::Writer& writer_of(const ObjectKey& object) const {
    const bool first = object.kind == api::kind_of<api::GatewayClass>() ||
                       object.kind == api::kind_of<api::Gateway>() ||
                       object.kind == api::kind_of<api::ListenerSet>();
    return first ? *gateway_writer_ : *writer_;
  }

  static std::string text_of(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  static std::size_t hash_of(const status::Patch& patch) {
    return std::hash<std::string>()(status::without_times(patch.status).dump());
  }

  void touch(const ObjectKey& object) {
    touched_.insert(object);
    if (!std::exchange(scheduled_, true)) compare_after(kQuiet);
  }

  void compare_after(std::chrono::milliseconds delay) {
    client_.after(delay, [self = weak_from_this()] {
      if (const auto work = self.lock(); work && !work->over_) work->compare();
    });
  }

  void compare() {
    scheduled_ = false;
    if (!leads_ || !has_rows_) return touched_.clear();
    for (std::size_t i = 0; i < kAtOnce && !touched_.empty(); ++i) {
      const ObjectKey object = *touched_.begin();
      touched_.erase(touched_.begin());
      if (const auto found = seen_.find(object); found != seen_.end()) compare(object, found->second);
    }
    scheduled_ = !touched_.empty();
    if (scheduled_) compare_after({});
  }

  void compare(const ObjectKey& object, Seen& entry) {
    const auto row = rows_.find(object);
    const Row wanted = row == rows_.end() ? nullptr : row->second;
    if (entry.writing && entry.sent == wanted && entry.sent_for == entry.server.version) return;
    const json present = entry.server.json.empty() ? json() : json::parse(entry.server.json, nullptr, false);
    if (patient_ && wanted != nullptr && takes_back_programmed(*wanted, present)) {
      postponed_.insert(object);
      return;
    }
    const auto patch =
        status::patch(object.kind, wanted.get(), present, options_.controller_name, options_.now());
    if (!patch || (entry.left_out != 0 && hash_of(*patch) == entry.left_out)) {
      if (std::exchange(entry.writing, false)) writer_of(object).drop(entry.target);
      return;
    }
    json body{{"status", patch->status}};
    // Somebody else may write to the same list at this moment: then this write is refused, and what follows
    // is made from what they wrote.
    if (patch->shared) body["metadata"] = {{"resourceVersion", entry.server.version}};
    entry.writing = true;
    entry.sent = wanted;
    entry.sent_for = entry.server.version;
    std::string text = text_of(body);
    json after = present.is_object() ? present : json::object();
    after.merge_patch(body["status"]);
    entry.after = std::hash<std::string>()(text_of(after));
    entry.body = std::hash<std::string>()(text);
    kube::Writer& writer = writer_of(object);
    writer.forget(entry.target);  // what was written last is not what the server has
    writer.want(entry.target,
                {.kind = kube::Write::Kind::kMergePatch, .target = entry.target, .body = std::move(text)});
  }

  void written(const kube::Written& written) {
    const auto target = targets_.find(written.key);
    if (target == targets_.end()) return;
    const ObjectKey& object = target->second;
    Seen& entry = seen_.at(object);
    if (written.verdict == kube::WriteQueue::Verdict::kAgain) return;
    if (std::hash<std::string>()(written.write.body) != entry.body) return;  // another is wanted by now
    entry.writing = false;
    if (written.verdict == kube::WriteQueue::Verdict::kDone)
      return acknowledged(object, entry, *written.outcome);
    if (written.outcome && written.outcome->status == 404) return;  // it is gone, which the source will tell
    log(Level::kWarning, "cannot write a status",
        {{"object", object.to_string()},
         {"error", written.outcome ? kube::describe(written.outcome->status, written.outcome->body)
                                   : written.outcome.error().message}});
  }

  // The source tells of what was written a little later. Until then the answer says what the server has,
  // unless the source has told of a change meanwhile.
  void acknowledged(const ObjectKey& object, Seen& entry, const kube::Answer& answer) {
    const std::optional<kube::Parts> parts = kube::parts_of(answer.body);
    const std::string_view text = parts && parts->status != "null" ? parts->status : "";
    entry.left_out = 0;
    // Most servers write JSON as we do: then there is nothing to compare.
    if (std::hash<std::string_view>()(text) != entry.after) {
      const json present = text.empty() ? json() : json::parse(text, nullptr, false);
      const auto rest =
          status::patch(object.kind, entry.sent.get(), present, options_.controller_name, options_.now());
      if (rest) entry.left_out = hash_of(*rest);
    }
    if (entry.server.version != entry.sent_for || !parts) return;
    if (!parts->version.empty()) entry.server.version = parts->version;
    entry.server.json = text;
  }

  kube::Client& client_;
  Options options_;
  bool over_ = false;
  bool leads_ = false;
  bool has_rows_ = false;
  bool scheduled_ = false;
  std::map<ObjectKey, Row> rows_;
  std::map<ObjectKey, Seen> seen_;
  std::map<std::string, ObjectKey> targets_;
  std::set<ObjectKey> touched_;
  bool patient_ = true;
  std::set<ObjectKey> postponed_;
  // Last: their callbacks use the rest.
  std::unique_ptr<kube::Writer> writer_;
  std::unique_ptr<kube::Writer> gateway_writer_;
};

StatusWriter::StatusWriter(kube::Client& client, Options options)
    : client_(client), work_(std::make_shared<Work>(client, std::move(options))) {}

StatusWriter::~StatusWriter() {
  client_.run([this] { work_->end(); });
}

void StatusWriter::commit(const Pipeline& pipeline) {
  std::vector<std::pair<ObjectKey, Row>> rows;
  for (const KindStatuses& kind : pipeline.statuses()) {
    if (told_all_) {
      for (const auto& change : kind.table.changes()) {
        rows.emplace_back(ObjectKey{kind.kind, change.key}, change.after);
      }
    } else {
      kind.table.for_each_shared(
          [&](const auto& name, const auto& row) { rows.emplace_back(ObjectKey{kind.kind, name}, row); });
    }
  }
  if (std::exchange(told_all_, true) && rows.empty()) return;
  client_.post([work = std::weak_ptr(work_), rows = std::move(rows)]() mutable {
    if (const auto self = work.lock()) self->take(std::move(rows));
  });
}

void StatusWriter::seen(const ObjectKey& object, const kube::Resource& resource,
                        std::optional<source::ServerStatus> status) {
  work_->seen(object, resource, std::move(status));
}

void StatusWriter::set_leads(bool leads) { work_->set_leads(leads); }

}  // namespace sluice::control
