// Both homes of the picker, the ext_proc service beside Envoy and the module inside it, get the same
// requests, cut differently, at the same times, with the same loads of the same servers: what they say of
// each must be equal, at once and after a wait.
#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/loop.h"
#include "base/wire.h"
#include "extproc/server.h"
#include "picker/exchange/names.h"
#include "picker/module/fake_envoy.h"
#include "picker/service/service.h"

namespace sluice::picker {
namespace {

using extproc::Part;

std::int64_t microseconds = 1'000'000;
Time test_clock() { return Time{Duration(microseconds)}; }

using Random = std::mt19937_64;

// What becomes of a request, as the client and the server see it.
struct Said {
  bool goes_on = false;
  std::string destination, metadata, prefiller, body;
  std::uint32_t status = 0;  // of an answer in place of a server's
  std::string answer, retry_after;

  bool operator==(const Said&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Said& said) {
  return out << (said.goes_on ? "goes to " : "") << said.destination << " " << said.prefiller << " status "
             << said.status << " " << said.answer << " retry " << said.retry_after << "\n  "
             << said.body.substr(0, 200);
}

struct Asked {
  fake::Headers headers;
  std::string body;
  bool has_body = true;
  bool trailers = false;
  std::optional<std::vector<std::string>> subset;
};

// Pieces of random sizes, none of them empty.
std::vector<std::string> cut(std::string_view text, Random& random) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const std::size_t size =
        std::min<std::size_t>(text.size(), 1 + random() % (random() % 3 == 0 ? 9 : 60'000));
    pieces.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return pieces;
}

// ---- beside Envoy ------------------------------------------------------------------------------------

class Beside final : public extproc::Exchange {
 public:
  Beside(PickerService& service, Loop& loop, const Asked& asked, Random& random) : loop_(loop) {
    handler_ = service.start(*this);
    extproc::Request headers{.part = Part::kRequestHeaders, .end_of_stream = !asked.has_body};
    for (const auto& [name, value] : asked.headers) headers.headers.push_back({name, value});
    const std::string metadata = asked.subset ? hint(*asked.subset) : std::string();
    headers.encoded_metadata = metadata;
    handler_->on_request(headers);
    if (!asked.has_body) return;
    const std::vector<std::string> pieces = cut(asked.body, random);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      handler_->on_request({.part = Part::kRequestBody,
                            .body = pieces[i],
                            .end_of_stream = i + 1 == pieces.size() && !asked.trailers});
    }
    if (asked.trailers) handler_->on_request({.part = Part::kRequestTrailers});
  }

  const Said& said() const { return said_; }

  void response(const fake::Headers& headers, bool end) {
    extproc::Request request{.part = Part::kResponseHeaders, .end_of_stream = end};
    for (const auto& [name, value] : headers) request.headers.push_back({name, value});
    handler_->on_request(request);
  }
  void response_body(std::string_view chunk, bool end) {
    handler_->on_request({.part = Part::kResponseBody, .body = chunk, .end_of_stream = end});
  }

  void send(const extproc::Response& response) override {
    for (const auto& change : response.set_headers) {
      if (change.name == kDestination) said_.destination = change.value;
      if (change.name == kPrefiller) said_.prefiller = change.value;
    }
    for (const auto& entry : response.metadata) said_.metadata = entry.value;
    if (response.part == Part::kRequestHeaders) said_.goes_on = true;
    if (response.part != Part::kRequestBody) return;
    if (const auto* stream = std::get_if<extproc::StreamBody>(&response.body)) said_.body += stream->body;
  }
  void send(const extproc::ImmediateResponse& response) override {
    said_.status = response.status;
    said_.answer = response.body;
    for (const auto& header : response.headers) {
      if (header.name == "retry-after") said_.retry_after = header.value;
    }
  }
  void finish() override {}
  void fail(extproc::GrpcStatus, std::string_view) override {}
  std::pmr::memory_resource& memory() override { return *std::pmr::new_delete_resource(); }
  Loop& loop() override { return loop_; }

 private:
  // The metadata envoy.lb.subset_hint with these addresses, encoded.
  static std::string hint(const std::vector<std::string>& addresses) {
    std::string list;
    for (const std::string& address : addresses)
      append_nested(list, 1, [&] { append_field(list, 3, std::string_view(address)); });
    std::string metadata;
    append_nested(metadata, 1, [&] {
      append_field(metadata, 1, kSubsetNamespace);
      append_nested(metadata, 2, [&] {
        append_nested(metadata, 1, [&] {
          append_field(metadata, 1, kSubset);
          append_nested(metadata, 2, [&] { append_field(metadata, 6, std::string_view(list)); });
        });
      });
    });
    return metadata;
  }

  Loop& loop_;
  Said said_;
  std::unique_ptr<extproc::Handler> handler_;
};

// ---- inside Envoy ------------------------------------------------------------------------------------

class Inside {
 public:
  Inside(Pool& pool, const Asked& asked, Random& random) : stream_(pool) {
    if (asked.subset) stream_.lists[std::string(kSubsetNamespace)][std::string(kSubset)] = *asked.subset;
    stream_.request_headers(asked.headers, !asked.has_body);
    if (!asked.has_body) return;
    const std::vector<std::string> pieces = cut(asked.body, random);
    std::vector<std::string> together;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      together.push_back(pieces[i]);
      const bool last = i + 1 == pieces.size();
      if (!last && random() % 3 == 0) continue;
      stream_.request_body(std::exchange(together, {}), last && !asked.trailers);
    }
    if (asked.trailers) stream_.request_trailers();
  }

  Said said() const {
    Said said;
    said.goes_on = stream_.went_on();
    if (stream_.reply) {
      said.status = stream_.reply->status;
      said.answer = stream_.reply->body;
      for (const auto& [name, value] : stream_.reply->headers) {
        if (name == "retry-after") said.retry_after = value;
      }
    }
    if (!said.goes_on) return said;
    said.destination = stream_.header(kDestination);
    said.metadata = stream_.metadata_of(std::string(kLoadBalancer), std::string(kDestination));
    said.prefiller = stream_.header(kPrefiller);
    said.body = stream_.body();
    return said;
  }

  void run_scheduled() { stream_.run_scheduled(); }
  void response(const fake::Headers& headers, bool end) { stream_.response_headers(headers, end); }
  void response_body(std::string_view chunk, bool end) { stream_.response_body(std::string(chunk), end); }

 private:
  fake::Stream stream_;
};

// ---- the trace ---------------------------------------------------------------------------------------

class NoKeeper final : public Pool::Keeper {
 public:
  void wake() override {}
  void asked(Time) override {}
};

struct Flight {
  std::unique_ptr<Beside> beside;
  std::unique_ptr<Inside> inside;
  int phase = 0;  // of the response
  bool streams = false;
};

class Homes : public testing::TestWithParam<int> {
 protected:
  static constexpr std::size_t kServers = 6;

  static PoolOptions options() {
    PoolOptions options;
    options.rules.priorities = {{"batch", -1}, {"urgent", 5}};
    options.max_body_bytes = 200'000;
    options.clock = test_clock;
    options.profile.limits.push_back(RateLimit{
        .model = "limited", .requests_per_second = 0.5, .tokens_per_second = 5000, .burst_seconds = 4});
    options.profile.admission.max_queued = 20;
    if (GetParam() % 2 == 1) {  // a part of the prompts is prefilled elsewhere
      options.profile.prefill = options.profile.serve;
      options.profile.prefill_threshold = 500;
    }
    return options;
  }

  Homes() : random_(static_cast<std::uint64_t>(GetParam()) + 1) {
    std::vector<Endpoint> endpoints;
    for (std::size_t i = 0; i < kServers; ++i) {
      addresses_.push_back(fmt::format("10.0.0.{}:8000", i + 1));
      endpoints.push_back(Endpoint{.address = addresses_.back()});
    }
    for (Pool* pool : pools()) pool->set_endpoints(endpoints);
  }

  std::array<Pool*, 2> pools() { return {&service_.keeper().pool(), &pool_}; }

  Asked ask() {
    static constexpr std::string_view kModels[] = {"base", "a1", "a2", "a3", "limited", "unknown"};
    static constexpr std::string_view kPaths[] = {"/v1/chat/completions", "/v1/completions", "/other"};
    Asked asked;
    asked.headers = {{":method", "POST"}, {":path", std::string(kPaths[random_() % 3])}};
    const auto maybe = [&](unsigned one_in) { return random_() % one_in == 0; };
    const auto set = [&](std::string_view name, std::string value) {
      asked.headers.emplace_back(std::string(name), std::move(value));
    };
    if (maybe(5)) set(kObjective[1], maybe(2) ? "batch" : "urgent");
    if (maybe(3)) set(kFairnessId[random_() % 2], fmt::format("flow-{}", random_() % 4));
    if (maybe(4)) set(kModelRewrite[0], std::string(kModels[random_() % std::size(kModels)]));
    if (maybe(10)) set(kFirstTokenObjective[0], fmt::format("{}", 1 + random_() % 3000));
    if (maybe(10)) set(kPrefiller, "6.6.6.6:1");
    if (maybe(8)) {
      asked.subset.emplace();
      for (std::size_t i = 0; i < random_() % 4; ++i)
        asked.subset->push_back(addresses_[random_() % addresses_.size()]);
    }
    asked.has_body = !maybe(15);
    if (!asked.has_body) return asked;
    asked.trailers = maybe(10);
    // Beginnings that several prompts share.
    const std::string shared(400 * (random_() % 8), static_cast<char>('a' + random_() % 3));
    const std::string own(random_() % (maybe(30) ? 60'000 : 600), 'x');
    asked.body = fmt::format(R"({{"model": "{}", "stream": {}, "max_tokens": {}, "prompt": "{} {}{}"}})",
                             kModels[random_() % std::size(kModels)], maybe(2), 1 + random_() % 500, shared,
                             random_(), own);
    if (maybe(20)) asked.body.resize(random_() % asked.body.size() + 1);
    if (maybe(40)) asked.body.insert(5, std::string(200'000, ' '));
    if (maybe(2)) set("content-length", fmt::format("{}", asked.body.size()));
    return asked;
  }

  void observe() {
    const bool busy = random_() % 6 == 0;
    for (const std::string& address : addresses_) {
      if (random_() % 3 == 0) continue;
      if (random_() % 40 == 0) {
        for (Pool* pool : pools()) pool->lost(address);
        continue;
      }
      Load load{.taken = test_clock(),
                .waiting = static_cast<std::uint32_t>(busy ? 8 + random_() % (random_() % 4 == 0 ? 300 : 20)
                                                           : random_() % 3),
                .running = static_cast<std::uint32_t>(random_() % 20),
                .kv_usage = 0.005 * static_cast<double>(random_() % 100),
                .max_adapters = 2,
                .block_size = 16,
                .blocks = 4000};
      load.running_adapters.push_back(fmt::format("a{}", 1 + random_() % 3));
      for (Pool* pool : pools()) pool->observe(address, load);
    }
  }

  // What both have said of it is the same.
  void compare(const Flight& flight) {
    const Said beside = flight.beside->said();
    const Said inside = flight.inside->said();
    ASSERT_EQ(beside, inside) << "request " << asked_;
    if (beside.goes_on) {
      ASSERT_EQ(beside.metadata, beside.destination);
    }
  }

  void work() {
    for (Pool* pool : pools()) pool->work();
    for (Flight& flight : flights_) flight.inside->run_scheduled();
  }

  // The response goes on a step. True if it has ended.
  bool step(Flight& flight) {
    const auto both = [&](auto&& say) {
      say(*flight.beside);
      say(*flight.inside);
    };
    const bool last = random_() % 2 == 0;
    if (flight.phase++ == 0) {
      const std::string status = random_() % 15 == 0 ? "500" : "200";
      const std::string type = flight.streams ? "text/event-stream" : "application/json";
      fake::Headers headers{{":status", status}, {"content-type", type}};
      if (random_() % 20 == 0)
        headers.emplace_back(std::string(kServed), addresses_[random_() % addresses_.size()]);
      const bool end = random_() % 20 == 0;
      both([&](auto& home) { home.response(headers, end); });
      return end;
    }
    const std::string usage =
        fmt::format(R"({{"choices":[{{"text":"t"}}],"usage":{{"prompt_tokens":{},"completion_tokens":{}}}}})",
                    random_() % 2000, random_() % 300);
    const std::string chunk = flight.streams ? fmt::format("data: {}\n\n", usage) : last ? usage : " ";
    both([&](auto& home) { home.response_body(chunk, last); });
    return last;
  }

  Random random_;
  std::vector<std::string> addresses_;
  Loop loop_;
  PickerService service_{loop_, {.pool = options()}};
  NoKeeper keeper_;
  Pool pool_{options(), keeper_};
  std::vector<Flight> flights_;
  unsigned asked_ = 0;
};

TEST_P(Homes, DecideTheSame) {
  constexpr unsigned kRequests = 1500;
  while (asked_ < kRequests) {
    microseconds += static_cast<std::int64_t>(random_() % 80'000);
    switch (random_() % 8) {
      case 0:
        observe();
        break;
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:
        for (int i = 0; i < 2 && !flights_.empty(); ++i) {
          const std::size_t which = random_() % flights_.size();
          Flight& flight = flights_[which];
          // One that waits may go away; so may any other.
          const bool goes_on = flight.beside->said().goes_on;
          if (goes_on ? random_() % 30 == 0 || step(flight) : random_() % 9 == 0)
            flights_.erase(flights_.begin() + static_cast<std::ptrdiff_t>(which));
        }
        break;
      default: {
        const Asked asked = ask();
        ++asked_;
        Flight flight;
        flight.streams = asked.body.contains("\"stream\": true");
        flight.beside = std::make_unique<Beside>(service_, loop_, asked, random_);
        flight.inside = std::make_unique<Inside>(pool_, asked, random_);
        ASSERT_NO_FATAL_FAILURE(compare(flight));
        if (flight.beside->said().status == 0) flights_.push_back(std::move(flight));
      }
    }
    work();
    for (const Flight& flight : flights_) ASSERT_NO_FATAL_FAILURE(compare(flight));
    std::erase_if(flights_, [](const Flight& flight) { return flight.beside->said().status != 0; });
    for (const std::string& address : addresses_)
      ASSERT_EQ(pools()[0]->reserved(address), pools()[1]->reserved(address));
  }

  flights_.clear();
  const Counts& beside = pools()[0]->counts();
  const Counts& inside = pools()[1]->counts();
  const auto both = [&](Counts::Count Counts::* which) {
    EXPECT_EQ((beside.*which).load(), (inside.*which).load());
    return (beside.*which).load();
  };
  // The trace is one that has something of everything.
  EXPECT_GT(both(&Counts::picked), kRequests / 3);
  EXPECT_GT(both(&Counts::queued), 20U);
  EXPECT_GT(both(&Counts::bad_bodies), 10U);
  EXPECT_GT(both(&Counts::too_large), 5U);
  EXPECT_GT(both(&Counts::finished), kRequests / 10);
  EXPECT_GT(both(&Counts::dropped), 10U);
  EXPECT_GT(both(&Counts::rewritten), 20U);
  EXPECT_GT(both(&Counts::served_other), 3U);
  EXPECT_GT(both(&Counts::completion_tokens), 1000U);
  for (const Refusal reason : {Refusal::kNoEndpoint, Refusal::kOverloaded, Refusal::kRateLimited}) {
    const auto which = static_cast<std::size_t>(reason);
    EXPECT_EQ(beside.refused[which].load(), inside.refused[which].load());
    EXPECT_GT(beside.refused[which].load(), 3U) << which;
  }
  for (Pool* pool : pools()) {
    EXPECT_EQ(pool->open_tickets(), 0U);
    EXPECT_EQ(pool->held_bytes(), 0U);
    for (const std::string& address : addresses_) EXPECT_EQ(pool->reserved(address), Reserved{});
  }
  EXPECT_EQ(fake::schedulers(), 0U);
}

INSTANTIATE_TEST_SUITE_P(Traces, Homes, testing::Range(0, 4));

}  // namespace
}  // namespace sluice::picker
