// Any objects through the whole pipeline: what they are translated to is Envoy's, edits lead where a fresh
// start would, and nothing says what is in a Secret.
//
// The first line may be a comment that names settings: `# mergeGateways`.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/kinds.h"
#include "control/outcome.h"
#include "fuzz.h"
#include "tree/parse.h"

namespace sluice::fuzz {
namespace {

using control::Pipeline;
using Outcome = std::map<std::string, std::string>;

// Put before each value of a Secret. As base64, of the same letters wherever it is cut.
constexpr std::string_view kCanary = "canary-8f3c\n";
constexpr std::string_view kEncodedCanary = "Y2FuYXJ5LThmM2MK";
// Outputs may cut what they quote, or lose its end.
constexpr std::string_view kTraces[] = {"canary-8f3", "Y2FuYXJ5LThmM2"};

// The member of the map with `canary` before each of its texts.
void put_canaries(std::vector<Tree::Member>& members, std::string_view name, std::string_view canary) {
  for (Tree::Member& member : members) {
    if (member.key != name || !member.value.is_map()) continue;
    std::vector<Tree::Member> values = member.value.members();
    for (Tree::Member& one : values) {
      if (one.value.is_string()) one.value = Tree::string(std::string(canary) + one.value.as_string());
    }
    member.value = Tree::map(std::move(values));
  }
}

Tree with_canaries(const Tree& document) {
  const Tree* kind = document.find("kind");
  if (kind == nullptr || !kind->is_string() || kind->as_string() != "Secret") return document;
  std::vector<Tree::Member> members = document.members();
  put_canaries(members, "data", kEncodedCanary);
  put_canaries(members, "stringData", kCanary);
  return Tree::map(std::move(members));
}

void require_no_secret(std::string_view text, const std::string& where) {
  for (const std::string_view trace : kTraces) {
    require(!text.contains(trace), "nothing says what is in a Secret", where + ": " + std::string(text));
  }
}

void require_no_secret(const Outcome& outcome) {
  for (const auto& [name, text] : outcome) {
    if (!name.starts_with(xds::type_url(xds::ResourceType::kSecret))) require_no_secret(text, name);
  }
}

translate::Settings settings_of(std::string_view text) {
  const std::string_view line = text.starts_with('#') ? text.substr(0, text.find('\n')) : std::string_view();
  translate::Settings settings;
  settings.implied_class = "envoy-gateway-class";
  settings.merge_gateways = line.contains("mergeGateways");
  settings.backend_enabled = !line.contains("noBackends");
  settings.on_host = line.contains("onHost");
  settings.endpoint_routing_disabled = line.contains("noEndpointRouting");
  if (line.contains("envoyProxy")) settings.class_envoy_proxy = {"envoy-gateway-system", "test"};
  return settings;
}

void require_equal(const Outcome& found, const Outcome& wanted, std::string_view what) {
  for (const auto& [name, text] : wanted) {
    const auto at = found.find(name);
    require(at != found.end(), what, name + " is absent");
    require(at->second == text, what, name + " is\n" + at->second + "\nand not\n" + text);
  }
  for (const auto& [name, text] : found) require(wanted.contains(name), what, name + " is left");
}

// to_json() stops the program for bytes that are not of their type.
void require_rendered(const Pipeline& pipeline) {
  for (int i = 0; i < xds::kResourceTypes; ++i) {
    const auto type = static_cast<xds::ResourceType>(i);
    pipeline.resources(type).for_each([type](const translate::XdsKey&, const control::Rendered& resource) {
      require(resource.version == xds::content_hash(*resource.bytes), "a version is of the content");
      xds::to_json(type, *resource.bytes);
    });
  }
}

void run(std::string_view text) {
  for (const std::string_view trace : kTraces) {
    if (text.contains(trace)) return;
  }
  std::vector<Problem> problems;
  std::map<ObjectKey, api::BoundObject> objects;  // the last of each key
  for (const Document& document : parse(text, "fuzz.yaml", &problems)) {
    api::ReadObject read = api::read_object(with_canaries(document.tree), api::Trust::kCheck);
    for (const Problem& problem : read.problems) {
      require_no_secret(problem.message + problem.suggestion + problem.path, "a problem of reading");
    }
    if (read.bound) objects.insert_or_assign(read.key, *std::move(read.bound));
  }
  if (objects.empty()) return;

  const translate::Settings settings = settings_of(text);
  Pipeline pipeline(settings);
  for (const auto& [key, object] : objects) pipeline.upsert(object);
  pipeline.commit();
  require_rendered(pipeline);
  const Outcome first = control::outcome(pipeline);
  require_no_secret(first);

  // Some objects go, which depends on the text alone; a proxy refuses another.
  std::uint64_t random = xds::content_hash(text);
  std::set<ObjectKey> gone;
  for (const auto& [key, object] : objects) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    if ((random >> 60U) < 5) gone.insert(key);
  }
  Pipeline fresh(settings);
  for (const auto& [key, object] : objects) {
    if (gone.contains(key)) {
      pipeline.erase(key);
    } else {
      fresh.upsert(object);
    }
  }
  pipeline.commit();
  fresh.commit();
  require_equal(control::outcome(pipeline), control::outcome(fresh),
                "deletions lead where a fresh start does");

  const auto refused = std::next(objects.begin(), static_cast<std::ptrdiff_t>(random % objects.size()));
  const auto refuse = [&](bool guilty) {
    pipeline.refuse(refused->first, std::make_shared<const control::Refusal>(
                                        control::Refusal{.refused = refused->second.object,
                                                         .message = "no",
                                                         .guilty = guilty,
                                                         .code = pipeline.code_of(refused->first)}));
    pipeline.commit();
    require_no_secret(control::outcome(pipeline));
  };
  refuse(false);
  for (const ObjectKey& key : gone) pipeline.upsert(objects.at(key));
  refuse(true);
  pipeline.refuse(refused->first, nullptr);
  pipeline.commit();
  require_equal(control::outcome(pipeline), first, "all back is as it was");
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
