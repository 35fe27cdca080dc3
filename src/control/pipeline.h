// The whole dataflow, from the user's objects to the bytes that ADS serves: tables, declared in pipeline.cc on one
// screen.
//
// Objects go in, commit() runs what they concern, and the output tables tell what changed. Rejections go in like any
// other input (see refuse_route).
//
// Threads: belongs to the control thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/kinds.h"
#include "flow/graph.h"
#include "translate/rows.h"
#include "translate/settings.h"
#include "xds/render.h"

namespace sluice::control {

// A resource as ADS serves it.
struct Rendered {
  std::shared_ptr<const std::string> bytes;
  std::uint64_t version = 0;                            // xds::content_hash of bytes
  std::shared_ptr<const std::vector<std::string>> clusters;  // of a route table: those it sends to, sorted; else null

  bool operator==(const Rendered& o) const { return version == o.version && *bytes == *o.bytes; }
};

using RenderedTable = flow::Table<translate::XdsKey, Rendered>;

// A version of an object that a proxy refused, and what is served in its place.
template <typename Row>
struct Refusal {
  std::shared_ptr<const Row> refused;
  std::shared_ptr<const Row> fallback;  // the last one that was accepted; null: there was none
  std::string message;                  // the proxy's words

  bool operator==(const Refusal&) const = default;
};

class Pipeline {
 public:
  explicit Pipeline(translate::Settings settings);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  void upsert(const api::BoundObject& object);
  void erase(const ObjectKey& object);

  // Keeps a version of a route from being served; a later version is tried again. Null takes it back.
  void refuse_route(const NamespacedName& route, std::shared_ptr<const Refusal<translate::RouteResult>> refusal);
  // Likewise for the listeners of a Gateway.
  void refuse_gateway(const NamespacedName& gateway, std::shared_ptr<const Refusal<translate::GatewayPlan>> refusal);

  flow::CommitStats commit();

  const RenderedTable& resources(xds::ResourceType type) const;
  const flow::Table<ir::ProxyKey, translate::ProxyPlan>& proxies() const;
  // Before refusals are applied.
  const flow::Table<NamespacedName, translate::RouteResult>& routes() const;
  const flow::Table<NamespacedName, translate::GatewayPlan>& gateways() const;

  using StatusTable = flow::Table<NamespacedName, translate::ObjectStatus>;
  struct Statuses {
    GroupKind kind;
    const StatusTable& table;
  };
  // One table a kind that has statuses.
  const std::vector<Statuses>& statuses() const;

  // What is wrong with the objects that went in, sorted. Where a problem stands in a file is the source's knowledge.
  std::vector<Problem> problems() const;

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace sluice::control
