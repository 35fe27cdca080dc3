#include "control/tables/routes.h"

#include <string>
#include <utility>

#include "control/tables/unless_refused.h"
#include "translate/grpc_route.h"
#include "translate/http_route.h"
#include "translate/stream_route.h"

namespace sluice::control::tables {
namespace {

template <typename T>
using Translate = translate::RouteResult (*)(const NamespacedName&, const T&,
                                             const translate::RouteEnvironment&, Reads&);

// The routes of one kind.
template <typename T>
const Routes::Results& translated(Graph& graph, std::string name, const Input<NamespacedName, T>& objects,
                                  Translate<T> translate, const Inputs& in,
                                  const translate::RouteEnvironment& environment) {
  return graph.map(
      std::move(name), objects,
      [translate, &in, &environment](const NamespacedName& route, const T& object, Reads& reads) {
        return unless_refused(in.refused, route, object, reads, [&](const T& version) {
          return translate(route, version, environment, reads);
        });
      });
}

}  // namespace

Routes::Routes(Graph& graph, const translate::Settings& settings, const Inputs& in,
               const translate::Projections& projections, const Gateways& gateways, const Patches& patches,
               const Extensions& extensions)
    : environment{settings,
                  in.objects,
                  projections,
                  gateways.attach_points,
                  gateways.default_gateways_of,
                  extensions.policies_of,
                  patches.own_clusters},
      http(translated(graph, "http routes", in.objects.http_routes, translate::translate_http_route, in,
                      environment)),
      grpc(translated(graph, "grpc routes", in.objects.grpc_routes, translate::translate_grpc_route, in,
                      environment)),
      tls(translated(graph, "tls routes", in.objects.tls_routes, translate::translate_tls_route, in,
                     environment)),
      tcp(translated(graph, "tcp routes", in.objects.tcp_routes, translate::translate_tcp_route, in,
                     environment)),
      udp(translated(graph, "udp routes", in.objects.udp_routes, translate::translate_udp_route, in,
                     environment)),
      all(graph.unite("routes", flow::Part{http, object_key<api::HTTPRoute>},
                      flow::Part{grpc, object_key<api::GRPCRoute>},
                      flow::Part{tls, object_key<api::TLSRoute>}, flow::Part{tcp, object_key<api::TCPRoute>},
                      flow::Part{udp, object_key<api::UDPRoute>})) {}

}  // namespace sluice::control::tables
