// Asks model servers how they are: the metrics page of each, over and over, and now and then /v1/models.
//
// Each server has one connection, which is kept; or two, where metrics and models are at different ports or
// one of them is asked for by TLS. It is asked every `interval` while there are requests to decide on, and
// every `idle_interval` where there have been none for a while; the first request after that has all of them
// asked at once. Servers are asked in turn, not all at the same time.
//
// A server that refuses or breaks the connection, or answers with an error, is lost at once; one that is slow
// keeps what it said last, until `lost_after` has gone by. Lost ones are asked on, at most once in
// `retry_interval`, and are there again with the first answer. A server without a metrics page (404), or with
// one that says none of what is wanted, is there, and idle as far as one knows: the listener is told so once.
//
// Threads: those of its loop, but for busy(). Where it asks by TLS, SIGPIPE is blocked there or ignored
// (base/sigpipe.h).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "picker/endpoint.h"
#include "picker/exchange/clock.h"
#include "picker/exchange/models_list.h"
#include "picker/metrics_page.h"
#include "picker/sources.h"
#include "tls/client.h"

namespace sluice::picker {

struct ScrapeOptions {
  std::chrono::milliseconds interval{50};
  std::chrono::milliseconds idle_interval{1000};
  std::chrono::milliseconds idle_after{5000};  // without a request
  std::chrono::milliseconds timeout{1000};     // from asking to the end of the answer
  std::chrono::milliseconds lost_after{3000};  // without an answer
  std::chrono::milliseconds retry_interval{1000};
  std::chrono::milliseconds models_interval{30'000};  // of /v1/models; zero: never
  std::size_t max_page_bytes = 4 << 20;
  Sources sources;  // to begin with
};

class Scraper {
 public:
  class Listener {
   public:
    virtual void on_load(std::string_view address, const Load& load) = 0;
    virtual void on_lost(std::string_view address, std::string_view reason) = 0;
    // It answers, but does not say how it is.
    virtual void on_silent(std::string_view address, std::string_view reason) = 0;
    virtual void on_models(std::string_view address, std::vector<ServedModel> models) = 0;

   protected:
    ~Listener() = default;
  };

  struct Server {
    std::string address;
    bool there = false;  // it has answered, and is not lost
    Time last_answer;    // meaningless before the first
    std::uint64_t answers = 0;
    std::uint64_t failures = 0;
    std::uint64_t bytes = 0;
    std::string last_error;
  };

  // Called from the loop. Options, table and listener outlive the scraper.
  Scraper(Loop& loop, const ScrapeOptions& options, const SeriesTable& table, Listener& listener);
  Scraper(const Scraper&) = delete;
  Scraper& operator=(const Scraper&) = delete;
  ~Scraper();

  // "10.0.0.1:8000" or "[::1]:8000". Those that were there before keep their connections. May be called
  // before the loop runs.
  void set_addresses(std::span<const std::string> addresses);
  // Where they are asked from now on. May be called before the loop runs.
  void set_sources(const Sources& sources);
  // There is a request to decide on. From any thread.
  void busy(Time now);
  // Each address has answered or failed once.
  bool complete() const;
  std::vector<Server> servers() const;

 private:
  class Pod;
  class Link;
  friend class Pod;
  friend class Link;
  // One of the sources, and what it takes to speak TLS with servers there: made anew when files may have
  // changed.
  struct Asked {
    Source source;
    tls::Context context = {};
    std::string fault = {};  // why there is no context
    Time made = {};
  };

  void hurry();
  // Null, with asked.fault, where a file is no good.
  SSL_CTX* context_of(Asked& asked);
  // At which they are asked now, and where there are requests.
  std::chrono::milliseconds interval();
  std::chrono::milliseconds busy_interval() const;

  Loop& loop_;
  const ScrapeOptions& options_;
  const SeriesTable& table_;
  Listener& listener_;
  Asked metrics_;
  Asked models_;
  std::atomic<Time::rep> last_busy_ = 0;
  std::atomic<bool> idle_ = true;
  // Told by `this` having gone: what busy() has posted may come later than the end of it.
  std::shared_ptr<Scraper*> self_ = std::make_shared<Scraper*>(this);
  std::vector<char> buffer_;
  std::vector<std::unique_ptr<Pod>> pods_;
};

// Whether this is an IP address and a port.
bool is_address(std::string_view address);

}  // namespace sluice::picker
