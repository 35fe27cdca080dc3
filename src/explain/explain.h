// What happens to a request: the way it takes through one commit, what answers it, and why not otherwise.
//
// explain() finds the sockets that take the request's connection (of several proxies there may be several: on
// a host one of them, in a cluster each has an address of its own), then goes the way that Envoy goes: filter
// chain by server name, virtual host by Host, the first route that matches, its filters, its backends.
// Everything is computed from the rows that are rendered for Envoy, not from the bytes, and it is compared
// with the real Envoy by test/explain.
//
// Threads: pure functions of the snapshot and the request, on the snapshot's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/problem.h"
#include "explain/request.h"
#include "explain/snapshot.h"

namespace sluice::explain {

// A field of an object. Where it stands in a file is the source's knowledge.
struct Place {
  ObjectKey object;
  std::string path;

  bool operator==(const Place&) const = default;
};

// Something that is done to the request or its answer.
struct Step {
  std::string kind;  // "request-headers", "rewrite-path", …
  std::string text;
  std::string value = {};  // what a rewrite makes of the host or the path, where that is known
};

// A backend that may get the request.
struct Destination {
  std::optional<Snapshot::Backend> backend;  // none: nothing gets it
  // Where nothing does: what the client gets instead, in words; with this status, unless it is closed; and
  // where it is redirected to.
  std::string answer;
  std::uint16_t status = 0;
  std::string location;
  // Its share of the requests is weight / weights.
  std::uint64_t weight = 1;
  std::uint64_t weights = 1;
  std::string protocol;     // "HTTP/1.1", "HTTP/2", "… over TLS"
  std::vector<Step> steps;  // for this backend only, after the rule's
  std::vector<ir::Locality> localities;
  bool names_itself = false;  // the request's host is the name that is resolved; there are no localities

  // Somebody may answer.
  bool has_endpoints() const;
  // Somebody may answer, or the client is sent to where somebody may.
  bool is_good() const { return has_endpoints() || !location.empty(); }
};

// A route that people may have expected to take the request.
struct NearMiss {
  enum class Kind : std::uint8_t {
    kDiffers,   // it would have been tried and does not match
    kLater,     // it matches too, another comes first
    kHost,      // it matches, in a host that is not the most specific
    kListener,  // it matches, on another listener
    kDetached,  // it is on no listener
  };
  Kind kind = Kind::kDiffers;
  Place place;
  std::string rule_name;  // the user's, may be empty
  std::string match;      // in words; empty for kDetached
  std::vector<std::string> reasons;
};

enum class Outcome : std::uint8_t {
  kForwarded,  // to one of the destinations
  kRedirected,
  kAnswered,  // by Envoy itself, with `status`
  kRefused,   // no connection
  kClosed,    // a connection that ends without an answer
  kConnected  // no HTTP was asked for: TLS ends here
};

struct Explanation {
  Request request;
  Outcome outcome = Outcome::kRefused;
  std::uint16_t status = 0;  // of kRedirected and kAnswered
  std::string why;           // of all but kForwarded and kRedirected: one sentence
  bool as_wanted = false;    // of kAnswered: a filter of the rule, or CORS, answers so
  std::string location;      // of kRedirected
  // What there is instead: listeners, server names, hosts.
  std::vector<std::string> there_are;

  // As far as it comes.
  std::optional<ir::ProxyKey> proxy;
  struct Listener {
    std::string name;
    std::uint16_t port = 0;
    std::string protocol;
    std::string hostname;
    Place place;
  };
  std::optional<Listener> listener;
  std::string chain;                      // its name
  std::vector<std::string> server_names;  // the chain's
  std::vector<NamespacedName> certificates;
  std::string client_certificates;  // what is asked of the client: "a certificate is required"; or empty
  std::string route_table;
  std::string path;  // as routes see it
  std::optional<std::string> virtual_host;
  std::size_t routes = 0;  // in the virtual host
  struct Rule {
    // In the virtual host, from 0; several where routes of one match share the requests.
    std::vector<std::size_t> positions;
    Place place;
    std::string name;  // the user's, may be empty
    std::string match;
  };
  std::optional<Rule> rule;
  std::vector<Step> steps;  // in the order in which they run
  std::vector<Destination> destinations;
  std::vector<Step> response_steps;

  // EnvoyPatchPolicies that change something on the way. What they do to the request is not looked at: Envoy
  // may do otherwise than is said here.
  struct Patch {
    NamespacedName policy;
    std::string of;  // what it changes: "the listener", "the routes", "the cluster of Service default/web"

    bool operator==(const Patch&) const = default;
  };
  std::vector<Patch> patches;

  std::vector<Problem> problems;  // of what the way goes through
  std::vector<NearMiss> near_misses;

  // Envoy itself answers with this status.
  void answer(std::uint16_t with, std::string because);
};

// One for each proxy that takes the connection; one without a proxy where none does.
std::vector<Explanation> explain(const Snapshot& snapshot, const Request& request);

}  // namespace sluice::explain
