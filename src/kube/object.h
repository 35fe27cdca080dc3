// The objects of an API server as it sends them: where they are asked for, and what lists, events and errors
// wrap them in.
//
// An object stays JSON text, for whoever gets it decodes it once, straight into its rows; here only its name,
// uid and resourceVersion are read. In lists the server leaves out the kind and apiVersion of each object of
// its own kinds, so they are put back: an object's text always has them.
//
// Resource versions are opaque: they are compared for equality only.
//
// Threads: pure functions and plain values.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/object_key.h"

namespace sluice::kube {

struct Resource {
  std::string group;    // empty: the core group
  std::string version;  // "v1"
  std::string plural;   // "httproutes"
  std::string kind;     // "HTTPRoute"

  std::string api_version() const;  // "gateway.networking.k8s.io/v1"
  std::string title() const;        // "httproutes.gateway.networking.k8s.io", for people
  // "/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes/web/status". Without a namespace: those
  // of all, or of the cluster; without a name the collection.
  std::string target(std::string_view name_space = {}, std::string_view name = {},
                     std::string_view subresource = {}) const;

  bool operator==(const Resource&) const = default;
};

struct Object {
  NamespacedName name;
  std::string uid;
  std::string version;  // resourceVersion
  std::string json;     // one object, on one line or several

  bool operator==(const Object&) const = default;
};

struct ListPage {
  std::string version;
  std::string more;  // the continue token; empty: this is the last page
  std::vector<Object> objects;
};

// kind Status: what an API server says instead of an answer.
struct Status {
  int code = 0;
  std::string reason;               // "Expired"
  std::string message;              // on one line, and cut where it is long
  std::vector<std::string> causes;  // reasons of details.causes
  std::optional<int> retry_after;   // seconds

  bool operator==(const Status&) const = default;
};

struct WatchEvent {
  enum class Type : std::uint8_t { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type = Type::kError;
  Object object;  // of a bookmark only the version
  Status status;  // of kError
};

// Errors are sentences. A list or an event without a usable resourceVersion ("" or "0", from which nothing
// can go on) is one.
std::expected<ListPage, std::string> read_list(std::string_view body, const Resource& resource);
std::expected<WatchEvent, std::string> read_event(std::string_view line, const Resource& resource);
// Nothing where it is no Status.
std::optional<Status> read_status(std::string_view body);
std::expected<Object, std::string> read_object(std::string_view json, const Resource& resource);

// An object's status, and the rest.
struct Parts {
  std::string version;      // resourceVersion
  std::string_view status;  // its text in that of the object, or empty
  // Of all that somebody may have written on purpose: not of the status, the version, and who wrote what.
  std::uint64_t content = 0;
};
// Nothing where it is no JSON of an object.
std::optional<Parts> parts_of(std::string_view json);

// "it answers with status 403: pods is forbidden", of a status and its body.
std::string describe(unsigned status, std::string_view body);

// For a value in a query.
std::string query_escape(std::string_view text);

}  // namespace sluice::kube
