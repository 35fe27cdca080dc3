#include "control/inventory.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

namespace sluice::control {

using nlohmann::json;
using namespace nlohmann::literals;  // NOLINT: the only way to a pointer in one word

namespace {

const GroupKind& service_kind() {
  static const GroupKind kKind("", "Service");
  return kKind;
}
const GroupKind& deployment_kind() {
  static const GroupKind kKind("apps", "Deployment");
  return kKind;
}
const GroupKind& daemon_set_kind() {
  static const GroupKind kKind("apps", "DaemonSet");
  return kKind;
}
bool is_workload(const GroupKind& kind) { return kind == deployment_kind() || kind == daemon_set_kind(); }
bool is_for_pods(const GroupKind& kind) {
  static const GroupKind kAccount("", "ServiceAccount");
  static const GroupKind kFiles("", "ConfigMap");
  return kind == kAccount || kind == kFiles;
}

std::size_t hash_of(const json& document) { return std::hash<std::string>()(document.dump()); }

bool has_autoscaler(const ProxyObjects& row) {
  return std::ranges::any_of(
      row.objects, [](const infra::Object& o) { return o.key.kind.kind() == "HorizontalPodAutoscaler"; });
}

bool uses_nodes(const ProxyObjects& row) {
  return std::ranges::any_of(row.objects, [](const infra::Object& o) {
    return o.key.kind == service_kind() && o.document.value("/spec/type"_json_pointer, "") == "NodePort";
  });
}

// Of the Deployment as it is: its replicas alone.
json replicas_of(const json& document, std::int64_t replicas) {
  json alone = {{"apiVersion", document["apiVersion"]}, {"kind", document["kind"]}};
  for (const char* const member : {"name", "namespace"}) {
    alone["metadata"][member] = document["metadata"][member];
  }
  alone["spec"]["replicas"] = replicas;
  return alone;
}

}  // namespace

void Inventory::touch(const ObjectKey& object) {
  if (is_touched_.insert(object).second) touched_.push_back(object);
}

// What is to go may be able to now.
void Inventory::touch_owner(const std::string& owner) {
  if (const auto wanted = owners_.find(owner); wanted != owners_.end()) changed_.insert(wanted->second);
  const auto found = live_of_.find(owner);
  if (found == live_of_.end()) return;
  for (const ObjectKey& object : found->second) {
    if (entries_.at(object).row == nullptr) touch(object);
  }
}

void Inventory::take(const ir::ProxyKey& proxy, const std::shared_ptr<const ProxyObjects>& row,
                     const ObjectKey& object, const json* document) {
  Entry& entry = entries_[object];
  if (entry.row != nullptr && entry.proxy != proxy) {
    clashes_[proxy].insert(object);
    return;
  }
  entry.row = row;
  entry.proxy = proxy;
  entry.document = document;
  const std::size_t hash = document == nullptr ? 0 : hash_of(*document);
  if (std::exchange(entry.hash, hash) != hash) {
    entry.is_wanted = false;
    entry.replicas_kept = false;
    entry.fault.clear();
  }
  touch(object);
}

void Inventory::take_all(const ir::ProxyKey& proxy, const std::shared_ptr<const ProxyObjects>& row) {
  clashes_.erase(proxy);
  for (const infra::Object& object : row->objects) take(proxy, row, object.key, &object.document);
  for (const ObjectKey& object : row->withheld) take(proxy, row, object, nullptr);
  changed_.insert(proxy);
}

void Inventory::want(const ir::ProxyKey& proxy, std::shared_ptr<const ProxyObjects> objects) {
  std::set<ObjectKey> before;
  if (const auto old = wanted_.find(proxy); old != wanted_.end()) {
    for (const infra::Object& object : old->second->objects) before.insert(object.key);
    before.insert(old->second->withheld.begin(), old->second->withheld.end());
    const std::string owner = owner_of(old->second->owner);
    owners_.erase(owner);
    if (objects == nullptr) leaving_[proxy] = owner;
    wanted_.erase(old);
  }
  of_nodes_.erase(proxy);
  clashes_.erase(proxy);
  changed_.insert(proxy);
  if (objects != nullptr) {
    leaving_.erase(proxy);
    owners_[owner_of(objects->owner)] = proxy;
    if (uses_nodes(*objects)) of_nodes_.insert(proxy);
    take_all(proxy, objects);
    for (const infra::Object& object : objects->objects) before.erase(object.key);
    for (const ObjectKey& object : objects->withheld) before.erase(object);
    wanted_[proxy] = objects;
    touch_owner(owner_of(objects->owner));
  }
  for (const ObjectKey& object : before) {
    const auto found = entries_.find(object);
    if (found == entries_.end() || found->second.proxy != proxy) continue;  // it was never this proxy's
    Entry& entry = found->second;
    entry.row = nullptr;
    entry.document = nullptr;
    entry.hash = 0;
    entry.applied.reset();
    entry.fault.clear();
    touch(object);
  }
  if (before.empty()) return;
  // Others that wanted one of them, too, may have it now.
  const auto is_free = [&](const ObjectKey& object) { return before.contains(object); };
  for (const auto& [other, wants] : std::map(clashes_)) {
    if (std::ranges::any_of(wants, is_free)) take_all(other, wanted_.at(other));
  }
}

void Inventory::release(const ir::ProxyKey& proxy) {
  const auto leaving = leaving_.find(proxy);
  if (leaving == leaving_.end()) return;
  const std::string owner = leaving->second;
  leaving_.erase(leaving);
  touch_owner(owner);
}

void Inventory::set_complete(bool complete) {
  if (std::exchange(complete_, complete) || !complete) return;
  for (const auto& [object, entry] : entries_) {
    if (entry.row == nullptr) touch(object);
  }
}

void Inventory::set_leads(bool leads) {
  if (std::exchange(leads_, leads) == leads || !leads) return;
  for (auto& [object, entry] : entries_) {
    entry.doing.reset();
    entry.applied.reset();
    entry.awaited.clear();
    touch(object);
  }
}

void Inventory::listed(const GroupKind& kind) {
  const bool first = listed_.insert(kind).second;
  for (auto& [object, entry] : entries_) {
    if (object.kind != kind) continue;
    entry.awaited.clear();  // it may have been in between
    touch(object);
  }
  if (!first) return;
  for (const auto& [proxy, row] : wanted_) changed_.insert(proxy);
}

void Inventory::look(Entry& entry, const json& live) {
  if (entry.document == nullptr) return;
  entry.part = hash_of(part_of(live, *entry.document));
  entry.is_wanted = has_all(live, *entry.document);
}

void Inventory::forget(const ObjectKey& object) {
  Entry& entry = entries_.at(object);
  if (entry.live) live_of_[entry.live->owner].erase(object);
  entry.live.reset();
  entry.applied.reset();
  entry.is_wanted = false;
  entry.awaited.clear();
}

void Inventory::seen(const ObjectKey& object, const json* live) {
  const auto found = entries_.find(object);
  if (live == nullptr) {
    if (found == entries_.end() || !found->second.live) return;
    const std::string owner = found->second.live->owner;
    forget(object);
    if (found->second.doing == Step::What::kDelete) found->second.doing.reset();
    touch(object);
    touch_owner(owner);
    return;
  }
  Entry& entry = entries_[object];
  LiveObject now = read_live_object(object.kind, *live);
  if (entry.live && entry.live->uid != now.uid) {
    forget(object);
    if (entry.doing == Step::What::kDelete) entry.doing.reset();
  }
  if (entry.doing) entry.seen_meanwhile.insert(now.version);
  if (entry.awaited == now.version) entry.awaited.clear();
  if (entry.live) live_of_[entry.live->owner].erase(object);
  live_of_[now.owner].insert(object);
  const std::string owner = now.owner;
  entry.live = std::move(now);
  look(entry, *live);
  touch(object);
  touch_owner(owner);
}

std::vector<Inventory::Step> Inventory::take_steps() {
  std::vector<Step> steps;
  is_touched_.clear();
  for (const ObjectKey& object : std::exchange(touched_, {})) {
    const auto found = entries_.find(object);
    if (found == entries_.end()) continue;
    Entry& entry = found->second;
    if (leads_ && listed_.contains(object.kind)) {
      if (std::optional<Step> step = next(object, entry)) steps.push_back(*std::move(step));
    }
    if (entry.row == nullptr && !entry.live && !entry.doing) entries_.erase(found);
  }
  return steps;
}

std::optional<Inventory::Step> Inventory::next(const ObjectKey& object, Entry& entry) {
  std::optional<Step> step;
  if (entry.document != nullptr) {
    step = next_of_wanted(object, entry);
  } else if (entry.row == nullptr && entry.live) {
    if (entry.doing == Step::What::kDelete) return std::nullopt;
    if (may_go(object, entry))
      step = Step{.what = Step::What::kDelete, .object = object, .uid = entry.live->uid};
  }
  if (step) {
    entry.doing = step->what;
    entry.sent = entry.hash;
    entry.seen_meanwhile.clear();
  } else if (entry.document == nullptr && entry.doing && entry.doing != Step::What::kDelete) {
    entry.doing.reset();
    step = Step{.what = Step::What::kNothing, .object = object};
  }
  return step;
}

std::optional<Inventory::Step> Inventory::next_of_wanted(const ObjectKey& object, Entry& entry) {
  const json& document = *entry.document;
  if (!entry.fault.empty()) return std::nullopt;
  if (entry.doing == Step::What::kDelete) return std::nullopt;
  if (entry.doing && entry.sent == entry.hash) return std::nullopt;
  if (entry.applied == entry.hash && !entry.awaited.empty()) return std::nullopt;  // it has not been seen yet
  Step step{.what = Step::What::kApply, .object = object};
  if (entry.live) {
    if (is_workload(object.kind) && entry.live->selector != selector_of(document)) {
      step.what = Step::What::kDelete;
      step.uid = entry.live->uid;
      return step;
    }
    if (entry.applied == entry.hash) {
      if (entry.part == entry.accepted) return std::nullopt;
    } else if (!entry.applied && entry.is_wanted) {
      return std::nullopt;
    }
    if (entry.live->scaled_by_us && !entry.replicas_kept && has_autoscaler(*entry.row) &&
        !document.contains("/spec/replicas"_json_pointer)) {
      step.what = Step::What::kKeepReplicas;
      step.document = replicas_of(document, *entry.live->scaled_by_us);
      return step;
    }
  }
  step.document = document;
  return step;
}

bool Inventory::may_go(const ObjectKey& object, const Entry& entry) const {
  if (!complete_) return false;
  const std::string& owner = entry.live->owner;
  if (std::ranges::any_of(leaving_, [&](const auto& leaving) { return leaving.second == owner; }))
    return false;
  const auto wanted = owners_.find(owner);
  return wanted == owners_.end() || is_replaced(object, *wanted_.at(wanted->second));
}

bool Inventory::is_serving(const ObjectKey& object) const {
  const auto found = entries_.find(object);
  if (found == entries_.end() || !found->second.live) return false;
  const LiveObject& live = *found->second.live;
  if (is_workload(object.kind)) return live.available > 0;
  if (!live.service) return true;
  return live.service->type != "LoadBalancer" || !live.service->ingress.empty() ||
         !live.service->external_ips.empty();
}

// Whether what the proxy has in its place serves.
bool Inventory::is_replaced(const ObjectKey& object, const ProxyObjects& row) const {
  const auto serves = [&](const auto& is_meant) {
    const auto meant = [&](const infra::Object& o) { return is_meant(o.key.kind); };
    const auto found = std::ranges::find_if(row.objects, meant);
    return found != row.objects.end() && is_serving(found->key);
  };
  if (is_workload(object.kind)) return serves(is_workload);
  if (object.kind == service_kind()) {
    return serves(is_workload) && serves([](const GroupKind& kind) { return kind == service_kind(); });
  }
  if (!is_for_pods(object.kind)) return true;
  const auto live = live_of_.find(owner_of(row.owner));
  const bool has_old = live != live_of_.end() && std::ranges::any_of(live->second, [&](const ObjectKey& o) {
                         return is_workload(o.kind) && entries_.at(o).row == nullptr;
                       });
  return !has_old && serves(is_workload);
}

bool Inventory::is_awaited(const Step& step, const Entry& entry) {
  if (entry.doing != step.what) return false;
  if (step.what == Step::What::kDelete) return entry.live && entry.live->uid == step.uid;
  return step.what == Step::What::kKeepReplicas || hash_of(step.document) == entry.sent;
}

void Inventory::done(const Step& step, const json& answer) {
  const auto found = entries_.find(step.object);
  if (found == entries_.end() || !is_awaited(step, found->second)) return;
  Entry& entry = found->second;
  touch(step.object);
  entry.fault.clear();
  if (step.what == Step::What::kDelete) return;  // it goes when it is gone
  entry.doing.reset();
  if (step.what == Step::What::kKeepReplicas) {
    entry.replicas_kept = true;
    return;
  }
  if (entry.document == nullptr || entry.sent != entry.hash) return;
  entry.applied = entry.hash;
  entry.accepted = hash_of(part_of(answer, *entry.document));
  const std::string version = answer.value("/metadata/resourceVersion"_json_pointer, "");
  const bool is_seen =
      (entry.live && entry.live->version == version) || entry.seen_meanwhile.contains(version);
  entry.awaited = is_seen ? "" : version;
}

void Inventory::failed(const Step& step, const std::string& why) {
  const auto found = entries_.find(step.object);
  if (found == entries_.end() || !is_awaited(step, found->second)) return;
  Entry& entry = found->second;
  entry.doing.reset();
  entry.fault = why;
  if (entry.row != nullptr) changed_.insert(entry.proxy);
}

void Inventory::retry() {
  for (auto& [object, entry] : entries_) {
    if (entry.fault.empty()) continue;
    entry.fault.clear();
    touch(object);
  }
}

bool Inventory::knows_workloads() const {
  return listed_.contains(service_kind()) && listed_.contains(deployment_kind()) &&
         listed_.contains(daemon_set_kind());
}

std::optional<translate::Installation> Inventory::installation_of(const ir::ProxyKey& proxy) const {
  const auto found = wanted_.find(proxy);
  if (found == wanted_.end() || !knows_workloads()) return std::nullopt;
  const ProxyObjects& row = *found->second;
  translate::Installation installation;
  if (const auto live = live_of_.find(owner_of(row.owner)); live != live_of_.end()) {
    for (const ObjectKey& object : live->second) {
      const Entry& entry = entries_.at(object);
      // What is about to be replaced serves, too.
      if (is_workload(object.kind)) installation.available += entry.live->available;
      if (entry.live->service && (entry.row != nullptr || !installation.service)) {
        installation.service = entry.live->service;
      }
    }
  }
  if (const auto clashes = clashes_.find(proxy); clashes != clashes_.end()) {
    installation.fault =
        fmt::format("{} is another Gateway's already: give it another name in the EnvoyProxy",
                    clashes->second.begin()->to_string());
  }
  for (const infra::Object& object : row.objects) {
    const Entry& entry = entries_.at(object.key);
    if (entry.proxy == proxy && !entry.fault.empty() && installation.fault.empty()) {
      installation.fault = fmt::format("{}: {}", object.key.to_string(), entry.fault);
    }
  }
  return installation;
}

Inventory::Installations Inventory::take_installations() {
  Installations news;
  for (const ir::ProxyKey& proxy : std::exchange(changed_, {})) {
    std::optional<translate::Installation> now = installation_of(proxy);
    const auto told = told_.find(proxy);
    if (told == told_.end() ? !now : told->second == now) continue;
    if (now) {
      told_[proxy] = now;
    } else {
      told_.erase(told);
    }
    news[proxy] = std::move(now);
  }
  return news;
}

std::map<ObjectKey, std::string> Inventory::faults() const {
  std::map<ObjectKey, std::string> faults;
  for (const auto& [object, entry] : entries_) {
    if (!entry.fault.empty()) faults[object] = entry.fault;
  }
  return faults;
}

}  // namespace sluice::control
