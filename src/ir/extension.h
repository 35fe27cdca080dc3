// HTTP filters of the users' own: what an EnvoyExtensionPolicy adds to the way of a request, the credential
// of an HTTPRouteFilter, or the service that an ExternalAuth filter asks.
//
// A chain has each of them once, switched off; a route that wants some switches them on by their names, so
// that the others pay nothing. Which filters a route has is in ir::RouteAction, what they are in
// ir::HttpChain.
//
// Threads: plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/boxed.h"
#include "base/object_key.h"
#include "ir/cluster_settings.h"
#include "ir/duration.h"

namespace sluice::ir {

// A service that is asked about each request and answer (envoy.service.ext_proc.v3.ExternalProcessor).
struct ExtProc {
  enum class Body : std::uint8_t { kNone, kStreamed, kBuffered, kBufferedPartial, kFullDuplexStreamed };
  // What of a direction the service is sent.
  struct Direction {
    bool headers = false;
    Body body = Body::kNone;
    std::vector<std::string> attributes;

    bool operator==(const Direction&) const = default;
  };

  std::string cluster;
  std::string authority;
  Direction request;
  Direction response;
  bool allow_mode_override = false;
  bool fail_open = false;
  bool shadow = false;  // it is told, and not waited for
  std::optional<Duration> message_timeout;
  std::optional<std::uint32_t> status_on_error;
  std::vector<std::string> accessible_namespaces;  // of metadata
  std::vector<std::string> writable_namespaces;
  Boxed<RetryPolicy> retry;

  bool operator==(const ExtProc&) const = default;
};

// Where the Inference Extension's endpoint picker protocol (docs/proposals/004) has what is picked: a header,
// and a key of this namespace of metadata. What the proxy made of it is under the other key.
inline constexpr std::string_view kPickedNamespace = "envoy.lb";
inline constexpr std::string_view kPickedEndpoint = "x-gateway-destination-endpoint";
inline constexpr std::string_view kServedEndpoint = "x-gateway-destination-endpoint-served";
// Of a pool whose servers are for prefill or decode: the one that is to prefill, for the one that is picked.
inline constexpr std::string_view kPickedPrefiller = "x-prefiller-host-port";
// Of which endpoints to pick.
inline constexpr std::string_view kSubsetNamespace = "envoy.lb.subset_hint";

// Who decides which endpoint of an InferencePool gets a request: a service that is asked, or a module inside
// the proxy. It is the last that a request meets: what it reserves is not refused afterwards.
inline constexpr std::string_view kEndpointPicker = "envoy.filters.http.ext_proc.endpoint_picker";
// What it is shown of answers.
enum class AnswersShown : std::uint8_t { kAll, kHeaders, kNone };
struct EndpointPicker {
  std::string cluster;
  std::string authority;
  // While nobody answers, requests go to any endpoint of the pool; else they are answered with 503.
  bool fail_open = false;
  // Bodies are streamed through it, as the protocol has it: a request of whose body it has been sent
  // something fails with it, and so does a response that is under way. Else Envoy keeps the request until it
  // has an answer, and shows it the response: then everything can go on without it.
  bool streamed = true;

  // Inside the proxy: our own dynamic module, by the path of its file or else by a URL that the proxy fetches
  // it from, and its configuration, JSON. Then nobody is asked, and nothing of the above counts.
  std::string module;
  std::string uri;
  std::string uri_cluster;
  std::string sha256;
  std::string config;
  NamespacedName pool;
  // The listener says no more than that there is the filter: what it is comes as a resource of its own, which
  // may change without the listener (xds::render_extension).
  bool discovered = false;

  bool is_inside() const { return !module.empty() || !uri.empty(); }

  bool operator==(const EndpointPicker&) const = default;
};

struct Lua {
  std::string source;
  std::string context;  // JSON, an object; empty: none. Routes say it: see ExtensionUse

  bool operator==(const Lua&) const = default;
};

// A WebAssembly module that is on the disk of whoever runs the proxy, or that the proxy is to fetch.
struct Wasm {
  std::string vm;  // those of one name share a VM
  std::string name;
  std::string root_id;
  std::string config;  // JSON; may be empty
  std::string path;    // of the module's file; empty: the proxy fetches it
  std::string uri;     // ... from here, through `cluster`
  std::string cluster;
  std::string sha256;  // hexadecimal digits
  std::vector<std::string> host_env_keys;
  bool fail_open = false;
  // The body goes on to the module while it holds back the headers; else nothing does.
  bool body_behind_held_headers = false;

  bool operator==(const Wasm&) const = default;
};

// A shared library that Envoy loads.
struct DynamicModule {
  std::string module;  // the registered name
  std::string path;    // of its file; empty: the proxy fetches it
  std::string uri;
  std::string cluster;
  std::string sha256;
  std::string filter;  // which of the library's
  std::string config;  // JSON; may be empty
  bool do_not_close = false;
  bool load_globally = false;

  bool operator==(const DynamicModule&) const = default;
};

// Puts a credential of the gateway's own into requests. Where all that goes to a cluster gets it, it is a
// filter of the cluster.
inline constexpr std::string_view kCredentialInjector = "envoy.filters.http.credential_injector";
struct CredentialInjector {
  std::string secret;      // SDS name
  std::string header;      // empty: Authorization
  bool overwrite = false;  // requests that have the header already get it too

  bool operator==(const CredentialInjector&) const = default;
};

// A service that is asked before each request whether it may pass, and what it is to have besides. Without an
// answer it may not.
inline constexpr std::string_view kExtAuthz = "envoy.filters.http.ext_authz";
struct ExtAuthz {
  // It is asked by HTTP, with the method and the headers of the request; else by gRPC
  // (envoy.service.auth.v3.Authorization).
  struct Http {
    std::string path;  // in front of the request's: "/auth"; empty: nothing
    // Headers of the answer that the request is to have, in lower case; none: all that do not concern the
    // answer alone.
    std::vector<std::string> response_headers;

    bool operator==(const Http&) const = default;
  };

  std::string cluster;
  std::string authority;
  std::optional<Http> http;
  // Headers of the request that it is shown, in lower case. None: by gRPC all, by HTTP those that say what
  // the request is about.
  std::vector<std::string> request_headers;
  std::uint32_t max_body = 0;  // bytes that it is shown, larger requests are refused; 0: none

  bool operator==(const ExtAuthz&) const = default;
};

struct Extension {
  std::string name;         // in the chain: "<Envoy's type>/<anything>"
  std::uint32_t index = 0;  // among those of its kind of one policy: the order of a request
  NamespacedName policy;    // that it is of; empty where it is of none
  std::variant<Lua, ExtProc, Wasm, DynamicModule, CredentialInjector, EndpointPicker, ExtAuthz> filter;

  bool operator==(const Extension&) const = default;
};

using ExtensionPtr = std::shared_ptr<const Extension>;

// What a route says of one that is on for it.
struct ExtensionUse {
  std::string name;
  std::string lua_context = {};  // Lua::context
  // Of an EndpointPicker that is a service: what of answers it sees, and EndpointPicker::streamed. So it is
  // the route that changes where that does, and no listener.
  AnswersShown answers = AnswersShown::kAll;
  bool streamed = false;

  bool operator==(const ExtensionUse&) const = default;
  auto operator<=>(const ExtensionUse&) const = default;
};

// Their names for people: "lua/default/p/0".
inline std::vector<std::string> short_names(const std::vector<ExtensionUse>& uses) {
  constexpr std::string_view kTypes = "envoy.filters.http.";
  std::vector<std::string> names;
  names.reserve(uses.size());
  for (const ExtensionUse& use : uses) {
    names.push_back(use.name.starts_with(kTypes) ? use.name.substr(kTypes.size()) : use.name);
  }
  return names;
}

// The user's word on the order of filters: `filter`, a type of Envoy's, is before or after `other`.
struct FilterMove {
  std::string filter;
  bool before = false;
  std::string other;

  bool operator==(const FilterMove&) const = default;
};

}  // namespace sluice::ir
