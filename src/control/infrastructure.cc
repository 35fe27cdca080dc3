#include "control/infrastructure.h"

#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "kube/list_watch.h"
#include "kube/object.h"
#include "kube/writer.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using Step = Inventory::Step;
using Row = std::shared_ptr<const ProxyObjects>;

// Of several events in a row.
constexpr std::chrono::milliseconds kQuiet{10};
// By this field manager replicas are kept while they go from us to an autoscaler.
constexpr std::string_view kReplicasManager = "sluice-replicas";

const std::array<kube::Resource, 7>& resources() {
  static const std::array<kube::Resource, 7> kResources{{
      {.group = "", .version = "v1", .plural = "serviceaccounts", .kind = "ServiceAccount"},
      {.group = "", .version = "v1", .plural = "configmaps", .kind = "ConfigMap"},
      {.group = "apps", .version = "v1", .plural = "deployments", .kind = "Deployment"},
      {.group = "apps", .version = "v1", .plural = "daemonsets", .kind = "DaemonSet"},
      {.group = "", .version = "v1", .plural = "services", .kind = "Service"},
      {.group = "autoscaling",
       .version = "v2",
       .plural = "horizontalpodautoscalers",
       .kind = "HorizontalPodAutoscaler"},
      {.group = "policy", .version = "v1", .plural = "poddisruptionbudgets", .kind = "PodDisruptionBudget"},
  }};
  return kResources;
}

const kube::Resource& resource_of(const GroupKind& kind) {
  for (const kube::Resource& resource : resources()) {
    if (resource.kind == kind.kind()) return resource;
  }
  std::abort();  // infra makes no other
}

kube::Resource nodes() { return {.group = "", .version = "v1", .plural = "nodes", .kind = "Node"}; }

std::string target_of(const ObjectKey& object) {
  return resource_of(object.kind).target(object.name.namespace_.text(), object.name.name);
}

kube::Write write_of(const Step& step) {
  const std::string target = target_of(step.object);
  if (step.what == Step::What::kDelete) {
    const json options{{"apiVersion", "v1"},
                       {"kind", "DeleteOptions"},
                       {"propagationPolicy", "Background"},
                       {"preconditions", {{"uid", step.uid}}}};
    return {.kind = kube::Write::Kind::kDelete, .target = target, .body = options.dump()};
  }
  const std::string_view manager = step.what == Step::What::kKeepReplicas ? kReplicasManager : kFieldManager;
  return {.kind = kube::Write::Kind::kApply,
          .target = target + kube::apply_query(manager, /*force=*/true),
          .body = step.document.dump(-1, ' ', false, json::error_handler_t::replace)};
}

// What an API server says of a watch that does not get through.
using Faults = std::map<std::string, std::string>;  // by resource

// One kind of objects.
class Watch final : public kube::Sink {
 public:
  // `change` is called with an object that is gone or has changed, and `listed` after each list.
  using Change = std::function<void(const NamespacedName&, const json* live)>;
  Watch(kube::Client& client, kube::ListWatch::Options options, Change change, std::function<void()> listed,
        std::function<void(std::string)> trouble)
      : change_(std::move(change)),
        listed_(std::move(listed)),
        trouble_(std::move(trouble)),
        watch_(client, std::move(options), *this) {}

  void replaced(kube::Difference difference) override {
    for (const NamespacedName& name : difference.gone) deleted(name);
    for (const kube::Object& object : difference.changed) applied(object);
    listed_();
  }
  void applied(kube::Object object) override {
    const json live = json::parse(object.json, nullptr, /*allow_exceptions=*/false);
    if (!live.is_object()) return;
    known_.insert(object.name);
    change_(object.name, &live);
  }
  void deleted(const NamespacedName& name) override {
    if (known_.erase(name) > 0) change_(name, nullptr);
  }
  void missing() override {
    for (const NamespacedName& name : std::exchange(known_, {})) change_(name, nullptr);
    listed_();
  }
  void problem(const std::string& text) override { trouble_(text); }
  void recovered() override { trouble_(""); }

 private:
  const Change change_;
  const std::function<void()> listed_;
  const std::function<void(std::string)> trouble_;
  std::set<NamespacedName> known_;
  kube::ListWatch watch_;  // last: it calls the rest
};

}  // namespace

class Infrastructure::Work : public std::enable_shared_from_this<Infrastructure::Work> {
 public:
  Work(kube::Client& client, Options options, Hooks hooks)
      : client_(client), options_(std::move(options)), hooks_(std::move(hooks)) {}

  // No callback follows.
  void end() {
    over_ = true;
    watches_.clear();
    node_watch_.reset();
    writer_.reset();
  }

  void take(std::vector<std::pair<ir::ProxyKey, Row>> rows, bool complete) {
    for (auto& [proxy, row] : rows) inventory_.want(proxy, std::move(row));
    inventory_.set_complete(complete);
    if (watches_.empty()) {
      for (const kube::Resource& resource : resources()) watch(resource);
      if (options_.elsewhere) look_elsewhere(*options_.elsewhere);
    }
    look_at_nodes();
    schedule();
  }

  void release(const ir::ProxyKey& proxy) {
    inventory_.release(proxy);
    schedule();
  }

  void set_leads(bool leads) {
    if (leads == (writer_ != nullptr)) return;
    under_way_.clear();
    writer_.reset();
    inventory_.set_leads(leads);
    if (!leads) return;
    writer_ = std::make_unique<kube::Writer>(
        client_, options_.writes, [this](const kube::Written& written) { this->written(written); });
    writer_->set_active(true);
    schedule();
  }

 private:
  template <typename Then>
  void after(std::chrono::milliseconds delay, Then then) {
    client_.after(delay, [weak = weak_from_this(), then = std::move(then)] {
      const auto self = weak.lock();
      if (self && !self->over_) then(*self);
    });
  }

  void watch(const kube::Resource& resource) {
    if (options_.namespaces.empty()) return watch(resource, "");
    for (const std::string& name_space : options_.namespaces) watch(resource, name_space);
  }

  void watch(const kube::Resource& resource, const std::string& name_space) {
    const GroupKind kind(resource.group, resource.kind);
    unlisted_[kind].insert(name_space);
    const std::string what = name_space.empty() ? resource.title() : resource.title() + " in " + name_space;
    watches_.push_back(std::make_unique<Watch>(
        client_,
        kube::ListWatch::Options{
            .watched = {.resource = resource,
                        .name_space = name_space,
                        .label_selector = fmt::format("{}={}", infra::kControllerLabel, options_.controller)},
            .reflector = options_.reflector},
        [this, kind](const NamespacedName& name, const json* live) {
          inventory_.seen({kind, name}, live);
          schedule();
        },
        [this, kind, name_space] {
          unlisted_[kind].erase(name_space);
          if (unlisted_[kind].empty()) inventory_.listed(kind);
          schedule();
        },
        [this, what](std::string text) { note_trouble(what, std::move(text)); }));
  }

  void look_elsewhere(const Options::Elsewhere& elsewhere) {
    for (const kube::Resource& resource : resources()) {
      if (!elsewhere.deletes && resource.kind != "Service") continue;
      for (const std::string& name_space : elsewhere.namespaces) look_elsewhere(resource, name_space, "");
      if (elsewhere.namespaces.empty()) {
        look_elsewhere(resource, "", fmt::format("metadata.namespace!={}", elsewhere.except));
      }
    }
  }

  void look_elsewhere(const kube::Resource& resource, const std::string& name_space,
                      const std::string& field_selector) {
    const GroupKind kind(resource.group, resource.kind);
    watches_.push_back(std::make_unique<Watch>(
        client_,
        kube::ListWatch::Options{
            .watched = {.resource = resource,
                        .name_space = name_space,
                        .label_selector = fmt::format("{}={}", infra::kControllerLabel, options_.controller),
                        .field_selector = field_selector},
            .reflector = options_.reflector},
        [this, kind](const NamespacedName& name, const json* live) {
          if (options_.elsewhere->deletes) {
            inventory_.seen({kind, name}, live);
          } else if (live != nullptr) {
            left_.insert(name);
          } else {
            left_.erase(name);
          }
          schedule();
        },
        [] {}, [](const std::string&) {}));
  }

  // Nodes are nobody's business where no Service has ports of theirs.
  void look_at_nodes() {
    if (!inventory_.wants_nodes()) {
      node_watch_.reset();
      nodes_.clear();
      note_trouble(nodes().title(), "");
      return;
    }
    if (node_watch_ != nullptr) return;
    const auto tell = [this] {
      if (!nodes_listed_) return;
      std::vector<json> all;
      for (const auto& [name, node] : nodes_) all.push_back(node);
      translate::NodeAddresses addresses = addresses_of_nodes(all);
      if (told_nodes_ == addresses) return;
      told_nodes_ = addresses;
      hooks_.on_nodes(std::move(addresses));
    };
    nodes_listed_ = false;
    node_watch_ = std::make_unique<Watch>(
        client_, kube::ListWatch::Options{.watched = {.resource = nodes()}, .reflector = options_.reflector},
        [this, tell](const NamespacedName& name, const json* live) {
          if (live == nullptr) {
            nodes_.erase(name);
          } else {
            nodes_[name] = {
                {"status", {{"addresses", live->value("/status/addresses"_json_pointer, json())}}}};
          }
          tell();
        },
        [this, tell] {
          nodes_listed_ = true;
          tell();
        },
        [this](std::string text) { note_trouble(nodes().title(), std::move(text)); });
  }

  void note_trouble(const std::string& resource, std::string text) {
    if (text.empty()) {
      if (troubles_.erase(resource) == 0) return;
    } else {
      troubles_[resource] = std::move(text);
    }
    schedule();
  }

  void schedule() {
    if (std::exchange(scheduled_, true)) return;
    after(kQuiet, [](Work& self) { self.act(); });
  }

  void act() {
    scheduled_ = false;
    for (Step& step : inventory_.take_steps()) start(std::move(step));
    if (auto news = inventory_.take_installations(); !news.empty()) hooks_.on_installations(std::move(news));
    tell_problems();
  }

  void start(Step step) {
    const std::string key = target_of(step.object);
    if (step.what == Step::What::kNothing) {
      writer_->drop(key);
      under_way_.erase(key);
      return;
    }
    writer_->forget(key);  // what was written last is not what the server has
    log(Level::kInfo, step.what == Step::What::kDelete ? "deleting" : "applying",
        {{"object", step.object.to_string()}});
    writer_->want(key, write_of(step));
    under_way_[key] = std::move(step);
  }

  void written(const kube::Written& written) {
    if (written.verdict == kube::WriteQueue::Verdict::kAgain) return;
    const auto found = under_way_.find(written.key);
    if (found == under_way_.end() || write_of(found->second) != written.write) return;  // overtaken
    const Step step = std::move(found->second);
    under_way_.erase(found);
    const bool is_gone =
        step.what == Step::What::kDelete && written.outcome && written.outcome->status == 404;
    if (written.verdict == kube::WriteQueue::Verdict::kDone || is_gone) {
      inventory_.done(step, json::parse(written.outcome->body, nullptr, /*allow_exceptions=*/false));
    } else {
      std::string why = written.outcome ? kube::describe(written.outcome->status, written.outcome->body)
                                        : written.outcome.error().message;
      log(Level::kWarning, "cannot write", {{"object", step.object.to_string()}, {"error", why}});
      inventory_.failed(step, why);
      if (!std::exchange(retries_, true)) {
        after(options_.retry, [](Work& self) {
          self.retries_ = false;
          self.inventory_.retry();
          self.schedule();
        });
      }
    }
    schedule();
  }

  void tell_problems() {
    std::vector<Problem> problems;
    for (const auto& [resource, text] : troubles_) {
      problems.push_back({.code = "cluster/infrastructure",
                          .message = fmt::format("what runs Envoys in the cluster is not seen: {}", text),
                          .suggestion = "nothing of it is changed until it is"});
    }
    for (const auto& [object, why] : inventory_.faults()) {
      problems.push_back({.code = "cluster/infrastructure",
                          .message = fmt::format("the {} cannot be written: {}", object.to_string(), why),
                          .suggestion = "it stays as it is, and is tried again"});
    }
    if (!left_.empty()) problems.push_back(problem_of_left());
    if (problems == problems_) return;
    problems_ = problems;
    hooks_.on_problems(std::move(problems));
  }

  Problem problem_of_left() const {
    const std::string more = left_.size() > 1 ? fmt::format(", and {} more", left_.size() - 1) : "";
    return {.code = "cluster/infrastructure",
            .severity = Severity::kWarning,
            .message = fmt::format("the Service {}{} is left from when Envoys ran with their Gateways",
                                   left_.begin()->to_string(), more),
            .suggestion = "`--former-deploy-type GatewayNamespace` has all that is left deleted"};
  }

  kube::Client& client_;
  const Options options_;
  const Hooks hooks_;
  bool over_ = false;
  bool scheduled_ = false;
  bool retries_ = false;
  Inventory inventory_;
  std::map<std::string, Step> under_way_;  // by target
  Faults troubles_;
  std::vector<Problem> problems_;
  std::set<NamespacedName> left_;  // Services, elsewhere, of which nothing is deleted
  std::map<NamespacedName, json> nodes_;
  bool nodes_listed_ = false;
  std::optional<translate::NodeAddresses> told_nodes_;
  std::map<GroupKind, std::set<std::string>> unlisted_;  // the namespaces of which nothing has been told yet
  // Last: their callbacks use the rest.
  std::unique_ptr<kube::Writer> writer_;  // while we lead
  std::vector<std::unique_ptr<Watch>> watches_;
  std::unique_ptr<Watch> node_watch_;
};

Infrastructure::Infrastructure(kube::Client& client, Options options, Hooks hooks)
    : client_(client), work_(std::make_shared<Work>(client, std::move(options), std::move(hooks))) {}

Infrastructure::~Infrastructure() {
  client_.run([this] { work_->end(); });
}

void Infrastructure::commit(const Pipeline& pipeline, bool complete) {
  std::vector<std::pair<ir::ProxyKey, Row>> rows;
  const auto& table = pipeline.objects_of_proxies();
  if (told_all_) {
    for (const auto& change : table.changes()) rows.emplace_back(change.key, change.after);
  } else {
    table.for_each_shared([&](const ir::ProxyKey& proxy, const Row& row) { rows.emplace_back(proxy, row); });
  }
  if (std::exchange(told_all_, true) && rows.empty() && complete == complete_) return;
  complete_ = complete;
  client_.post([work = std::weak_ptr(work_), rows = std::move(rows), complete]() mutable {
    if (const auto self = work.lock()) self->take(std::move(rows), complete);
  });
}

void Infrastructure::release(const ir::ProxyKey& proxy) {
  client_.post([work = std::weak_ptr(work_), proxy] {
    if (const auto self = work.lock()) self->release(proxy);
  });
}

void Infrastructure::set_leads(bool leads) { work_->set_leads(leads); }

}  // namespace sluice::control
