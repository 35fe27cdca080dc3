// The rows of the pipeline that are no business of translation's: bytes for proxies, and what came back from
// them.
//
// Threads: plain values; what they share is constant.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/kinds.h"
#include "flow/graph.h"
#include "infra/objects.h"
#include "translate/rows.h"

namespace sluice::control {

// A resource as ADS serves it.
struct Rendered {
  std::shared_ptr<const std::string> bytes;
  std::uint64_t version = 0;  // xds::content_hash of bytes
  // What it names: the clusters that a route table or a listener sends to, the route tables of a listener;
  // all sorted. Null where it names nothing.
  struct Names {
    std::vector<std::string> clusters;
    std::vector<std::string> route_tables;
  };
  std::shared_ptr<const Names> names;

  bool operator==(const Rendered& o) const { return version == o.version && *bytes == *o.bytes; }
};

using RenderedTable = flow::Table<translate::XdsKey, Rendered>;

// A version of an object that a proxy refused, and the one that is served in its place.
struct Refusal {
  api::Object refused;
  std::optional<api::Object> last_good;  // of the same kind
  std::string message;                   // the proxy's words
  bool guilty = true;                    // false: held back as long as it is searched who is; no problem yet
  // Of a policy: what it brought besides its text, the code of its extensions. With other code it is another
  // version, though its text is the same.
  std::string code;

  bool operator==(const Refusal&) const = default;
};

// What is known of the process that a Gateway's listeners are in.
struct ProxyState {
  bool ready = false;       // it runs and answers
  bool programmed = false;  // and has acknowledged a commit with its listeners
  std::string message;      // why not, for people

  bool operator==(const ProxyState&) const = default;
};

// The objects that run a proxy in a cluster (infra/objects.h).
struct ProxyObjects {
  api::StringMap owner;  // the labels by which they are the proxy's
  std::vector<infra::Object> objects;
  std::vector<ObjectKey> withheld;
  std::vector<Problem> problems;

  bool operator==(const ProxyObjects&) const = default;
};

// The statuses of the objects of one kind.
using StatusTable = flow::Table<NamespacedName, translate::ObjectStatus>;
struct KindStatuses {
  GroupKind kind;
  const StatusTable& table;
};

// What became of the module that a slot wants (translate::ModuleState): a look at what a store has, which
// starts to fetch what it has not.
using ModuleResolver =
    std::function<translate::ModuleState(const std::string& slot, const wasm::Source& source)>;

}  // namespace sluice::control
