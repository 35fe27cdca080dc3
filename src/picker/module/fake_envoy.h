// An Envoy for unit tests: it has what the module calls (module_abi/envoy_module.h) and calls the module's
// hooks as a worker would.
//
// Threads: a Stream is one thread's but for its scheduler; the log may be written by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "module_abi/envoy_module.h"
#include "picker/module/http_filter.h"

namespace sluice::picker::fake {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct LocalReply {
  std::uint32_t status = 0;
  Headers headers;
  std::string body;
  std::string details;
};

// One HTTP request, with one filter.
class Stream {
 public:
  explicit Stream(Pool& pool, bool read_responses = true);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  // ---- what comes in; nothing comes of a request that has been answered --------------------------------
  void request_headers(Headers headers, bool end_of_stream);
  // Chunks that come at once.
  void request_body(std::vector<std::string> chunks, bool end_of_stream);
  // All of it has been kept by a filter before.
  void buffered_request_body(std::string body);
  void request_trailers();
  void response_headers(Headers headers, bool end_of_stream);
  void response_body(std::string chunk, bool end_of_stream);
  void response_trailers(Headers trailers);
  // What has been scheduled, if anything, as the worker does when it has its turn.
  bool run_scheduled();

  // ---- what came of it -----------------------------------------------------------------------------------
  bool went_on() const { return went_on_; }  // with all of the request
  std::string header(std::string_view name) const;
  bool has_header(std::string_view name) const;
  // As the upstream gets it.
  const std::string& body() const { return upstream_body_; }
  std::string metadata_of(const std::string& name_space, const std::string& key) const;

  // Which the fake reads and the test may set.
  Headers request;
  Headers response;
  Headers trailers;
  std::map<std::string, std::map<std::string, std::vector<std::string>>> lists;
  std::map<std::string, std::map<std::string, std::string>> strings;
  std::string upstream_address;
  std::optional<LocalReply> reply;
  std::uint64_t buffer_limit = 1 << 20;
  bool continued = false;

  // Of parts of bodies, as the module sees them.
  std::optional<std::vector<std::string>> received;
  bool received_is_buffered = false;
  std::vector<std::string> buffered;
  std::optional<std::vector<std::string>> received_response;

  // Shared with schedulers, which may outlive the stream.
  struct Scheduled {
    std::atomic<unsigned> count = 0;
  };
  std::shared_ptr<Scheduled> scheduled = std::make_shared<Scheduled>();

 private:
  void pass(bool end_of_stream);

  bool went_on_ = false;
  bool ended_ = false;  // the request, for us
  std::string upstream_body_;
  std::unique_ptr<HttpFilter> filter_;
};

// Schedulers that have been made and not deleted.
unsigned schedulers();
// What has been logged since the last call.
std::vector<std::string> take_log();

// A bootstrap extension's side.
struct Bootstrap {
  std::atomic<unsigned> scheduled = 0;
  unsigned initialized = 0;
  std::string admin_path;
  std::string admin_body;
};

}  // namespace sluice::picker::fake
