#include "source/cluster/cluster.h"

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <iterator>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "api/definitions.h"
#include "api/vain.h"
#include "kube/backoff.h"
#include "kube/list_watch.h"
#include "tree/json.h"

namespace sluice::source {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Of a delay, so that not all kinds that are missing are looked for at once.
constexpr double kSpread = 0.25;
constexpr char kNoReleases[] = "type!=helm.sh/release.v1";

// Of such kinds it follows which Envoys there are to be.
bool decides_on_proxies(const GroupKind& kind) {
  return kind == api::kind_of<api::GatewayClass>() || kind == api::kind_of<api::Gateway>() ||
         kind == api::kind_of<api::ListenerSet>() || kind == api::kind_of<api::EnvoyProxy>();
}

std::string date_of(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC", fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

class Watching;

// The objects of a kind, of one namespace or of all.
class Unit final : public kube::Sink {
 public:
  Unit(Watching& watching, const api::KindInfo& kind, std::string name_space)
      : watching_(watching), info_(kind), kind_(kind.group, kind.kind), name_space_(std::move(name_space)) {}

  // A unit that need not be watched while the other has no objects.
  void need_only_with(const Unit* other) { needed_by_ = other; }
  // Starts or ends what that says now.
  void look();
  // Lists all objects again: some that were left out are to be seen.
  void restart();
  // The namespace is to be seen, or not any more.
  void show(const Interned& name_space);
  void hide(const Interned& name_space);

  const GroupKind& kind() const { return kind_; }
  bool in_namespaces() const { return info_.is_namespaced; }
  bool is_running() const { return running_; }
  // All that is to be seen of it was told.
  bool is_listed() const { return listed_ || forbidden_ || !is_needed(); }
  bool has_objects() const { return !known_.empty(); }
  bool has(const NamespacedName& name) const { return known_.contains(name); }
  // Why the server is not read, or empty: with the kind, and without.
  const std::string& problem() const { return problem_; }
  std::string problem_of_any_kind() const;
  // That problem is that we may not read it.
  bool is_forbidden() const { return forbidden_; }
  Problem problem_of_rights() const;

  void replaced(kube::Difference difference) override;
  void applied(kube::Object object) override;
  void deleted(const NamespacedName& name) override;
  void missing() override;
  void problem(const std::string& text) override;
  void forbidden(const std::string& text) override;
  void recovered() override;

 private:
  struct Known {
    std::uint64_t version = 0;             // hash of uid and versions
    std::optional<std::uint64_t> content;  // kube::Parts has it; of kinds of which statuses are told
  };

  bool is_needed() const { return needed_by_ == nullptr || needed_by_->has_objects(); }
  kube::Resource resource() const;
  void start();
  void stop();
  void take(const kube::Object& object);
  void drop(const NamespacedName& name);
  void drop_all();

  Watching& watching_;
  const api::KindInfo& info_;
  const GroupKind kind_;
  const std::string name_space_;
  const Unit* needed_by_ = nullptr;

  std::unique_ptr<kube::ListWatch> watch_;
  bool running_ = false;
  std::size_t version_ = 0;     // of those in info_: the one that is asked for
  std::size_t missing_in_ = 0;  // in so many, one after the other, the server does not have it
  int round_ = 0;               // of start() and stop(): what was to be done in another is not done
  bool fresh_ = true;           // what is listed next is everything
  bool listed_ = false;
  std::map<NamespacedName, Known> known_;
  std::set<NamespacedName> hidden_;  // that are there, in a namespace that is left out
  std::string problem_;
  bool forbidden_ = false;
};

class Watching : public std::enable_shared_from_this<Watching> {
 public:
  Watching(kube::Client& client, ClusterOptions options, ClusterHooks hooks);

  void start();
  void end();

  kube::Client& client() const { return client_; }
  const ClusterOptions& options() const { return options_; }
  const kube::Random& random() const { return random_; }
  template <typename Then>
  void after(milliseconds delay, Then then) {
    client_.after(delay, [weak = weak_from_this(), then = std::move(then)] {
      const auto self = weak.lock();
      if (self && !self->over_) then(*self);
    });
  }

  bool is_visible(const NamespacedName& name) const;
  void upsert(const ObjectKey& key, const kube::Object& object);
  bool tells_status_of(const GroupKind& kind) const {
    return options_.with_status.contains(kind) && hooks_.on_status;
  }
  void tell_status(const ObjectKey& key, const kube::Resource& resource, const kube::Object& object,
                   std::string_view status) const;
  void erase(const ObjectKey& key, const kube::Resource& resource);
  // What units there are, or how far each is, has changed.
  void changed(const Unit& unit);
  void problems_changed();

 private:
  using Pending = std::map<ObjectKey, std::optional<api::BoundObject>>;

  bool selects() const { return options_.namespaces.empty() && !options_.namespace_selector.empty(); }
  void note();
  void await_quiet(milliseconds delay);
  void look_at_problem();
  std::optional<Problem> problem_with_server() const;
  std::vector<Problem> problems_of_rights() const;
  std::vector<Problem> problems() const;
  bool reads_some() const;
  bool all_listed() const;
  bool is_partial() const;
  void flush();

  kube::Client& client_;
  const ClusterOptions options_;
  const ClusterHooks hooks_;
  const kube::Random random_ = kube::system_random();
  const GroupKind namespaces_{"", "Namespace"};

  bool over_ = false;
  std::vector<std::unique_ptr<Unit>> units_;
  Unit* selected_ = nullptr;  // the namespaces that are to be seen, where they are selected

  Pending pending_;
  std::map<ObjectKey, std::vector<Problem>> pending_remarks_;
  std::map<ObjectKey, std::vector<Problem>> unusable_;  // objects that could not be bound
  bool told_first_ = false;
  bool dirty_ = false;  // there is something for a batch
  bool waiting_ = false;
  Clock::time_point first_;
  Clock::time_point last_;

  std::optional<Problem> server_;  // what is wrong with it, as told
  std::vector<Problem> rights_;    // that we may not read kinds, as told
  std::optional<std::chrono::system_clock::time_point> since_;
  bool settling_ = false;
};

// ---- a unit ------------------------------------------------------------------------------------------

kube::Resource Unit::resource() const {
  return {.group = std::string(info_.group),
          .version = std::string(info_.versions[version_]),
          .plural = std::string(api::resource_name_of(info_)),
          .kind = std::string(info_.kind)};
}

std::string Unit::problem_of_any_kind() const {
  const std::string own = resource().title() + ": ";
  return problem_.starts_with(own) ? problem_.substr(own.size()) : problem_;
}

Problem Unit::problem_of_rights() const {
  const kube::Resource its = resource();
  const bool in_one = !name_space_.empty();
  return {.code = "cluster/forbidden",
          .message =
              fmt::format("objects of kind {}{} are not read: {}", its.kind,
                          in_one ? fmt::format(" in namespace {}", name_space_) : "", problem_of_any_kind()),
          .suggestion = fmt::format(R"(add to its {} the rule `{{apiGroups: ["{}"], resources: [{}], verbs: )"
                                    R"([list, watch]}}`)",
                                    in_one ? "Role there" : "ClusterRole", its.group, its.plural)};
}

void Unit::look() {
  if (is_needed() && !running_) {
    start();
  } else if (!is_needed() && running_) {
    stop();
    drop_all();
    listed_ = false;
    version_ = 0;
  }
}

void Unit::start() {
  running_ = true;
  fresh_ = true;
  ++round_;
  const bool secrets = kind_ == api::kind_of<api::Secret>();
  const bool selected = kind_ == api::kind_of<api::Namespace>() && watching_.options().namespaces.empty();
  watch_ = std::make_unique<kube::ListWatch>(
      watching_.client(),
      kube::ListWatch::Options{
          .watched = {.resource = resource(),
                      .name_space = name_space_,
                      .label_selector = selected ? watching_.options().namespace_selector : "",
                      .field_selector = secrets ? kNoReleases : ""},
          .reflector = watching_.options().reflector},
      *this, watching_.random());
}

void Unit::stop() {
  watch_.reset();
  running_ = false;
  ++round_;
  recovered();
}

void Unit::restart() {
  stop();
  hidden_.clear();
  start();
}

void Unit::show(const Interned& name_space) {
  const auto first = hidden_.lower_bound({name_space, ""});
  if (first != hidden_.end() && first->namespace_ == name_space) restart();
}

void Unit::hide(const Interned& name_space) {
  auto at = known_.lower_bound({name_space, ""});
  while (at != known_.end() && at->first.namespace_ == name_space && !watching_.is_visible(at->first)) {
    const NamespacedName name = at++->first;
    drop(name);
    hidden_.insert(name);
  }
}

void Unit::take(const kube::Object& object) {
  if (in_namespaces() && !watching_.is_visible(object.name)) {
    drop(object.name);
    hidden_.insert(object.name);
    return;
  }
  const std::uint64_t version =
      std::hash<std::string>()(fmt::format("{} {} {}", object.uid, object.version, info_.versions[version_]));
  const auto [at, added] = known_.try_emplace(object.name);
  Known& known = at->second;
  if (std::exchange(known.version, version) == version && !added) return;
  if (watching_.tells_status_of(kind_)) {
    const std::optional<kube::Parts> parts = kube::parts_of(object.json);
    if (parts) watching_.tell_status({kind_, object.name}, resource(), object, parts->status);
    // Of such a kind half of all changes are our own statuses.
    const std::optional<std::uint64_t> content = parts ? std::optional(parts->content) : std::nullopt;
    if (std::exchange(known.content, content) == content && content) return;
  }
  watching_.upsert({kind_, object.name}, object);
}

void Unit::drop(const NamespacedName& name) {
  hidden_.erase(name);
  if (known_.erase(name) > 0) watching_.erase({kind_, name}, resource());
}

void Unit::drop_all() {
  hidden_.clear();
  while (!known_.empty()) drop(NamespacedName(known_.begin()->first));
}

void Unit::replaced(kube::Difference difference) {
  for (const NamespacedName& name : difference.gone) drop(name);
  if (std::exchange(fresh_, false)) {
    std::set<NamespacedName> there;
    for (const kube::Object& object : difference.changed) there.insert(object.name);
    std::vector<NamespacedName> gone;
    for (const auto& [name, version] : known_) {
      if (!there.contains(name)) gone.push_back(name);
    }
    for (const NamespacedName& name : gone) drop(name);
  }
  for (const kube::Object& object : difference.changed) take(object);
  missing_in_ = 0;
  listed_ = true;
  watching_.changed(*this);
}

void Unit::applied(kube::Object object) {
  take(object);
  watching_.changed(*this);
}

void Unit::deleted(const NamespacedName& name) {
  drop(name);
  watching_.changed(*this);
}

// The server may have the kind in another version. What it had in this one stays until that is known.
void Unit::missing() {
  stop();
  version_ = (version_ + 1) % info_.versions.size();
  if (++missing_in_ < info_.versions.size()) return start();
  drop_all();
  version_ = 0;
  missing_in_ = 0;
  listed_ = true;
  running_ = true;
  watching_.after(kube::jittered(watching_.options().missing, kSpread, watching_.random()),
                  [this, round = round_](Watching&) {
                    if (round == round_) start();
                  });
  watching_.changed(*this);
}

void Unit::problem(const std::string& text) {
  problem_ = text;
  forbidden_ = false;
  watching_.problems_changed();
}

// Whoever gave us no right to a kind is not to lose all others for it.
void Unit::forbidden(const std::string& text) {
  problem_ = text;
  forbidden_ = true;
  watching_.problems_changed();
  watching_.changed(*this);
}

void Unit::recovered() {
  if (problem_.empty()) return;
  problem_.clear();
  forbidden_ = false;
  watching_.problems_changed();
}

// ---- all of them -------------------------------------------------------------------------------------

Watching::Watching(kube::Client& client, ClusterOptions options, ClusterHooks hooks)
    : client_(client), options_(std::move(options)), hooks_(std::move(hooks)) {
  const std::set<std::string> named(options_.namespaces.begin(), options_.namespaces.end());
  const std::set<std::string> all{""};
  for (const api::KindInfo& kind : api::kinds()) {
    if (!options_.kinds.empty() && !options_.kinds.contains(GroupKind(kind.group, kind.kind))) continue;
    for (const std::string& name_space : kind.is_namespaced && !named.empty() ? named : all) {
      units_.push_back(std::make_unique<Unit>(*this, kind, name_space));
    }
  }
  std::vector<Unit*> pods;
  std::vector<Unit*> pools;
  for (const auto& unit : units_) {
    if (unit->kind() == api::kind_of<api::Pod>()) pods.push_back(unit.get());
    if (unit->kind() == api::kind_of<api::InferencePool>()) pools.push_back(unit.get());
    if (selects() && unit->kind() == namespaces_) selected_ = unit.get();
  }
  for (std::size_t i = 0; i < pods.size(); ++i) pods[i]->need_only_with(pools[i]);  // of one namespace
}

void Watching::start() {
  if (selected_ != nullptr) return selected_->look();
  for (const auto& unit : units_) unit->look();
}

void Watching::end() {
  over_ = true;
  units_.clear();
}

bool Watching::is_visible(const NamespacedName& name) const {
  return selected_ == nullptr || name.namespace_ == options_.own_namespace ||
         selected_->has({"", name.namespace_.text()});
}

void Watching::tell_status(const ObjectKey& key, const kube::Resource& resource, const kube::Object& object,
                           std::string_view status) const {
  hooks_.on_status(
      key, resource,
      ServerStatus{
          .uid = object.uid, .version = object.version, .json = std::string(status == "null" ? "" : status)});
}

void Watching::upsert(const ObjectKey& key, const kube::Object& object) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse_json(object.json, "", &problems);
  api::ReadObject read;
  std::vector<Problem> remarks;
  if (problems.empty() && documents.size() == 1) {
    const Tree& tree = documents.front().tree;
    read = api::read_object(tree, api::Trust::kFromServer);
    std::ranges::move(read.problems, std::back_inserter(problems));
    remarks = api::said_in_vain(tree);
  }
  // Where it stands in what the server sends means nothing to people.
  for (std::vector<Problem>* all : {&problems, &remarks}) {
    for (Problem& problem : *all) {
      problem.where = {};
      problem.object = key;
      for (Related& also : problem.also) also.where = {};
    }
  }
  if (read.bound) {
    read.bound->key = key;
    pending_[key] = std::move(read.bound);
    pending_remarks_.erase(key);
    if (!remarks.empty()) pending_remarks_[key] = std::move(remarks);
  }
  if (problems.empty()) {
    unusable_.erase(key);
  } else {
    unusable_[key] = std::move(problems);
  }
  note();
  if (key.kind == namespaces_ && selected_ != nullptr) {
    for (const auto& unit : units_) {
      if (unit->in_namespaces()) unit->show(key.name.name);
    }
  }
}

void Watching::erase(const ObjectKey& key, const kube::Resource& resource) {
  pending_[key] = std::nullopt;
  pending_remarks_.erase(key);
  unusable_.erase(key);
  note();
  if (tells_status_of(key.kind)) hooks_.on_status(key, resource, std::nullopt);
  if (key.kind == namespaces_ && selected_ != nullptr) {
    for (const auto& unit : units_) {
      if (unit->in_namespaces()) unit->hide(key.name.name);
    }
  }
}

void Watching::changed(const Unit& unit) {
  const bool namespaces_listed = selected_ == nullptr || selected_->is_listed();
  if (namespaces_listed && (&unit == selected_ || unit.kind() == api::kind_of<api::InferencePool>())) {
    for (const auto& each : units_) each->look();
  }
  if (!told_first_ && all_listed()) flush();
}

bool Watching::all_listed() const {
  return reads_some() && std::ranges::all_of(units_, [](const auto& unit) { return unit->is_listed(); });
}

bool Watching::is_partial() const {
  return server_ || !all_listed() || std::ranges::any_of(units_, [](const auto& unit) {
           return unit->is_forbidden() && decides_on_proxies(unit->kind());
         });
}

void Watching::note() {
  last_ = Clock::now();
  if (!std::exchange(dirty_, true)) first_ = last_;
  if (told_first_ && !std::exchange(waiting_, true)) await_quiet(std::min(options_.quiet, options_.latest));
}

void Watching::await_quiet(milliseconds delay) {
  after(delay, [](Watching& self) {
    const Clock::time_point now = Clock::now();
    const Clock::time_point due =
        std::min(self.last_ + self.options_.quiet, self.first_ + self.options_.latest);
    if (now < due) return self.await_quiet(std::chrono::ceil<milliseconds>(due - now));
    self.waiting_ = false;
    self.flush();
  });
}

// Kinds fail and recover one after the other: what is told is what is so a little later.
void Watching::problems_changed() {
  if (over_) return;
  const bool any = std::ranges::any_of(units_, [](const auto& unit) { return !unit->problem().empty(); });
  if (any && !since_) since_ = std::chrono::system_clock::now();
  if (std::exchange(settling_, true)) return;
  after(options_.settle, [](Watching& self) {
    self.settling_ = false;
    self.look_at_problem();
  });
}

void Watching::look_at_problem() {
  std::optional<Problem> now = problem_with_server();
  if (!now) since_.reset();
  std::vector<Problem> rights = problems_of_rights();
  if (now == server_ && rights == rights_) return;
  server_ = std::move(now);
  rights_ = std::move(rights);
  if (told_first_) return note();
  if (hooks_.on_waiting) hooks_.on_waiting(problems());
}

// Where several kinds have the same trouble, it is the server's, and none of them is named; also not the last
// of them to recover.
std::optional<Problem> Watching::problem_with_server() const {
  const bool reads = reads_some();
  std::set<std::string> texts;
  std::string one;
  std::size_t kinds = 0;
  for (const auto& unit : units_) {
    if (unit->problem().empty() || (reads && unit->is_forbidden())) continue;
    ++kinds;
    one = unit->problem();
    texts.insert(unit->problem_of_any_kind());
  }
  if (kinds == 0) return std::nullopt;
  if (server_ && kinds == 1 && server_->message.ends_with(": " + *texts.begin())) return server_;
  return Problem{
      .code = "cluster/api-server",
      .message = fmt::format("objects cannot be read from the API server {}, since {}: {}",
                             client_.access().url(), date_of(*since_), kinds == 1 ? one : *texts.begin()),
      .suggestion = told_first_ ? "what was read before goes on being served" : ""};
}

// To whom all is forbidden is not known to the server: that is no kind's problem.
bool Watching::reads_some() const {
  return std::ranges::any_of(units_, [](const auto& unit) {
    return unit->is_running() && unit->is_listed() && !unit->is_forbidden();
  });
}

std::vector<Problem> Watching::problems_of_rights() const {
  std::vector<Problem> all;
  if (!reads_some()) return all;
  for (const auto& unit : units_) {
    if (unit->is_forbidden()) all.push_back(unit->problem_of_rights());
  }
  return all;
}

std::vector<Problem> Watching::problems() const {
  std::vector<Problem> all = rights_;
  if (server_) all.push_back(*server_);
  for (const auto& [key, problems] : unusable_) std::ranges::copy(problems, std::back_inserter(all));
  sort_by_place(all);
  return all;
}

void Watching::flush() {
  if (!told_first_) {
    server_ = problem_with_server();
    rights_ = problems_of_rights();
  }
  Batch batch;
  for (auto& [key, object] : std::exchange(pending_, {})) {
    if (object) {
      batch.upserted.push_back(*std::move(object));
    } else if (told_first_) {
      batch.deleted.push_back(key);
    }
  }
  batch.remarks = std::exchange(pending_remarks_, {});
  batch.problems = problems();
  batch.partial = is_partial();
  batch.noticed = dirty_ ? first_ : Clock::now();
  dirty_ = false;
  told_first_ = true;
  hooks_.on_batch(std::move(batch));
}

class Cluster final : public Source {
 public:
  Cluster(kube::Client& client, ClusterOptions options, ClusterHooks hooks)
      : client_(client), watching_(std::make_shared<Watching>(client, std::move(options), std::move(hooks))) {
    client_.post([watching = watching_] { watching->start(); });
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;
  ~Cluster() override {
    client_.run([this] { watching_->end(); });
  }

  // A cluster's objects have no lines.
  void locate(Problem&) const override {}

 private:
  kube::Client& client_;
  std::shared_ptr<Watching> watching_;
};

}  // namespace

std::unique_ptr<Source> watch_cluster(kube::Client& client, ClusterOptions options, ClusterHooks hooks) {
  return std::make_unique<Cluster>(client, std::move(options), std::move(hooks));
}

}  // namespace sluice::source
