// What the picker reads, by size: bodies, responses and metrics pages.
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <simdjson.h>

#include "picker/body.h"
#include "picker/metrics_page.h"
#include "picker/response.h"
#include "picker_vllm_page.h"

namespace sluice::picker {
namespace {

constexpr std::size_t kChunk = 16 * 1024;  // of a body, as Envoy sends them

std::string body_of(std::size_t prompt) {
  std::string text;
  while (text.size() < prompt) text += "word ";
  text.resize(prompt);
  return R"({"max_tokens":128,"messages":[{"content":")" + text +
         R"(","role":"user"}],"model":"base","stream":true})";
}

void read_body(benchmark::State& state) {
  const std::string body = body_of(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    BodyReader reader;
    for (std::size_t at = 0; at < body.size(); at += kChunk)
      reader.feed(std::string_view(body).substr(at, kChunk));
    if (!reader.finish()) state.SkipWithError("no body");
    benchmark::DoNotOptimize(reader.prompt(reader.model()));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(body.size()) *
                          static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(read_body)->Arg(2'048)->Arg(32'768)->Arg(220'000);

// What the reader is compared with: chunks gathered in a padded buffer, then simdjson on demand, and the
// hashes.
void read_body_with_simdjson(benchmark::State& state) {
  const std::string body = body_of(static_cast<std::size_t>(state.range(0)));
  simdjson::ondemand::parser parser;
  for (auto _ : state) {
    std::string gathered;
    gathered.reserve(body.size() + simdjson::SIMDJSON_PADDING);
    for (std::size_t at = 0; at < body.size(); at += kChunk)
      gathered.append(std::string_view(body).substr(at, kChunk));
    simdjson::ondemand::document document;
    if (parser
            .iterate(simdjson::padded_string_view(gathered.data(), gathered.size(),
                                                  gathered.size() + simdjson::SIMDJSON_PADDING))
            .get(document) != simdjson::SUCCESS)
      state.SkipWithError("no body");
    PromptChain chain;
    std::string_view model;
    for (auto field : document.get_object()) {
      std::string_view key;
      if (field.unescaped_key().get(key) != simdjson::SUCCESS) state.SkipWithError("no key");
      if (key == "model" && field.value().get(model) != simdjson::SUCCESS) state.SkipWithError("no model");
      if (key != "messages") continue;
      for (auto message : field.value().get_array()) {
        for (auto part : message.get_object()) {
          std::string_view text;
          if (part.value().get(text) == simdjson::SUCCESS) chain.add(text);
        }
      }
    }
    benchmark::DoNotOptimize(chain.take());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(body.size()) *
                          static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(read_body_with_simdjson)->Arg(2'048)->Arg(32'768)->Arg(220'000);

void read_128_events(benchmark::State& state) {
  const std::string event =
      "data: "
      "{\"id\":\"chatcmpl-0123456789abcdef\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
      "\"model\":\"base\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" "
      "token\"},\"finish_reason\":null}]}\n\n";
  const std::string last =
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":500,\"completion_tokens\":128}}\n\ndata: "
      "[DONE]\n\n";
  for (auto _ : state) {
    ResponseReader reader(true);
    for (int i = 0; i < 127; ++i) reader.feed(event);
    reader.feed(last);
    if (reader.usage().prompt_tokens != 500) state.SkipWithError("no usage");
  }
}
BENCHMARK(read_128_events);

void read_metrics_page(benchmark::State& state) {
  const std::string page = bench::vllm_page(3, 8, 0.25);
  const SeriesTable table(default_series());
  MetricsReader reader(table);
  for (auto _ : state) {
    for (std::size_t at = 0; at < page.size(); at += kChunk)
      reader.feed(std::string_view(page).substr(at, kChunk));
    if (reader.finish({}).blocks != 27'000) state.SkipWithError("no page");
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(page.size()) *
                          static_cast<std::int64_t>(state.iterations()));
}
BENCHMARK(read_metrics_page);

}  // namespace
}  // namespace sluice::picker

BENCHMARK_MAIN();
