// For tests: a module, archives, an HTTP server that answers as badly as it is told to, and a registry.
//
// Threads: a TestServer calls its handler on a thread a connection; its members may be called from any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "wasm/spool.h"

struct ssl_st;
struct ssl_ctx_st;

namespace sluice::wasm {

// The smallest module, and one besides it for each note: a custom section that holds it.
std::string module_bytes(std::string_view note = "");

// The smallest shared library that is taken for one for this machine, and one besides it for each note.
// Nothing can load it.
std::string library_bytes(std::string_view note = "");

struct TarEntry {
  std::string name;
  std::string content;
};
std::string tar_of(const std::vector<TarEntry>& entries);
std::string gzip_of(std::string_view bytes);
std::string tar_gz_of(const std::vector<TarEntry>& entries);

// A folder that is removed with its contents.
class Folder {
 public:
  Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder();
  const std::string& path() const { return path_; }
  std::vector<std::string> files() const;  // names, sorted

 private:
  std::string path_;
};

std::string read_file(const std::string& path);

// An authority, and a key and certificate by it for "localhost" and 127.0.0.1.
struct Authority {
  explicit Authority(const std::string& folder);
  std::string ca_pem;
  std::string certificate_file;
  std::string key_file;
};

struct Received {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names in lower case

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

class Connection {
 public:
  Connection(int socket, ssl_st* tls) : socket_(socket), tls_(tls) {}

  // As it is.
  void send(std::string_view bytes);
  // An honest answer, without the body if HEAD was asked.
  void reply(int status, std::string_view body, const std::string& headers = "");
  // Until the client or the server ends.
  void hang();
  void close() { closed_ = true; }
  // By us, or by the client as far as a send() noticed.
  bool closed() const { return closed_; }

 private:
  friend class TestServer;
  std::optional<Received> receive();

  int socket_;
  ssl_st* tls_;
  std::string buffer_;
  bool head_ = false;
  bool closed_ = false;
};

class TestServer {
 public:
  using Handler = std::function<void(const Received&, Connection&)>;

  explicit TestServer(Handler handler, const Authority* authority = nullptr);
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  ~TestServer();

  int port() const { return port_; }
  std::string host() const;  // "127.0.0.1:1234"
  std::string url(const std::string& path) const;
  std::vector<Received> requests() const;

 private:
  void accept_all();
  void serve(int socket);

  Handler handler_;
  ssl_ctx_st* tls_ = nullptr;
  Descriptor listener_;
  int port_ = 0;
  mutable std::mutex mutex_;
  bool stopping_ = false;
  std::vector<Received> requests_;
  std::map<int, std::thread> connections_;  // by socket
  std::vector<int> sockets_;
  std::thread acceptor_;
};

// A registry of images, by http unless it has an authority. Images are added before it is asked.
class TestRegistry {
 public:
  enum class Auth : std::uint8_t { kNone, kBasic, kToken };

  explicit TestRegistry(Auth auth = Auth::kNone, const Authority* authority = nullptr);

  // Returns the digest of a blob.
  std::string add_blob(const std::string& bytes);
  // Under "<repository>/<tag>" and its digest, which is returned.
  std::string add_manifest(const std::string& repository, const std::string& tag, const std::string& json);
  // An OCI artifact of one layer.
  std::string add_image(const std::string& repository, const std::string& tag, const std::string& layer,
                        const std::string& media_type = "application/vnd.module.wasm.content.layer.v1+wasm");
  // Sent for a digest instead of what belongs there.
  void lie_about_blob(const std::string& digest, const std::string& bytes);
  void set_down(bool down) { down_ = down; }

  std::string reference(const std::string& name) const { return server_.host() + "/" + name; }
  std::string host() const { return server_.host(); }
  std::vector<Received> requests() const { return server_.requests(); }
  // Requests whose method and target begin so: "HEAD /v2/team/filter/manifests/".
  std::size_t count(const std::string& prefix) const;

 private:
  void answer(const Received& request, Connection& connection);
  bool allowed(const Received& request) const;

  const Auth auth_;
  std::mutex mutex_;
  std::map<std::string, std::string> blobs_;
  std::map<std::string, std::string> manifests_;
  std::atomic<bool> down_ = false;
  TestServer server_;
};

// "{mediaType, digest, size}" of bytes.
std::string descriptor_of(const std::string& media_type, const std::string& bytes);
std::string image_manifest(const std::vector<std::string>& layers,
                           const std::string& media_type = "application/vnd.oci.image.manifest.v1+json");

}  // namespace sluice::wasm
