#include "kube/testing/api_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/descriptor.h"
#include "base/letter_case.h"
#include "kube/testing/listening.h"

namespace sluice::kube_testing {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// How long anything that waits does not look whether it is to end.
constexpr milliseconds kLook{10};
constexpr std::uint64_t kFirstVersion = 1000;
// What versions begin at after reset_versions().
constexpr std::uint64_t kResetVersion = 10;

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      std::from_chars(&text[i + 1], &text[i + 1] + 2, byte, 16);
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = std::min(text.find(separator), text.size());
    parts.emplace_back(text.substr(0, end));
    if (end == text.size()) return parts;
    text.remove_prefix(end + 1);
  }
}

std::uint64_t number_of(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

struct Target {
  std::string group;
  std::string version;
  std::string name_space;
  std::string plural;
  std::string name;
  std::string subresource;
  std::map<std::string, std::string> query;

  std::string get(const std::string& name_of) const {
    const auto found = query.find(name_of);
    return found == query.end() ? "" : found->second;
  }
};

std::optional<Target> parse_target(const std::string& text) {
  Target target;
  const std::size_t mark = std::min(text.find('?'), text.size());
  if (mark < text.size()) {
    for (const std::string& part : split(std::string_view(text).substr(mark + 1), '&')) {
      const std::size_t equals = std::min(part.find('='), part.size());
      target.query[part.substr(0, equals)] =
          decoded(std::string_view(part).substr(std::min(equals + 1, part.size())));
    }
  }
  std::vector<std::string> parts = split(std::string_view(text).substr(1, mark - 1), '/');
  std::size_t at = 0;
  const auto next = [&] { return at < parts.size() ? decoded(parts[at++]) : std::string(); };
  const std::string root = next();
  if (root == "apis") {
    target.group = next();
  } else if (root != "api") {
    return std::nullopt;
  }
  target.version = next();
  target.plural = next();
  if (target.plural == "namespaces" && at + 1 < parts.size()) {
    target.name_space = next();
    target.plural = next();
  }
  target.name = next();
  target.subresource = next();
  return target;
}

Json status_json(int code, const std::string& reason, const std::string& message) {
  return {{"kind", "Status"},    {"apiVersion", "v1"}, {"metadata", Json::object()},
          {"status", "Failure"}, {"message", message}, {"reason", reason},
          {"code", code}};
}

// What is answered.
struct Reply {
  int status = 200;
  std::string body;
  std::string headers;
};

Reply refusal(int code, const std::string& reason, const std::string& message) {
  return {.status = code, .body = status_json(code, reason, message).dump(), .headers = {}};
}

std::string key_of(const Json& object) {
  const Json& metadata = object.at("metadata");
  return metadata.value("namespace", "") + "/" + metadata.value("name", "");
}

// ---- selectors ---------------------------------------------------------------------------------------

std::string field_at(const Json& object, const std::string& path) {
  const Json* at = &object;
  for (const std::string& part : split(path, '.')) {
    if (!at->is_object() || !at->contains(part)) return "";
    at = &(*at)[part];
  }
  return at->is_string() ? at->get<std::string>() : "";
}

bool matches_labels(const Json& object, const std::string& selector) {
  if (selector.empty()) return true;
  const Json labels = object.at("metadata").value("labels", Json::object());
  return std::ranges::all_of(split(selector, ','), [&](const std::string& term) {
    const std::size_t equals = term.find('=');
    if (equals == std::string::npos) return labels.contains(term);
    const bool negated = equals > 0 && term[equals - 1] == '!';
    const std::string name = term.substr(0, negated ? equals - 1 : equals);
    const std::string value = term.substr(term.find_last_of('=') + 1);
    return (labels.value(name, "") == value && labels.contains(name)) != negated;
  });
}

bool matches_fields(const Json& object, const std::string& selector) {
  if (selector.empty()) return true;
  return std::ranges::all_of(split(selector, ','), [&](const std::string& term) {
    const std::size_t equals = term.find('=');
    const bool negated = equals > 0 && term[equals - 1] == '!';
    const std::string path = term.substr(0, negated ? equals - 1 : equals);
    return (field_at(object, path) == term.substr(term.find_last_of('=') + 1)) != negated;
  });
}

bool is_selected(const Json& object, const Target& target) {
  if (object.is_null()) return false;
  if (!target.name_space.empty() && object["metadata"].value("namespace", "") != target.name_space)
    return false;
  return matches_labels(object, target.get("labelSelector")) &&
         matches_fields(object, target.get("fieldSelector"));
}

// ---- server-side apply -------------------------------------------------------------------------------

// The name that tells the items of lists apart; empty: each list is one value.
std::string item_key(const Json& a, const Json& b) {
  for (const char* const name : {"type", "name", "uid"}) {
    const auto all_have = [&](const Json& list) {
      return list.is_array() && std::ranges::all_of(list, [&](const Json& item) {
               return item.is_object() && item.contains(name) && item[name].is_string();
             });
    };
    if (all_have(a) && all_have(b) && !(a.empty() && b.empty())) return name;
  }
  return {};
}

Json* find_item(Json& list, const std::string& key, const Json& item) {
  for (Json& each : list) {
    if (each[key] == item[key]) return &each;
  }
  return nullptr;
}

void merge(Json& into, const Json& document) {
  if (document.is_object() && into.is_object()) {
    for (const auto& [name, value] : document.items()) merge(into[name], value);
    return;
  }
  const std::string key = item_key(into, document);
  if (key.empty()) {
    into = document;
    return;
  }
  for (const Json& item : document) {
    if (Json* const there = find_item(into, key, item)) {
      merge(*there, item);
    } else {
      into.push_back(item);
    }
  }
}

// Takes out of `from` what `before` has and neither `now` nor any other has.
void take_out(Json& from, const Json& before, const Json& now, const std::vector<const Json*>& others) {
  if (!from.is_object() || !before.is_object()) return;
  for (const auto& [name, value] : before.items()) {
    if (!from.contains(name)) continue;
    std::vector<const Json*> inner;
    for (const Json* each : others) {
      if (each->is_object() && each->contains(name)) inner.push_back(&(*each)[name]);
    }
    const bool kept = now.is_object() && now.contains(name);
    const Json next = kept ? now[name] : value.is_array() && !inner.empty() ? Json::array() : Json();
    if (value.is_object()) {
      take_out(from[name], value, next, inner);
      if (!kept && inner.empty() && from[name].empty()) from.erase(name);
      continue;
    }
    if (!kept && inner.empty()) {
      from.erase(name);
      continue;
    }
    const std::string key = item_key(value, next);
    if (key.empty()) continue;
    for (const Json& item : value) {
      Json wanted = next;
      const bool others_have = std::ranges::any_of(inner, [&](const Json* each) {
        Json list = *each;
        return find_item(list, key, item) != nullptr;
      });
      if (find_item(wanted, key, item) != nullptr || others_have) continue;
      Json& list = from[name];
      for (std::size_t i = 0; i < list.size(); ++i) {
        if (list[i][key] == item[key]) {
          list.erase(i);
          break;
        }
      }
    }
  }
}

bool conflicts(const Json& document, const Json& other) {
  if (document.is_object() && other.is_object()) {
    for (const auto& [name, value] : document.items()) {
      if (other.contains(name) && conflicts(value, other[name])) return true;
    }
    return false;
  }
  const std::string key = item_key(document, other);
  if (key.empty()) return document != other;
  Json theirs = other;
  return std::ranges::any_of(document, [&](const Json& item) {
    const Json* const there = find_item(theirs, key, item);
    return there != nullptr && conflicts(item, *there);
  });
}

// What of an applied document is somebody's: not what names the object.
Json owned_part(Json document) {
  document.erase("apiVersion");
  document.erase("kind");
  if (document.contains("metadata")) {
    for (const char* const name : {"name", "namespace", "uid", "resourceVersion"})
      document["metadata"].erase(name);
    if (document["metadata"].empty()) document.erase("metadata");
  }
  return document;
}

// ---- connections -------------------------------------------------------------------------------------

// One that was accepted. Its thread reads and writes; others only set flags and shut the socket down.
struct Connection {
  Descriptor socket;
  SSL* tls = nullptr;
  std::size_t piece = 0;
  std::optional<std::size_t> left;  // until it is cut
  std::atomic<bool> broken = false;
  std::atomic<bool> frozen = false;
  bool watching = false;  // these with Impl's mutex
  bool ends = false;      // the watch is to end well
  bool wants_bookmark = false;
  std::vector<std::string> lines;  // to be sent as they are
  std::string buffer;

  ~Connection() { SSL_free(tls); }

  void shut() {
    broken = true;
    ::shutdown(socket.get(), SHUT_RDWR);
  }

  bool send_all(std::string_view bytes) {
    while (!bytes.empty()) {
      while (frozen && !broken) std::this_thread::sleep_for(kLook);
      if (broken) return false;
      std::size_t size = piece == 0 ? bytes.size() : std::min(piece, bytes.size());
      if (left) size = std::min(size, *left);
      const ssize_t sent = size == 0        ? 0
                           : tls != nullptr ? SSL_write(tls, bytes.data(), static_cast<int>(size))
                                            : ::send(socket.get(), bytes.data(), size, MSG_NOSIGNAL);
      if (sent < 0 || (sent == 0 && size > 0)) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      if (left) *left -= static_cast<std::size_t>(sent);
      if (left == 0U) {
        shut();
        return false;
      }
    }
    return true;
  }

  bool receive() {
    std::array<char, 16384> bytes;
    const ssize_t size = tls != nullptr ? SSL_read(tls, bytes.data(), bytes.size())
                                        : ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    if (size <= 0) return false;
    buffer.append(bytes.data(), static_cast<std::size_t>(size));
    return true;
  }

  // The client has closed it.
  bool is_gone() const {
    pollfd look{socket.get(), POLLRDHUP, 0};
    return broken || (::poll(&look, 1, 0) > 0 && look.revents != 0);
  }

  std::optional<SeenRequest> read_request() {
    std::size_t end = 0;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return std::nullopt;
    }
    SeenRequest request;
    std::size_t length = 0;
    const std::vector<std::string> lines_of = split(std::string_view(buffer).substr(0, end), '\n');
    const std::vector<std::string> first = split(lines_of[0], ' ');
    if (first.size() < 2) return std::nullopt;
    request.method = first[0];
    request.target = first[1];
    for (std::size_t i = 1; i < lines_of.size(); ++i) {
      const std::string_view line = std::string_view(lines_of[i]).substr(0, lines_of[i].find('\r'));
      const std::size_t colon = line.find(": ");
      if (colon == line.npos) continue;
      request.headers.emplace_back(lower_case(line.substr(0, colon)), line.substr(colon + 2));
      if (request.headers.back().first == "content-length") length = number_of(request.headers.back().second);
    }
    while (buffer.size() < end + 4 + length) {
      if (!receive()) return std::nullopt;
    }
    request.body = buffer.substr(end + 4, length);
    buffer.erase(0, end + 4 + length);
    return request;
  }
};

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

std::unique_ptr<SSL_CTX, FreeContext> make_context(const ServerOptions& options) {
  std::unique_ptr<SSL_CTX, FreeContext> context(SSL_CTX_new(TLS_server_method()));
  const auto bio_of = [](const std::string& text) {
    return std::unique_ptr<BIO, decltype(&BIO_free)>(BIO_new_mem_buf(text.data(), -1), &BIO_free);
  };
  const auto text = bio_of(options.certificate->certificate);
  X509* const certificate = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr);
  const auto key_text = bio_of(options.certificate->key);
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr);
  if (SSL_CTX_use_certificate(context.get(), certificate) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key) != 1) {
    std::abort();
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  if (!options.client_authority.empty()) {
    const auto authority_text = bio_of(options.client_authority);
    X509* const authority = PEM_read_bio_X509(authority_text.get(), nullptr, nullptr, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), authority);
    X509_free(authority);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

}  // namespace

std::string SeenRequest::header(std::string_view name) const {
  for (const auto& [each, value] : headers) {
    if (each == name) return value;
  }
  return {};
}

struct ApiServer::Impl {
  struct Event {
    std::uint64_t version = 0;
    std::string kind;
    Json before;  // null: it was not there
    Json after;   // null: it is gone
  };
  struct Snapshot {
    std::vector<Json> rest;
    std::uint64_t version = 0;
  };
  using Objects = std::map<std::string, Json>;  // by namespace/name

  Impl(std::vector<ServedResource> all, ServerOptions its_options)
      : options(std::move(its_options)), resources(std::move(all)) {
    if (options.certificate) context = make_context(options);
    start();
  }

  // ---- the store, with the mutex held ----------------------------------------------------------------

  const ServedResource* find(const Target& target) const {
    for (const ServedResource& each : resources) {
      if (each.group == target.group && each.version == target.version && each.plural == target.plural)
        return &each;
    }
    return nullptr;
  }
  const ServedResource& of_kind(std::string_view kind) const {
    for (const ServedResource& each : resources) {
      if (each.kind == kind) return each;
    }
    std::abort();  // a test's mistake
  }

  static std::string api_version(const ServedResource& resource) {
    return resource.group.empty() ? resource.version : resource.group + "/" + resource.version;
  }

  // Stores the object, which is null where it is to be gone. False: nothing has changed.
  bool store(const ServedResource& resource, const std::string& key, Json object) {
    Objects& of_this = objects[resource.kind];
    const auto found = of_this.find(key);
    const Json before = found == of_this.end() ? Json() : found->second;
    if (!object.is_null()) {
      Json& metadata = object["metadata"];
      object["apiVersion"] = api_version(resource);
      object["kind"] = resource.kind;
      if (before.is_null()) {
        metadata["uid"] = fmt::format("uid-{}", ++uids);
        metadata["creationTimestamp"] = "2026-01-01T00:00:00Z";
        metadata["generation"] = 1;
      } else {
        for (const char* const name : {"uid", "creationTimestamp", "generation", "resourceVersion"}) {
          metadata[name] = before["metadata"][name];
        }
        if (object == before) return false;
        if (object.value("spec", Json()) != before.value("spec", Json())) {
          metadata["generation"] = before["metadata"]["generation"].get<int>() + 1;
        }
      }
    }
    ++version;
    Event event{.version = version, .kind = resource.kind, .before = before, .after = object};
    if (object.is_null()) {
      of_this.erase(key);
      applied.erase(resource.kind + " " + key);
    } else {
      event.after["metadata"]["resourceVersion"] = std::to_string(version);
      of_this[key] = event.after;
    }
    events.push_back(std::move(event));
    changed.notify_all();
    return true;
  }

  Json sent_as_item(const ServedResource& resource, Json object) const {
    if (resource.built_in) {
      object.erase("kind");
      object.erase("apiVersion");
    }
    return object;
  }

  Reply list(const ServedResource& resource, const Target& target) {
    const std::string asked = target.get("resourceVersion");
    if (target.get("resourceVersionMatch") == "NotOlderThan" && number_of(asked) > version) {
      Json status = status_json(504, "Timeout",
                                fmt::format("Too large resource version: {}, current: {}", asked, version));
      status["details"] = {{"causes", {{{"reason", "ResourceVersionTooLarge"}, {"message", "Too large"}}}},
                           {"retryAfterSeconds", 1}};
      return {.status = 504, .body = status.dump(), .headers = {}};
    }
    Snapshot snapshot{.rest = {}, .version = version};
    if (const std::string token = target.get("continue"); !token.empty()) {
      const auto found = snapshots.find(token);
      if (found == snapshots.end()) {
        return refusal(410, "Expired", "The provided continue parameter is too old");
      }
      snapshot = found->second;
    } else {
      for (const auto& [key, object] : objects[resource.kind]) {
        if (is_selected(object, target)) snapshot.rest.push_back(object);
      }
    }
    const std::size_t limit = number_of(target.get("limit"));
    const std::size_t size = limit == 0 ? snapshot.rest.size() : std::min(limit, snapshot.rest.size());
    Json items = Json::array();
    for (std::size_t i = 0; i < size; ++i) items.push_back(sent_as_item(resource, snapshot.rest[i]));
    snapshot.rest.erase(snapshot.rest.begin(), snapshot.rest.begin() + static_cast<std::ptrdiff_t>(size));
    Json metadata{{"resourceVersion", std::to_string(snapshot.version)}};
    if (!snapshot.rest.empty()) {
      const std::string token = fmt::format("token/{}=", ++tokens_made);
      metadata["continue"] = token;
      metadata["remainingItemCount"] = snapshot.rest.size();
      snapshots[token] = std::move(snapshot);
    }
    return {.body = Json{{"kind", resource.kind + "List"},
                         {"apiVersion", api_version(resource)},
                         {"metadata", std::move(metadata)},
                         {"items", std::move(items)}}
                        .dump() +
                    "\n",
            .headers = {}};
  }

  Reply create(const ServedResource& resource, const Target& target, Json object) {
    if (!target.name_space.empty()) object["metadata"]["namespace"] = target.name_space;
    const std::string key = key_of(object);
    if (objects[resource.kind].contains(key)) {
      return refusal(409, "AlreadyExists", fmt::format("{} \"{}\" already exists", resource.plural, key));
    }
    object.erase("status");
    object["metadata"].erase("resourceVersion");
    store(resource, key, std::move(object));
    return {.status = 201, .body = objects[resource.kind][key].dump(), .headers = {}};
  }

  // The object with `wanted` in it: all but the status, or the status alone.
  static Json with(const Json& before, Json wanted, bool status_only) {
    if (status_only) {
      Json result = before;
      if (wanted.contains("status")) {
        result["status"] = wanted["status"];
      } else {
        result.erase("status");
      }
      return result;
    }
    wanted.erase("status");
    if (before.contains("status")) wanted["status"] = before["status"];
    wanted["metadata"]["name"] = before["metadata"]["name"];
    if (before["metadata"].contains("namespace"))
      wanted["metadata"]["namespace"] = before["metadata"]["namespace"];
    return wanted;
  }

  Reply apply(const ServedResource& resource, const Target& target, const std::string& key, Json document) {
    const std::string manager = target.get("fieldManager");
    if (manager.empty()) return refusal(400, "BadRequest", "fieldManager is required for apply patch");
    const bool status = target.subresource == "status";
    document = owned_part(std::move(document));
    if (!status) document.erase("status");
    auto& managers = applied[resource.kind + " " + key];
    const std::string own = manager + (status ? "/status" : "");
    std::vector<const Json*> others;
    for (const auto& [name, each] : managers) {
      if (name == own) continue;
      others.push_back(&each);
      if (target.get("force") != "true" && conflicts(document, each)) {
        Json refused = status_json(409, "Conflict",
                                   fmt::format("Apply failed with 1 conflict: conflict with \"{}\"", name));
        refused["details"] = {{"causes", {{{"reason", "FieldManagerConflict"}, {"message", "conflict"}}}}};
        return {.status = 409, .body = refused.dump(), .headers = {}};
      }
    }
    Objects& of_this = objects[resource.kind];
    const bool there = of_this.contains(key);
    if (!there && status) return refusal(404, "NotFound", "there is no such object");
    Json object = there ? of_this[key] : Json{{"metadata", {{"name", target.name}}}};
    if (!there && !target.name_space.empty()) object["metadata"]["namespace"] = target.name_space;
    take_out(object, managers[own], document, others);
    merge(object, document);
    managers[own] = std::move(document);
    store(resource, key, std::move(object));
    return {.status = there ? 200 : 201, .body = of_this[key].dump(), .headers = {}};
  }

  Reply change(const ServedResource& resource, const Target& target, const SeenRequest& request) {
    const std::string key = target.name_space + "/" + target.name;
    const Json body = request.body.empty() ? Json::object() : Json::parse(request.body, nullptr, false);
    if (!body.is_object()) return refusal(400, "BadRequest", "the body is no JSON object");
    const std::string type = request.header("content-type");
    if (request.method == "PATCH" && type == "application/apply-patch+yaml") {
      return apply(resource, target, key, body);
    }
    Objects& of_this = objects[resource.kind];
    const auto found = of_this.find(key);
    if (found == of_this.end()) {
      return refusal(404, "NotFound", fmt::format("{} \"{}\" not found", resource.plural, target.name));
    }
    const Json before = found->second;
    const Json asked = request.method == "DELETE" ? body.value("preconditions", Json::object())
                                                  : body.value("metadata", Json::object());
    for (const char* const name : {"uid", "resourceVersion"}) {
      if (asked.contains(name) && asked[name] != before["metadata"][name]) {
        return refusal(409, "Conflict",
                       "the object has been modified; please apply your changes to the latest version");
      }
    }
    if (request.method == "DELETE") {
      store(resource, key, Json());
      return {.body = before.dump(), .headers = {}};
    }
    Json wanted = body;
    if (request.method == "PATCH") {
      if (type != "application/merge-patch+json")
        return refusal(415, "UnsupportedMediaType", "what patch is this?");
      wanted = before;
      wanted.merge_patch(body);
    }
    store(resource, key, with(before, std::move(wanted), target.subresource == "status"));
    return {.body = of_this[key].dump(), .headers = {}};
  }

  Reply handle(const Target& target, const SeenRequest& request) {
    const ServedResource* const resource = find(target);
    if (resource == nullptr) return {.status = 404, .body = "404 page not found\n", .headers = {}};
    if (target.name.empty()) {
      if (request.method == "GET") return list(*resource, target);
      if (request.method != "POST") return refusal(405, "MethodNotAllowed", "not of a collection");
      const Json body = Json::parse(request.body, nullptr, false);
      if (!body.is_object()) return refusal(400, "BadRequest", "the body is no JSON object");
      return create(*resource, target, body);
    }
    if (request.method != "GET") return change(*resource, target, request);
    const Objects& of_this = objects[resource->kind];
    const auto found = of_this.find(target.name_space + "/" + target.name);
    if (found == of_this.end()) return refusal(404, "NotFound", fmt::format("\"{}\" not found", target.name));
    return {.body = found->second.dump(), .headers = {}};
  }

  // ---- connections -----------------------------------------------------------------------------------

  void start() {
    const std::lock_guard lock(mutex);
    if (listens) return;
    listens = true;
    Listening listening = listen_on_loopback(port);
    socket = std::move(listening.socket);
    port = listening.port;
    accepting = std::thread([this] { accept_all(); });
  }

  void stop() {
    std::vector<std::thread> ended;
    {
      const std::lock_guard lock(mutex);
      listens = false;
      for (const auto& each : open) each->shut();
      ended.swap(threads);
      changed.notify_all();
    }
    if (accepting.joinable()) accepting.join();
    {
      // One may have been accepted meanwhile.
      const std::lock_guard lock(mutex);
      for (const auto& each : open) each->shut();
      std::ranges::move(threads, std::back_inserter(ended));
      threads.clear();
    }
    for (std::thread& each : ended) each.join();
    socket.reset();
  }

  void accept_all() {
    while (listens) {
      pollfd look{socket.get(), POLLIN, 0};
      if (::poll(&look, 1, static_cast<int>(kLook.count())) <= 0) continue;
      Descriptor accepted(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!accepted) continue;
      const int yes = 1;
      ::setsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      auto connection = std::make_shared<Connection>();
      connection->socket = std::move(accepted);
      connection->piece = options.piece;
      const std::lock_guard lock(mutex);
      ++accepted_count;
      open.push_back(connection);
      threads.emplace_back([this, connection] {
        serve(*connection);
        const std::lock_guard inner(mutex);
        std::erase(open, connection);
        connection->shut();
      });
    }
  }

  void serve(Connection& connection) {
    if (context) {
      // OpenSSL writes to sockets that are closed, too.
      sigset_t pipe;
      ::sigemptyset(&pipe);
      ::sigaddset(&pipe, SIGPIPE);
      ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
      connection.tls = SSL_new(context.get());
      SSL_set_fd(connection.tls, connection.socket.get());
      if (SSL_accept(connection.tls) != 1) return;
    }
    while (!connection.broken) {
      const std::optional<SeenRequest> request = connection.read_request();
      if (!request || !answer(connection, *request)) return;
    }
  }

  std::optional<Fault> take_fault(const SeenRequest& request) {
    for (Fault& each : faults) {
      if (!each.method.empty() && each.method != request.method) continue;
      if (!request.target.contains(each.in_target) || each.times == 0) continue;
      if (each.after > 0) {
        --each.after;
        continue;
      }
      if (each.times > 0) --each.times;
      return each;
    }
    return std::nullopt;
  }

  bool send(Connection& connection, const Reply& reply) {
    return connection.send_all(
        fmt::format("HTTP/1.1 {} Some\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n",
                    reply.status, reply.headers, reply.body.size()) +
        reply.body);
  }

  // False where the connection is to end.
  bool answer(Connection& connection, const SeenRequest& request) {
    std::optional<Fault> fault;
    {
      const std::lock_guard lock(mutex);
      seen.push_back(request);
      fault = take_fault(request);
    }
    if (fault) {
      for (const auto until = Clock::now() + fault->delay;
           !connection.broken && (fault->hang || Clock::now() < until);) {
        std::this_thread::sleep_for(kLook);
      }
      if (connection.broken) return false;
      connection.left = fault->cut_after;
      if (fault->cut_after == 0U) return false;
      if (fault->status || fault->body) {
        Reply reply = refusal(fault->status.value_or(200), fault->reason, "as the test wants it");
        if (fault->body) reply.body = *fault->body;
        if (fault->retry_after) reply.headers = fmt::format("Retry-After: {}\r\n", *fault->retry_after);
        return send(connection, reply);
      }
    }
    const std::optional<Target> target = parse_target(request.target);
    if (!target) return send(connection, {.status = 404, .body = "404 page not found\n", .headers = {}});
    Reply reply;
    {
      std::unique_lock lock(mutex);
      const std::string token = request.header("authorization");
      if (!options.tokens.empty() &&
          (!token.starts_with("Bearer ") || !options.tokens.contains(token.substr(7)))) {
        reply = refusal(401, "Unauthorized", "Unauthorized");
      } else if (target->get("watch") == "1" && find(*target) != nullptr) {
        lock.unlock();
        return watch(connection, *target);
      } else {
        reply = handle(*target, request);
      }
    }
    if (fault && fault->lose_answer) return false;
    return send(connection, reply);
  }

  // ---- watches ---------------------------------------------------------------------------------------

  static std::string line_of(const char* type, const Json& object) {
    return Json{{"type", type}, {"object", object}}.dump() + "\n";
  }

  std::string bookmark_line(const ServedResource& resource) const {
    return line_of("BOOKMARK", {{"kind", resource.kind},
                                {"apiVersion", api_version(resource)},
                                {"metadata", {{"resourceVersion", std::to_string(version)}}}});
  }

  // What an event is to a watch; empty: nothing.
  static std::string line_of(const Event& event, const Target& target) {
    const bool was = is_selected(event.before, target);
    const bool is = is_selected(event.after, target);
    if (!was && !is) return {};
    if (was && is) return line_of("MODIFIED", event.after);
    if (is) return line_of("ADDED", event.after);
    Json last = event.before;
    last["metadata"]["resourceVersion"] = std::to_string(event.version);
    return line_of("DELETED", last);
  }

  bool watch(Connection& connection, const Target& target) {
    std::unique_lock lock(mutex);
    const ServedResource resource = *find(target);
    connection.watching = true;
    connection.ends = connection.wants_bookmark = false;
    connection.lines.clear();
    std::uint64_t at = number_of(target.get("resourceVersion"));
    std::string text;
    if (at == 0) {
      at = version;
      for (const auto& [key, object] : objects[resource.kind]) {
        if (is_selected(object, target)) text += line_of("ADDED", object);
      }
    } else if (at < compacted) {
      text = line_of("ERROR", status_json(410, "Expired",
                                          fmt::format("too old resource version: {} ({})", at, compacted)));
      connection.ends = true;
    }
    const std::uint64_t seconds = number_of(target.get("timeoutSeconds"));
    const auto until = seconds == 0 ? Clock::time_point::max() : Clock::now() + std::chrono::seconds(seconds);
    auto bookmarked = Clock::now();
    lock.unlock();
    bool lives = connection.send_all(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    lock.lock();
    bool ends = false;
    while (lives && !ends) {
      // Found by their versions, which begin anew after reset_versions().
      for (const Event& event : events) {
        if (event.version <= at) continue;
        if (event.kind == resource.kind) text += line_of(event, target);
        at = event.version;
      }
      const bool due = options.bookmarks.count() > 0 && Clock::now() >= bookmarked + options.bookmarks;
      if ((std::exchange(connection.wants_bookmark, false) || due) && version >= at) {
        text += bookmark_line(resource);
        at = version;
        bookmarked = Clock::now();
      }
      for (const std::string& line : std::exchange(connection.lines, {})) text += line + "\n";
      ends = connection.ends || Clock::now() >= until || find(target) == nullptr;
      if (text.empty() && !ends) {
        changed.wait_for(lock, kLook);
        lives = !connection.is_gone();
        continue;
      }
      std::string chunk = text.empty() ? "" : fmt::format("{:x}\r\n{}\r\n", text.size(), text);
      text.clear();
      if (ends) chunk += "0\r\n\r\n";
      lock.unlock();
      lives = connection.send_all(chunk);
      lock.lock();
    }
    connection.watching = false;
    return lives;
  }

  template <typename Act>
  void each_watch(const Act& act) {
    const std::lock_guard lock(mutex);
    for (const auto& each : open) {
      if (each->watching) act(*each);
    }
    changed.notify_all();
  }

  ServerOptions options;
  std::unique_ptr<SSL_CTX, FreeContext> context;
  std::uint16_t port = 0;

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::vector<ServedResource> resources;
  std::map<std::string, Objects> objects;  // by kind
  std::deque<Event> events;
  std::uint64_t version = kFirstVersion;
  std::uint64_t compacted = 0;
  std::uint64_t uids = 0;
  std::uint64_t tokens_made = 0;
  std::map<std::string, Snapshot> snapshots;                   // by continue token
  std::map<std::string, std::map<std::string, Json>> applied;  // by kind and key, by manager
  std::vector<Fault> faults;
  std::vector<SeenRequest> seen;
  std::size_t accepted_count = 0;
  std::vector<std::shared_ptr<Connection>> open;
  std::vector<std::thread> threads;

  std::atomic<bool> listens = false;
  Descriptor socket;
  std::thread accepting;
};

ApiServer::ApiServer(std::vector<ServedResource> resources, ServerOptions options)
    : impl_(std::make_unique<Impl>(std::move(resources), std::move(options))) {}

ApiServer::~ApiServer() { impl_->stop(); }

std::uint16_t ApiServer::port() const { return impl_->port; }

std::string ApiServer::url() const {
  return fmt::format("{}://127.0.0.1:{}", impl_->context ? "https" : "http", impl_->port);
}

std::string ApiServer::put(Json object) {
  const std::lock_guard lock(impl_->mutex);
  const ServedResource& resource = impl_->of_kind(object.at("kind").get<std::string>());
  const std::string key = key_of(object);
  impl_->store(resource, key, std::move(object));
  return std::to_string(impl_->version);
}

std::string ApiServer::remove(std::string_view kind, std::string_view name_space, std::string_view name) {
  const std::lock_guard lock(impl_->mutex);
  impl_->store(impl_->of_kind(kind), fmt::format("{}/{}", name_space, name), Json());
  return std::to_string(impl_->version);
}

Json ApiServer::get(std::string_view kind, std::string_view name_space, std::string_view name) const {
  const std::lock_guard lock(impl_->mutex);
  const auto of_kind = impl_->objects.find(std::string(kind));
  if (of_kind == impl_->objects.end()) return {};
  const auto found = of_kind->second.find(fmt::format("{}/{}", name_space, name));
  return found == of_kind->second.end() ? Json() : found->second;
}

std::size_t ApiServer::count(std::string_view kind) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->objects.find(std::string(kind));
  return found == impl_->objects.end() ? 0 : found->second.size();
}

std::string ApiServer::version() const {
  const std::lock_guard lock(impl_->mutex);
  return std::to_string(impl_->version);
}

void ApiServer::install(ServedResource resource) {
  const std::lock_guard lock(impl_->mutex);
  impl_->resources.push_back(std::move(resource));
}

void ApiServer::uninstall(std::string_view kind) {
  const std::lock_guard lock(impl_->mutex);
  while (!impl_->objects[std::string(kind)].empty()) {
    const std::string key = impl_->objects[std::string(kind)].begin()->first;
    impl_->store(impl_->of_kind(kind), key, Json());
  }
  std::erase_if(impl_->resources, [&](const ServedResource& each) { return each.kind == kind; });
}

void ApiServer::set_tokens(std::set<std::string> tokens) {
  const std::lock_guard lock(impl_->mutex);
  impl_->options.tokens = std::move(tokens);
}

void ApiServer::compact() {
  const std::lock_guard lock(impl_->mutex);
  impl_->compacted = ++impl_->version;
  impl_->events.clear();
  impl_->snapshots.clear();
}

void ApiServer::reset_versions() {
  const std::lock_guard lock(impl_->mutex);
  impl_->version = kResetVersion;
  impl_->compacted = 0;
  impl_->events.clear();
  impl_->snapshots.clear();
  for (auto& [kind, all] : impl_->objects) {
    for (auto& [key, object] : all) object["metadata"]["resourceVersion"] = std::to_string(++impl_->version);
  }
}

void ApiServer::fail(Fault fault) {
  const std::lock_guard lock(impl_->mutex);
  impl_->faults.push_back(std::move(fault));
}

void ApiServer::clear_faults() {
  const std::lock_guard lock(impl_->mutex);
  impl_->faults.clear();
}

void ApiServer::bookmark() {
  impl_->each_watch([](Connection& each) { each.wants_bookmark = true; });
}
void ApiServer::end_watches() {
  impl_->each_watch([](Connection& each) { each.ends = true; });
}
void ApiServer::break_watches() {
  impl_->each_watch([](Connection& each) { each.shut(); });
}
void ApiServer::send_line(std::string line) {
  impl_->each_watch([&](Connection& each) { each.lines.push_back(line); });
}

void ApiServer::freeze() {
  const std::lock_guard lock(impl_->mutex);
  for (const auto& each : impl_->open) each->frozen = true;
}

std::size_t ApiServer::watches() const {
  const std::lock_guard lock(impl_->mutex);
  return static_cast<std::size_t>(
      std::ranges::count_if(impl_->open, [](const auto& each) { return each->watching; }));
}

void ApiServer::stop() { impl_->stop(); }
void ApiServer::start() { impl_->start(); }

std::vector<SeenRequest> ApiServer::requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->seen;
}

void ApiServer::forget_requests() {
  const std::lock_guard lock(impl_->mutex);
  impl_->seen.clear();
}

std::size_t ApiServer::connections() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->accepted_count;
}

}  // namespace sluice::kube_testing
