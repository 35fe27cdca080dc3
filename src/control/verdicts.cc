#include "control/verdicts.h"

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "control/clues.h"
#include "translate/proxy_plan.h"

namespace sluice::control {
namespace {

// Objects that a log line names; more are counted.
constexpr std::size_t kNamed = 20;

}  // namespace

Verdicts::Verdicts(const std::string& run_dir, Pipeline& pipeline, ProblemLog& problems, Hooks hooks)
    : pipeline_(pipeline),
      problems_(problems),
      hooks_(std::move(hooks)),
      refusals_(run_dir + "/refusals.json"),
      good_(run_dir + "/good.journal"),
      isolation_({.known_good =
                      [this](const ObjectKey& object) {
                        const auto present = pipeline_.object(object);
                        return present && good_.holds(object, *present);
                      },
                  .named = [this](const std::vector<ObjectKey>& suspects,
                                  const std::string& message) { return named(suspects, message); },
                  .carries =
                      [](const ObjectKey& object) {
                        return object.kind == api::kind_of<api::Gateway>() ||
                               object.kind == api::kind_of<api::ListenerSet>();
                      }}) {}

void Verdicts::restore() {
  for (const auto& [object, refusal] : refusals_.refusals()) {
    pipeline_.refuse(object, refusal);
    if (refusal->last_good && !good_.find(object)) good_.set(object, *refusal->last_good);
  }
}

void Verdicts::keep_only_present() {
  good_.keep_only([this](const ObjectKey& object) { return pipeline_.object(object).has_value(); });
}

void Verdicts::deleted(const ObjectKey& object) {
  isolation_.forget(object);
  good_.erase(object);
  drop_refusal(object);
}

void Verdicts::acknowledged(const std::set<std::string>& aggregates, std::uint64_t commit) {
  isolation_.acknowledged(aggregates, commit);
}

bool Verdicts::rejected(const std::string& aggregate, std::uint64_t commit, const std::string& message) {
  return isolation_.rejected(aggregate, commit, message);
}

void Verdicts::rejected(const ads::Rejected& rejected) {
  const translate::XdsKey key{rejected.proxy, rejected.name};
  // What a patch did to it is the policy's doing.
  const std::optional<std::string> aggregate = pipeline_.aggregate_of(rejected.type, key);
  if (aggregate && isolation_.rejected(*aggregate, rejected.commit, rejected.message)) return;
  refuse_resource({.type = rejected.type,
                   .key = key,
                   .node = rejected.node,
                   .version = rejected.version,
                   .words = rejected.message},
                  "");
}

void Verdicts::refuse_resource(RefusedByNode refused, const std::string& replica) {
  forget_refused([&](const RefusedResource& r) {
    return r.replica == replica && r.type == refused.type && r.key == refused.key && r.node == refused.node;
  });
  const bool secret = refused.type == xds::ResourceType::kSecret;
  const bool filter = refused.type == xds::ResourceType::kExtension;
  auto owner = secret   ? Pipeline::ClusterOwner{pipeline_.owner_of_secret(refused.key), ""}
               : filter ? Pipeline::ClusterOwner{pipeline_.owner_of_filter(refused.key), ""}
                        : pipeline_.owner_of_cluster(refused.key);
  const bool shown = secret && refused.key.name.starts_with(translate::kListenerCertificates);
  Problem problem{
      .code = "value/rejected",
      .severity = Severity::kError,
      .where = {},
      .object = std::move(owner.object),
      .path = std::move(owner.path),
      .message = fmt::format("the proxy rejected {}: {}", refused.key.name, refused.words),
      .suggestion = shown ? "correct it, or what else its listener has in `certificateRefs`: where there "
                            "are several, the proxy does not say which it means"
                          : ""};
  refused_.push_back({std::move(refused), replica, std::move(problem)});
  problems_.add(refused_.back().problem);
  tell_pipeline(refused_.back());
}

void Verdicts::recovered(const ads::Recovered& recovered) {
  forget_refused([&](const RefusedResource& r) {
    return r.replica.empty() && r.type == recovered.type && r.node == recovered.node &&
           r.key == translate::XdsKey{recovered.proxy, recovered.name};
  });
}

std::vector<translate::XdsKey> Verdicts::secrets_to_retry() const {
  std::set<ir::ProxyKey> changed;
  for (const auto& change : pipeline_.resources(xds::ResourceType::kSecret).changes()) {
    changed.insert(change.key.proxy);
  }
  std::vector<translate::XdsKey> keys;
  for (const RefusedResource& each : refused_) {
    if (each.type == xds::ResourceType::kSecret && changed.contains(each.key.proxy)) keys.push_back(each.key);
  }
  return keys;
}

void Verdicts::disconnected(const ads::Disconnected& disconnected) {
  forget_refused([&](const RefusedResource& r) {
    return r.replica.empty() && r.key.proxy == disconnected.proxy && r.node == disconnected.node;
  });
}

template <typename Ends>
void Verdicts::forget_refused(Ends ends) {
  const auto ended = std::ranges::stable_partition(refused_, std::not_fn(ends));
  const std::vector<RefusedResource> gone(ended.begin(), ended.end());
  refused_.erase(ended.begin(), ended.end());
  for (const RefusedResource& each : gone) {
    problems_.remove(each.problem);
    tell_pipeline(each);
  }
}

void Verdicts::tell_pipeline(const RefusedResource& refused) {
  dirty_ = true;
  news_ = news_ || refused.replica.empty();
  if (refused.type != xds::ResourceType::kCluster) return;
  const auto is_of_it = [&](const RefusedResource& r) {
    return r.type == refused.type && r.key == refused.key;
  };
  const auto newest = std::find_if(refused_.rbegin(), refused_.rend(), is_of_it);
  pipeline_.set_cluster_refused(
      refused.key, newest == refused_.rend() ? std::nullopt : std::optional<std::string>(newest->words));
}

void Verdicts::conclude() {
  for (const ObjectKey& good : isolation_.take_good()) {
    const auto object = pipeline_.object(good);
    // That a proxy takes our answers in place of a route says nothing of the route.
    if (object && hooks_.is_whole(good) && pipeline_.is_accepted(good)) good_.set(good, *object);
    drop_refusal(good);
  }
  carry_out(isolation_.take());
}

// Isolation is told which objects bring what is new: not those of which its own order is all that is new, nor
// those of which the version is refused already.
void Verdicts::committed(std::uint64_t commit) {
  isolation_.trial_committed(commit);
  for (const Pipeline::Contributor& contributor : pipeline_.changed_contributors()) {
    const std::optional<api::Object> present = pipeline_.object(contributor.object);
    const auto order = ordered_.find(contributor.object);
    if (order != ordered_.end() && order->second == present) continue;
    if (contributor.refused) continue;
    isolation_.changed(commit, contributor.object, contributor.aggregates);
  }
  ordered_.clear();
  forget_refused([this](const RefusedResource& r) {
    const Rendered* present = pipeline_.resources(r.type).get(r.key);
    return present == nullptr || present->version != r.version;
  });
  follow_others();
}

void Verdicts::heard(const std::string& replica, std::optional<ReplicaReport> report) {
  const auto known = others_.find(replica);
  ReplicaReport before;
  if (known != others_.end()) before = std::move(known->second);
  ReplicaReport& now = others_[replica];
  std::set<ObjectKey> concerned;
  for (const auto& [object, refusal] : before.refusals) concerned.insert(object);
  if (report) {
    now = *std::move(report);
    for (const auto& [object, refusal] : now.refusals) concerned.insert(object);
  } else {
    others_.erase(replica);
    // Nobody else remembers it.
    for (const auto& [object, refusal] : before.refusals) {
      const std::optional<api::Object> present = pipeline_.object(object);
      if (present && api::equal(*present, refusal->refused) && !refusals_.refusals().contains(object)) {
        refuse(object, refusal);
      }
    }
  }
  for (const ObjectKey& object : concerned) tell_pipeline(object);
  follow_others();
}

void Verdicts::tell_pipeline(const ObjectKey& object) {
  std::shared_ptr<const Refusal> refusal;
  for (const auto& [replica, report] : others_) {
    if (const auto theirs = report.refusals.find(object); theirs != report.refusals.end()) {
      refusal = theirs->second;
    }
  }
  const auto ours = refusals_.refusals().find(object);
  if (ours != refusals_.refusals().end()) refusal = ours->second;
  pipeline_.refuse(object, std::move(refusal));
  dirty_ = true;
}

void Verdicts::follow_others() {
  const auto says_so = [this](const RefusedResource& refused) {
    const auto theirs = others_.find(refused.replica);
    return theirs != others_.end() &&
           std::ranges::find(theirs->second.resources, static_cast<const RefusedByNode&>(refused)) !=
               theirs->second.resources.end();
  };
  forget_refused([&](const RefusedResource& r) { return !r.replica.empty() && !says_so(r); });
  for (const auto& [replica, report] : others_) {
    for (const RefusedByNode& refused : report.resources) {
      const bool is_known = std::ranges::any_of(refused_, [&](const RefusedResource& r) {
        return r.replica == replica && static_cast<const RefusedByNode&>(r) == refused;
      });
      const Rendered* const present = pipeline_.resources(refused.type).get(refused.key);
      if (!is_known && present != nullptr && present->version == refused.version) {
        refuse_resource(refused, replica);
      }
    }
  }
}

ReplicaReport Verdicts::report() const {
  ReplicaReport report;
  for (const auto& [object, refusal] : refusals_.refusals()) {
    if (refusal->guilty) report.refusals[object] = refusal;
  }
  for (const RefusedResource& refused : refused_) {
    if (refused.replica.empty()) report.resources.push_back(refused);
  }
  return report;
}

// Refusals of versions that are no more are kept: going back to one is no news.
std::size_t Verdicts::count_held_back() const {
  return static_cast<std::size_t>(std::ranges::count_if(refusals_.refusals(), [this](const auto& refusal) {
    const std::optional<api::Object> present = pipeline_.object(refusal.first);
    return refusal.second->guilty && present && refusals_.holds(refusal.first, *present);
  }));
}

void Verdicts::refuse(const ObjectKey& object, std::shared_ptr<const Refusal> refusal) {
  refusals_.set(object, std::move(refusal));
  tell_pipeline(object);
  news_ = true;
}

// For the object is gone, or a later version of it is good: going back to what was refused then is another
// try, and the last good version is not that of then.
void Verdicts::drop_refusal(const ObjectKey& object) {
  if (refusals_.refusals().contains(object)) refuse(object, nullptr);
}

void Verdicts::carry_out(const std::vector<Isolation::Order>& orders) {
  std::array<std::vector<std::string>, 3> said;
  for (const Isolation::Order& order : orders) {
    const std::optional<api::Object> present = pipeline_.object(order.object);
    ordered_[order.object] = present;
    std::shared_ptr<const Refusal> refusal;
    if (order.hold && present) {
      refusal = std::make_shared<const Refusal>(Refusal{.refused = *present,
                                                        .last_good = good_.find(order.object),
                                                        .message = order.message,
                                                        .guilty = order.guilty,
                                                        .code = pipeline_.code_of(order.object)});
    }
    refuse(order.object, std::move(refusal));
    if (order.hold && order.guilty) hooks_.held_back(order.object);
    said[!order.hold ? 0 : order.guilty ? 2 : 1].push_back(order.object.to_string());
  }
  constexpr std::pair<Level, std::string_view> kWords[] = {
      {Level::kInfo, "let go"}, {Level::kInfo, "held back"}, {Level::kError, "refused"}};
  for (std::size_t i = 0; i < said.size(); ++i) {
    const std::size_t all = said[i].size();
    if (all == 0) continue;
    if (all > kNamed) said[i].resize(kNamed);
    log(kWords[i].first, kWords[i].second, {{"objects", all}, {"changed", said[i]}});
  }
}

// Where a message names an object's plugin, or says something of the objects' texts, that is nearly always
// who is at fault.
std::vector<ObjectKey> Verdicts::named(const std::vector<ObjectKey>& suspects,
                                       const std::string& message) const {
  std::vector<ObjectKey> found;
  for (const ObjectKey& suspect : suspects) {
    const auto is_named = [&message](const std::string& plugin) { return message.contains(plugin); };
    if (std::ranges::any_of(pipeline_.plugins_of(suspect), is_named)) found.push_back(suspect);
  }
  if (!found.empty()) return found;
  std::vector<std::string> texts;
  texts.reserve(suspects.size());
  for (const ObjectKey& suspect : suspects) {
    const auto object = pipeline_.object(suspect);
    texts.push_back(object ? api::write_object(*object) : "");
  }
  for (const std::size_t i : pointed_at(texts, message)) found.push_back(suspects[i]);
  return found;
}

}  // namespace sluice::control
