#include "cli/explain.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/closest.h"
#include "base/letter_case.h"
#include "base/quote.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "control/pipeline.h"
#include "explain/describe.h"
#include "source/files.h"

namespace sluice::cli {

namespace {

using explain::Destination;
using explain::Explanation;
using explain::NearMiss;
using explain::Outcome;
using Json = nlohmann::ordered_json;

// ---- for people ------------------------------------------------------------------------------

std::string ordinal(std::size_t n) {
  const std::string_view suffix = n % 100 / 10 == 1 ? "th"
                                  : n % 10 == 1     ? "st"
                                  : n % 10 == 2     ? "nd"
                                  : n % 10 == 3     ? "rd"
                                                    : "th";
  return fmt::format("{}{}", n, suffix);
}

std::string rule_name(const explain::Place& place, const std::string& name) {
  std::string text = place.object.to_string();
  if (place.path.starts_with("spec.rules")) text += ", " + place.path.substr(sizeof("spec.") - 1);
  if (!name.empty()) text += fmt::format(" \"{}\"", name);
  return text;
}

// "goes to A or B, or is redirected with 302 to C": where requests are shared out, what becomes of each
// share; but backends that nobody stands behind are left to the story.
std::string ends_of(const std::vector<Destination>& destinations) {
  std::vector<std::string> backends;
  std::vector<std::string> ends;
  const auto add = [](std::vector<std::string>& list, std::string text) {
    if (std::ranges::find(list, text) == list.end()) list.push_back(std::move(text));
  };
  for (const Destination& to : destinations) {
    if (to.has_endpoints()) add(backends, to.backend->to_string());
    if (!to.backend) add(ends, "is " + to.answer);
  }
  if (!backends.empty()) ends.insert(ends.begin(), fmt::format("goes to {}", fmt::join(backends, " or ")));
  return fmt::format("{}", fmt::join(ends, ", or "));
}

// What the first line says of the end of the way.
std::string end_of(const Explanation& e) {
  switch (e.outcome) {
    case Outcome::kForwarded:
      return ends_of(e.destinations);
    case Outcome::kRedirected:
      return fmt::format("is redirected with {} to {}", e.status, e.location);
    case Outcome::kAnswered:
      return fmt::format("is answered with {}: {}", e.status, e.why);
    case Outcome::kRefused:
      return fmt::format("is refused: {}", e.why);
    case Outcome::kClosed:
      return fmt::format("is closed: {}", e.why);
    case Outcome::kConnected:
      return fmt::format("is taken: {}", e.why);
  }
  return "";
}

constexpr std::size_t kListed = 10;

struct NearMissHeading {
  NearMiss::Kind kind;
  std::string_view heading;
};

constexpr NearMissHeading kHeadings[] = {
    {NearMiss::Kind::kDiffers, "near, but no match:"},
    {NearMiss::Kind::kLater, "match too, but come later:"},
    {NearMiss::Kind::kHost, "match, but in another host:"},
    {NearMiss::Kind::kListener, "match, but on another listener:"},
    {NearMiss::Kind::kDetached, "want this host, but are on no listener:"},
};

class Story {
 public:
  Story(const Explanation& e, const PlaceOf& place_of, bool color)
      : e_(e), place_of_(place_of), color_(color) {}

  std::string tell() {
    const bool good = e_.outcome == Outcome::kForwarded || e_.outcome == Outcome::kRedirected ||
                      e_.outcome == Outcome::kConnected;
    line(0, paint(to_string(e_.request), kBold, color_));
    line(0, paint(end_of(e_), good ? kGreen : kRed, color_));
    begin_section();
    tell_way();
    list_what_there_is();
    tell_near_misses();
    return std::move(out_);
  }

 private:
  void begin_section() { separate_ = true; }

  void line(int depth, std::string_view text) {
    if (std::exchange(separate_, false)) out_ += "\n";
    out_.append(static_cast<std::size_t>(2 * depth), ' ').append(text).append("\n");
  }

  std::string at(const explain::Place& place) const {
    const std::string where = place_of_(place);
    return where.empty() ? "" : paint(fmt::format(" ({})", where), kDim, color_);
  }

  void tell_way() {
    if (e_.listener) {
      const Explanation::Listener& listener = *e_.listener;
      line(1, fmt::format("listener {} of {}, port {}{}", listener.name, listener.place.object.to_string(),
                          listener.port, at(listener.place)));
    }
    if (e_.proxy) {
      std::string text = "proxy " + *e_.proxy;
      if (!e_.chain.empty()) text += fmt::format(", chain {}", e_.chain);
      if (!e_.route_table.empty() && e_.route_table != e_.chain) {
        text += fmt::format(", route table {}", e_.route_table);
      }
      line(e_.listener ? 2 : 1, text);
    }
    if (!e_.certificates.empty()) {
      std::vector<std::string> names;
      for (const NamespacedName& name : e_.certificates) names.push_back(name.to_string());
      line(2, fmt::format("TLS for {}, with the certificate of Secret {}",
                          e_.server_names.empty() ? "every server name"
                                                  : fmt::format("{}", fmt::join(e_.server_names, ", ")),
                          fmt::join(names, ", ")));
    }
    if (!e_.client_certificates.empty()) line(2, e_.client_certificates);
    const std::string& sent = e_.request.path;
    if (!e_.path.empty() && e_.path != sent.substr(0, sent.find('?'))) {
      line(2, fmt::format("the path is taken as {}", e_.path));
    }
    if (e_.outcome == Outcome::kRedirected && !e_.why.empty()) line(2, e_.why);
    if (e_.virtual_host) tell_host();
    if (!e_.virtual_host && e_.rule) tell_rule(2);
    if (!e_.rule) tell_problems(1);
    tell_patches();
  }

  // Of one policy in a line.
  void tell_patches() {
    std::map<NamespacedName, std::vector<std::string>> changed;
    for (const Explanation::Patch& patch : e_.patches) changed[patch.policy].push_back(patch.of);
    for (const auto& [policy, what] : changed) {
      const ObjectKey object{.kind = api::kind_of<api::EnvoyPatchPolicy>(), .name = policy};
      line(1, fmt::format("{} {}{} changes {}: Envoy may do otherwise", paint("patched:", kMagenta, color_),
                          object.to_string(), at({object, ""}), fmt::join(what, ", ")));
    }
  }

  void tell_host() {
    const std::string host = *e_.virtual_host == "*" ? "every host" : "host " + *e_.virtual_host;
    const std::string_view s = e_.routes == 1 ? "" : "s";
    if (!e_.rule) {
      line(2, fmt::format("{}: none of {} route{} matches", host, e_.routes, s));
      return;
    }
    line(2, e_.routes == 1 ? fmt::format("{}: its only route matches", host)
                           : fmt::format("{}: the {} of {} routes matches", host,
                                         ordinal(e_.rule->positions.front() + 1), e_.routes));
    tell_rule(3);
  }

  void tell_rule(int depth) {
    line(depth, rule_name(e_.rule->place, e_.rule->name) + at(e_.rule->place));
    line(depth + 1, "takes " + e_.rule->match);
    for (const explain::Step& step : e_.steps) line(depth + 1, step.text);
    for (const Destination& to : e_.destinations) tell_destination(to, depth + 1);
    if (e_.outcome == Outcome::kRedirected) {
      line(depth + 1, fmt::format("redirects with {} to {}", e_.status, e_.location));
    }
    for (const explain::Step& step : e_.response_steps) line(depth + 1, step.text);
    tell_problems(depth + 1);
  }

  void tell_problems(int depth) {
    for (const Problem& problem : e_.problems) {
      const bool error = problem.severity == Severity::kError;
      line(depth,
           fmt::format("{} {}{}", paint(error ? "error:" : "warning:", error ? kRed : kMagenta, color_),
                       problem.message, at({problem.object, problem.path})));
    }
  }

  void tell_destination(const Destination& to, int depth) {
    const bool all = to.weight == to.weights;
    const std::string part = all ? "" : explain::share(to.weight, to.weights) + " ";
    if (!to.backend) {
      line(depth, fmt::format("{}{} {}", part, all ? "is" : "are", to.answer));
      return;
    }
    const std::string protocol = to.protocol.empty() ? "" : fmt::format(" ({})", to.protocol);
    line(depth, fmt::format("{}{} to {}{}{}", part, all ? "goes" : "go", to.backend->to_string(), protocol,
                            at({to.backend->object, ""})));
    for (const explain::Step& step : to.steps) line(depth + 1, step.text);
    std::size_t count = 0;
    for (const ir::Locality& locality : to.localities) {
      for (const ir::Endpoint& endpoint : locality.endpoints) {
        if (++count > kListed) continue;
        std::string text = explain::describe_endpoint(endpoint);
        if (!locality.zone.empty()) text += " in zone " + locality.zone;
        if (locality.priority > 0) text += " as fallback";
        line(depth + 1, text);
      }
    }
    if (count > kListed) line(depth + 1, fmt::format("and {} more", count - kListed));
    if (to.names_itself) {
      line(depth + 1, e_.request.http() ? "the host of the request, as it is resolved"
                                        : "the server that the client names, as it is resolved, at port 443");
    } else if (count == 0) {
      line(depth + 1, "no endpoint is ready: 503");
    }
  }

  void list_what_there_is() {
    if (e_.there_are.empty()) return;
    begin_section();
    line(1, "there are:");
    for (std::size_t i = 0; i < std::min(kListed, e_.there_are.size()); ++i) line(2, e_.there_are[i]);
    if (e_.there_are.size() > kListed) line(2, fmt::format("and {} more", e_.there_are.size() - kListed));
  }

  void tell_near_misses() {
    for (const auto& [kind, heading] : kHeadings) {
      bool first = true;
      for (const NearMiss& miss : e_.near_misses) {
        if (miss.kind != kind) continue;
        if (std::exchange(first, false)) {
          begin_section();
          line(1, heading);
        }
        std::string text = rule_name(miss.place, miss.rule_name) + at(miss.place);
        if (!miss.match.empty()) text += ": " + miss.match;
        line(2, text);
        for (const std::string& reason : miss.reasons) line(3, reason);
      }
    }
  }

  const Explanation& e_;
  const PlaceOf& place_of_;
  bool color_;
  bool separate_ = false;  // a blank line comes before the next
  std::string out_;
};

// ---- for programs ----------------------------------------------------------------------------

constexpr std::string_view kOutcomes[] = {"forwarded", "redirected", "answered",
                                          "refused",   "closed",     "connected"};
constexpr std::string_view kMisses[] = {"differs", "later", "host", "listener", "detached"};

Json json_of(const ObjectKey& key) {
  return {{"group", key.kind.group()},
          {"kind", key.kind.kind()},
          {"namespace", key.name.namespace_},
          {"name", key.name.name}};
}

Json json_of(const explain::Place& place, const PlaceOf& place_of) {
  return {{"object", json_of(place.object)}, {"path", place.path}, {"where", place_of(place)}};
}

Json json_of(const std::vector<explain::Step>& steps) {
  Json list = Json::array();
  for (const explain::Step& step : steps)
    list.push_back({{"kind", step.kind}, {"text", step.text}, {"value", step.value}});
  return list;
}

Json json_of(const Destination& to) {
  Json endpoints = Json::array();
  for (const ir::Locality& locality : to.localities) {
    for (const ir::Endpoint& endpoint : locality.endpoints) {
      endpoints.push_back({{"address", explain::describe_endpoint(endpoint)},
                           {"zone", locality.zone},
                           {"priority", locality.priority}});
    }
  }
  Json json = {{"object", nullptr}, {"port", nullptr}};
  if (to.backend) json["object"] = json_of(to.backend->object);
  if (to.backend && to.backend->port) json["port"] = *to.backend->port;
  json.update({{"answer", to.answer},
               {"status", to.status},
               {"location", to.location},
               {"weight", to.weight},
               {"weights", to.weights},
               {"protocol", to.protocol},
               {"steps", json_of(to.steps)},
               {"endpoints", std::move(endpoints)}});
  return json;
}

Json json_of(const Explanation& e, const PlaceOf& place_of) {
  Json json = {{"request", to_string(e.request)},
               {"outcome", kOutcomes[static_cast<std::size_t>(e.outcome)]},
               {"status", e.status},
               {"why", e.why},
               {"location", e.location},
               {"proxy", e.proxy.value_or("")},
               {"listener", nullptr},
               {"chain", e.chain},
               {"serverNames", e.server_names},
               {"clientCertificates", e.client_certificates},
               {"routeTable", e.route_table},
               {"path", e.path},
               {"virtualHost", e.virtual_host.value_or("")},
               {"routes", e.routes},
               {"rule", nullptr}};
  if (e.listener) {
    json["listener"] = {{"name", e.listener->name},
                        {"port", e.listener->port},
                        {"protocol", e.listener->protocol},
                        {"hostname", e.listener->hostname}};
    json["listener"].update(json_of(e.listener->place, place_of));
  }
  if (e.rule) {
    json["rule"] = {{"positions", e.rule->positions}, {"name", e.rule->name}, {"match", e.rule->match}};
    json["rule"].update(json_of(e.rule->place, place_of));
  }
  Json destinations = Json::array();
  for (const Destination& to : e.destinations) destinations.push_back(json_of(to));
  Json patches = Json::array();
  for (const Explanation::Patch& patch : e.patches) {
    patches.push_back({{"policy", patch.policy.to_string()}, {"of", patch.of}});
  }
  Json problems = Json::array();
  for (const Problem& problem : e.problems) {
    problems.push_back({{"code", problem.code}, {"message", problem.message}});
    problems.back().update(json_of({problem.object, problem.path}, place_of));
  }
  Json misses = Json::array();
  for (const NearMiss& miss : e.near_misses) {
    misses.push_back({{"kind", kMisses[static_cast<std::size_t>(miss.kind)]},
                      {"name", miss.rule_name},
                      {"match", miss.match},
                      {"reasons", miss.reasons}});
    misses.back().update(json_of(miss.place, place_of));
  }
  json.update({{"steps", json_of(e.steps)},
               {"destinations", std::move(destinations)},
               {"responseSteps", json_of(e.response_steps)},
               {"patches", std::move(patches)},
               {"problems", std::move(problems)},
               {"nearMisses", std::move(misses)},
               {"thereAre", e.there_are}});
  return json;
}

// ---- the command -----------------------------------------------------------------------------

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json explain_all(const explain::Snapshot& snapshot, const explain::Request& request,
                 const PlaceOf& place_of) {
  Json list = Json::array();
  for (const Explanation& e : explain::explain(snapshot, request)) list.push_back(json_of(e, place_of));
  return list;
}

// {"method", "url", "headers": [["name", "value"], …], "sni"}: all but the URL may be left out.
std::expected<explain::Request, std::string> read_request(const std::string& text) {
  static const std::vector<std::string_view> kMembers = {"method", "url", "headers", "sni"};
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return std::unexpected("a request is a JSON object on a line of its own");
  for (const auto& [name, value] : json.items()) {
    if (std::ranges::find(kMembers, name) == kMembers.end()) {
      const std::string_view meant = closest(name, kMembers);
      return std::unexpected(fmt::format(
          "a request has no member {}: {}", quote(name),
          meant.empty() ? "there are `method`, `url`, `headers` and `sni`" : did_you_mean(meant)));
    }
    if (name != "headers" && !value.is_string()) return std::unexpected(fmt::format("`{}` is a text", name));
  }
  if (!json.contains("url")) return std::unexpected("a request needs a `url`");
  auto request = explain::read_url(json["url"].get<std::string>());
  if (!request) return request;
  if (json.contains("method")) request->method = json["method"].get<std::string>();
  if (json.contains("sni")) request->sni = lower_case(json["sni"].get<std::string>());
  const Json headers = json.value("headers", Json::array());
  const bool pairs =
      headers.is_array() && std::ranges::all_of(headers, [](const Json& header) {
        return header.is_array() && header.size() == 2 && header[0].is_string() && header[1].is_string();
      });
  if (!pairs) return std::unexpected("`headers` is a list of pairs of texts");
  for (const Json& header : headers) {
    const auto added =
        explain::add_header(header[0].get<std::string>() + ": " + header[1].get<std::string>(), *request);
    if (!added) return std::unexpected(added.error());
  }
  return request;
}

void answer_batch(const explain::Snapshot& snapshot, const PlaceOf& place_of, std::istream& in,
                  std::ostream& out) {
  for (std::string text; std::getline(in, text);) {
    if (text.empty()) continue;
    const auto request = read_request(text);
    out << dump(request ? explain_all(snapshot, *request, place_of) : Json{{"error", request.error()}}, -1);
  }
}

bool is_answered(const Explanation& e) {
  return e.outcome == Outcome::kForwarded || e.outcome == Outcome::kRedirected ||
         e.outcome == Outcome::kConnected || e.as_wanted;
}

}  // namespace

std::string print_story(const Explanation& explanation, const PlaceOf& place_of, bool color) {
  return Story(explanation, place_of, color).tell();
}

int explain_request(const ExplainOptions& options, Console& console) {
  source::Batch batch;
  const std::unique_ptr<source::Source> source = source::read_files(options.paths, &batch);
  if (has_errors(batch.problems)) {
    console.err << fmt::format("{} in these files: `sluice check` shows them\n",
                               count_problems(batch.problems));
  }
  control::Pipeline pipeline(options.settings);
  for (const api::BoundObject& object : batch.upserted) pipeline.upsert(object);
  pipeline.set_unusable(batch.problems);
  pipeline.commit();
  const explain::Snapshot snapshot(pipeline);
  const PlaceOf place_of = [&source](const explain::Place& place) {
    Problem problem{
        .code = "", .where = {}, .object = place.object, .path = place.path, .message = "", .suggestion = ""};
    source->locate(problem);
    return problem.where.line == 0 ? std::string()
                                   : fmt::format("{}:{}", problem.where.file, problem.where.line);
  };

  if (options.batch != nullptr) {
    answer_batch(snapshot, place_of, *options.batch, console.out);
    return kOk;
  }
  const std::vector<Explanation> explanations = explain::explain(snapshot, options.request);
  if (options.json) {
    console.out << dump(explain_all(snapshot, options.request, place_of), 2);
  } else {
    for (const Explanation& e : explanations) {
      if (&e != &explanations.front()) console.out << "\n";
      console.out << print_story(e, place_of, console.out_color);
    }
  }
  return std::ranges::all_of(explanations, is_answered) ? kOk : kProblems;
}

}  // namespace sluice::cli
