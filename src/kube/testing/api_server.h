// For tests: an API server in memory, over real HTTP on a port of 127.0.0.1 that the system chooses.
//
// It does what clients rely on: resource versions that count all changes, lists in pages of one version,
// watches with bookmarks that go on from a version, 410 for versions before compact(), 409 for an old
// resourceVersion or another uid, status as a subresource, generations, merge patches, and server-side apply
// with field managers (lists are one value, but for lists of maps that all have `type`, `name` or `uid`,
// which are merged by it). It does not validate, default or admit anything, and knows no namespaces as
// objects.
//
// It goes wrong on demand: fail() for requests to come, and for what is under way the members below it.
//
// Threads: a thread of its own and one a connection; all members may be called from any.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "kube/testing/certificates.h"

namespace sluice::kube_testing {

using Json = nlohmann::json;

struct ServedResource {
  std::string group;
  std::string version;
  std::string plural;
  std::string kind;
  bool namespaced = true;
  bool built_in = false;  // objects in lists lack kind and apiVersion
};

struct SeenRequest {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  std::string header(std::string_view name) const;  // or ""
};

// What goes wrong with a request; all that is set does.
struct Fault {
  // Which: of this method (empty: any) with this in its target. A watch has "watch=1".
  std::string method;
  std::string in_target;
  int times = 1;  // so many of them; -1: all
  int after = 0;  // after so many that are spared
  std::chrono::milliseconds delay{0};
  std::optional<int> status;             // this one, as a Status, without doing anything
  std::string reason;                    // of the Status
  std::optional<int> retry_after;        // seconds
  std::optional<std::string> body;       // with status 200, or `status`
  std::optional<std::size_t> cut_after;  // the connection is closed after so many bytes of the response
  bool hang = false;                     // nothing is answered
  bool lose_answer = false;              // it is done, but the connection closed instead of an answer
};

struct ServerOptions {
  std::optional<Certificate> certificate;  // by it: TLS
  std::string client_authority;            // PEM: clients have to show a certificate by it
  std::set<std::string> tokens;            // not empty: one of them, or 401
  std::size_t piece = 0;                   // responses are sent in pieces of so many bytes; 0: whole
  std::chrono::milliseconds bookmarks{0};  // between them; 0: only bookmark()
};

class ApiServer {
 public:
  explicit ApiServer(std::vector<ServedResource> resources, ServerOptions options = {});
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;
  ~ApiServer();

  std::uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:1234"

  // Objects, as somebody else would write them. An object has kind, metadata.name and, if it has one,
  // metadata.namespace. put() creates or replaces, status included; both say the new version.
  std::string put(Json object);
  std::string remove(std::string_view kind, std::string_view name_space, std::string_view name);
  // As it is now, or null.
  Json get(std::string_view kind, std::string_view name_space, std::string_view name) const;
  std::size_t count(std::string_view kind) const;
  std::string version() const;

  void install(ServedResource resource);
  void uninstall(std::string_view kind);  // with its objects
  void set_tokens(std::set<std::string> tokens);

  // Versions up to now are history that is kept no more; continue tokens, too.
  void compact();
  // As if etcd's data had been replaced: versions begin anew at a low number; objects stay as they are, with
  // such versions. Watches go on and say nothing, as real ones do.
  void reset_versions();

  void fail(Fault fault);
  void clear_faults();

  // Of the watches that are open now:
  void bookmark();
  void end_watches();                // as a server does after timeoutSeconds
  void break_watches();              // the connection is closed in the middle of it
  void freeze();                     // no byte more, from any connection that is open
  void send_line(std::string line);  // as it is, to all
  std::size_t watches() const;

  // All connections break and none is accepted, until start().
  void stop();
  void start();

  std::vector<SeenRequest> requests() const;
  void forget_requests();
  std::size_t connections() const;  // accepted so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::kube_testing
