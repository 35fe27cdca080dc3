#include "kube/reflector.h"

#include <algorithm>
#include <functional>
#include <iterator>

#include <fmt/format.h>

namespace sluice::kube {
namespace {

constexpr int kFewest = 2;  // watches in a row that tell nothing, or nothing readable, before a list
// Of a delay that is kept for what the server or we ask for, so that not all come back at once.
constexpr double kSpread = 0.25;

bool is_gone(unsigned code, const std::optional<Status>& status) {
  return code == 410 ||
         (status && (status->code == 410 || status->reason == "Expired" || status->reason == "Gone"));
}

// The server has not got to the version that is asked for.
bool is_too_new(const std::optional<Status>& status) {
  return status && (std::ranges::find(status->causes, "ResourceVersionTooLarge") != status->causes.end() ||
                    status->message.starts_with("Too large resource version"));
}

}  // namespace

Reflector::Reflector(Watched watched, const Options& options, Sink& sink, Random random)
    : watched_(std::move(watched)),
      options_(options),
      sink_(sink),
      random_(std::move(random)),
      page_size_(options.page),
      backoff_(options.first, options.longest) {}

Reflector::Known Reflector::known_as(const Object& object) {
  const std::hash<std::string> hash;
  return {.uid = hash(object.uid), .version = hash(object.version)};
}

std::string Reflector::query(std::string query) const {
  if (!watched_.label_selector.empty()) query += "&labelSelector=" + query_escape(watched_.label_selector);
  if (!watched_.field_selector.empty()) query += "&fieldSelector=" + query_escape(watched_.field_selector);
  return watched_.resource.target(watched_.name_space) + "?" + query;
}

Reflector::Step Reflector::start() { return list_anew(); }

Reflector::Step Reflector::waited() { return go(doing_); }

Reflector::Step Reflector::go(Next next) {
  doing_ = next;
  switch (next) {
    case Next::kList:
      return page();
    case Next::kProbe:
      return Get{query(fmt::format("limit=1&resourceVersion={}&resourceVersionMatch=NotOlderThan",
                                   query_escape(version_)))};
    case Next::kWatch:
      if (doubt_) return go(Next::kProbe);
      told_ = false;
      opened_.reset();
      return Watch{query(fmt::format(
          "watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}", query_escape(version_),
          std::chrono::duration_cast<std::chrono::seconds>(jittered(options_.watch, 1, random_)).count()))};
  }
  return page();
}

Reflector::Step Reflector::list_anew() {
  pages_.clear();
  more_.clear();
  return go(Next::kList);
}

Reflector::Step Reflector::page() {
  if (one_page_) return Get{query("limit=0")};
  std::string asked = fmt::format("limit={}", page_size_);
  if (!more_.empty()) asked += "&continue=" + query_escape(more_);
  return Get{query(std::move(asked))};
}

Reflector::Step Reflector::answered(const Outcome& outcome, Time) {
  if (doing_ == Next::kProbe) return probed(outcome);
  if (outcome) return listed(*outcome);
  if (outcome.error().reason == Failure::Reason::kTooLarge && page_size_ > 1) {
    // Large objects: fewer of them at a time.
    page_size_ = one_page_ ? 1 : page_size_ / 2;
    one_page_ = false;
    pages_.clear();
    more_.clear();
  }
  return fail(outcome.error().message, Next::kList);
}

Reflector::Step Reflector::listed(const Answer& answer) {
  if (answer.status == 404) return not_found(describe(answer.status, answer.body));
  not_found_ = 0;
  if (answer.status == 410 && !more_.empty()) {
    one_page_ = true;
    return list_anew();
  }
  if (!answer.ok()) {
    if (answer.status == 410) {
      pages_.clear();
      more_.clear();
    }
    return refused(answer, Next::kList);
  }
  auto page = read_list(answer.body, watched_.resource);
  if (!page) return fail(page.error(), Next::kList);
  std::ranges::move(page->objects, std::back_inserter(pages_));
  more_ = std::move(page->more);
  if (!more_.empty()) return go(Next::kList);
  page->objects = std::exchange(pages_, {});
  one_page_ = false;
  take(*std::move(page));
  return go(Next::kWatch);
}

void Reflector::take(ListPage page) {
  Difference difference;
  std::map<NamespacedName, Known> now;
  for (Object& object : page.objects) {
    const Known as = known_as(object);
    const auto before = known_.find(object.name);
    const bool was_there = before != known_.end();
    now.insert_or_assign(object.name, as);
    if (was_there && before->second.uid != as.uid) difference.gone.push_back(object.name);
    if (was_there && before->second.uid == as.uid && before->second.version == as.version) {
      ++difference.same;
    } else {
      difference.changed.push_back(std::move(object));
    }
  }
  for (const auto& [name, as] : known_) {
    if (!now.contains(name)) difference.gone.push_back(name);
  }
  known_ = std::move(now);
  version_ = std::move(page.version);
  synced_ = true;
  missing_ = false;
  doubt_ = false;
  sink_.replaced(std::move(difference));
}

Reflector::Step Reflector::not_found(std::string text) {
  ++not_found_;
  if (!known_.empty() && not_found_ < kMissingTries) return fail(std::move(text), Next::kList);
  known_.clear();
  version_.clear();
  pages_.clear();
  more_.clear();
  synced_ = true;
  progress();
  if (!std::exchange(missing_, true)) sink_.missing();
  doing_ = Next::kList;
  return Wait{jittered(options_.missing, kSpread, random_)};
}

Reflector::Step Reflector::probed(const Outcome& outcome) {
  if (!outcome) return fail(outcome.error().message, Next::kWatch);
  const std::optional<Status> status = outcome->ok() ? std::nullopt : read_status(outcome->body);
  if (is_too_new(status)) return data_replaced();
  if (outcome->status == 404 || is_gone(outcome->status, status)) return refused(*outcome, Next::kList);
  if (outcome->status == 429 || outcome->status >= 500) return refused(*outcome, Next::kWatch);
  doubt_ = false;  // as far as this server can tell
  return go(Next::kWatch);
}

Reflector::Step Reflector::data_replaced() {
  // Equal versions need not mean equal objects any more. No version has the hash 0 but by chance.
  for (auto& [name, as] : known_) as.version = 0;
  return fail("it has older data than before", Next::kList);
}

void Reflector::opened(Time now) {
  opened_ = now;
  recover();
}

void Reflector::progress() {
  backoff_.reset();
  silent_ = 0;
  bad_ = 0;
  recover();
}

void Reflector::recover() {
  forbidden_ = 0;
  if (problem_.empty()) return;
  problem_.clear();
  sink_.recovered();
}

std::optional<Reflector::Step> Reflector::line(std::string_view text, Time) {
  auto event = read_event(text, watched_.resource);
  if (!event) return fail(event.error(), ++bad_ >= kFewest ? Next::kList : Next::kWatch);
  if (event->type != WatchEvent::Type::kError) {
    told_ = true;
    progress();
    take(*std::move(event));
    return std::nullopt;
  }
  const Status& status = event->status;
  const std::string why = status.message.empty() ? "its watch ends with an error"
                                                 : fmt::format("its watch ends with {}", status.message);
  if (is_gone(static_cast<unsigned>(std::max(status.code, 0)), status)) return fail(why, Next::kList);
  const auto after =
      status.retry_after ? std::optional(std::chrono::seconds(*status.retry_after)) : std::nullopt;
  return fail(why, ++bad_ >= kFewest ? Next::kList : Next::kWatch, after);
}

void Reflector::take(WatchEvent event) {
  version_ = event.object.version;
  if (event.type == WatchEvent::Type::kBookmark) return;
  const Known as = known_as(event.object);
  const auto known = known_.find(event.object.name);
  const bool other = known != known_.end() && known->second.uid != as.uid;
  if (event.type == WatchEvent::Type::kDeleted) {
    // One of the same name may be there already, which is told as an object of its own.
    if (known == known_.end() || other) return;
    known_.erase(known);
    return sink_.deleted(event.object.name);
  }
  if (other) sink_.deleted(event.object.name);
  known_.insert_or_assign(event.object.name, as);
  sink_.applied(std::move(event.object));
}

Reflector::Step Reflector::ended(const Outcome& outcome, Time now) {
  const bool settled = opened_ && now - *opened_ >= options_.settled;
  if (settled) backoff_.reset();
  if (!outcome) {
    doubt_ = true;
    const bool silent = outcome.error().reason == Failure::Reason::kTimeout && !told_;
    const bool deaf = silent && ++silent_ >= kFewest;
    if (deaf) silent_ = 0;
    return fail(outcome.error().message, deaf ? Next::kList : Next::kWatch);
  }
  if (outcome->status != 200) {
    const std::optional<Status> status = read_status(outcome->body);
    if (is_too_new(status)) return data_replaced();
    // 400: the server cannot read our version, so it is none of its own.
    const bool anew = outcome->status == 404 || outcome->status == 400 || is_gone(outcome->status, status);
    return refused(*outcome, anew ? Next::kList : Next::kWatch);
  }
  if (told_) return go(Next::kWatch);
  if (!settled) return fail("its watch ends at once", Next::kWatch);
  if (++silent_ < kFewest) return go(Next::kWatch);
  silent_ = 0;
  return list_anew();
}

Reflector::Step Reflector::refused(const Answer& answer, Next next) {
  return fail(describe(answer.status, answer.body), next, answer.retry_after, answer.status == 403);
}

Reflector::Step Reflector::fail(std::string text, Next next, std::optional<std::chrono::seconds> at_least,
                                bool forbidden) {
  if (next == Next::kList && doing_ != Next::kList) {
    pages_.clear();
    more_.clear();
  }
  doing_ = next;
  text = fmt::format("{}: {}", watched_.resource.title(), text);
  forbidden_ = forbidden ? forbidden_ + 1 : 0;
  const bool is_forbidden = forbidden_ >= kForbiddenTries;
  if ((!synced_ || backoff_.tries() > 0) && (text != problem_ || is_forbidden != is_forbidden_)) {
    problem_ = text;
    is_forbidden_ = is_forbidden;
    is_forbidden ? sink_.forbidden(text) : sink_.problem(text);
  }
  std::chrono::milliseconds delay = backoff_.next(random_);
  if (at_least) delay = std::max(delay, jittered(std::min(*at_least, kLongestAsked), kSpread, random_));
  return Wait{delay};
}

}  // namespace sluice::kube
