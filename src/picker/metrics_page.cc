#include "picker/metrics_page.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"

namespace sluice::picker {
namespace {

constexpr std::pair<std::string_view, Quantity> kQuantities[] = {
    {"waiting", Quantity::kWaiting},      {"running", Quantity::kRunning}, {"kv-usage", Quantity::kKvUsage},
    {"block-size", Quantity::kBlockSize}, {"blocks", Quantity::kBlocks},   {"tokens", Quantity::kTokens},
    {"adapters", Quantity::kAdapters},
};

constexpr std::uint64_t kAll = ~std::uint64_t{0};

// The first eight bytes of a line of at least that many.
std::uint64_t first_eight(const char* at) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, at, sizeof bytes);
  return bytes;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

void skip_blanks(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
}

// The next label of a series: `labels` begins behind the brace or the comma. False at the end, and where this
// is none. `value` is as it is written: with escapes.
bool next_label(std::string_view& labels, std::string_view& name, std::string_view& value) {
  while (!labels.empty() && (labels.front() == ',' || is_blank(labels.front()))) labels.remove_prefix(1);
  const std::size_t equals = labels.find('=');
  if (equals == std::string_view::npos) return false;
  name = labels.substr(0, equals);
  while (!name.empty() && is_blank(name.back())) name.remove_suffix(1);
  labels.remove_prefix(equals + 1);
  skip_blanks(labels);
  if (labels.empty() || labels.front() != '"') return false;
  std::size_t end = 1;
  while (end < labels.size() && labels[end] != '"') end += labels[end] == '\\' ? 2 : 1;
  if (end >= labels.size()) return false;
  value = labels.substr(1, end - 1);
  labels.remove_prefix(end + 1);
  return true;
}

std::optional<std::string_view> label(std::string_view labels, std::string_view wanted) {
  std::string_view name;
  std::string_view value;
  while (next_label(labels, name, value)) {
    if (name == wanted) return value;
  }
  return std::nullopt;
}

// Where the labels end: the brace that is in no value. npos where there is none.
std::size_t end_of_labels(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && quoted) {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '}' && !quoted) {
      return i;
    }
  }
  return std::string_view::npos;
}

// A number at the beginning of `text`, of which a time may follow. Not a number where there is none.
double number(std::string_view text) {
  skip_blanks(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = end == text.data() + text.size() || is_blank(*end) || *end == '\r';
  return error == std::errc() && whole ? value : std::numeric_limits<double>::quiet_NaN();
}

std::string unescape(std::string_view raw) {
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const bool escape = raw[i] == '\\' && i + 1 < raw.size();
    const char c = escape ? raw[++i] : raw[i];
    out.push_back(escape && c == 'n' ? '\n' : c);
  }
  return out;
}

// "a, b": the names, in order, without those that are there twice.
std::vector<std::string> names(std::string_view raw) {
  const std::string text = unescape(raw);
  std::vector<std::string> result;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    std::string_view name = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    skip_blanks(name);
    while (!name.empty() && is_blank(name.back())) name.remove_suffix(1);
    if (!name.empty() && std::ranges::find(result, name) == result.end()) result.emplace_back(name);
  }
  return result;
}

std::uint32_t count(double value) {
  constexpr double kMax = std::numeric_limits<std::uint32_t>::max();
  return std::isnan(value) || value <= 0 ? 0 : static_cast<std::uint32_t>(std::min(value, kMax));
}

Problem series_problem(std::string_view text, const std::string& what) {
  return {.code = "value/metric",
          .message = fmt::format("{} {}", quote(text), what),
          .suggestion = "write `waiting=FAMILY`, `waiting=FAMILY{LABEL=VALUE}` or `blocks=FAMILY@LABEL`"};
}

}  // namespace

const std::vector<Series>& default_series() {
  static const std::vector<Series> kSeries{
      {Quantity::kWaiting, "vllm:num_requests_waiting", "", "", ""},
      {Quantity::kWaiting, "sglang:num_queue_reqs", "", "", ""},
      {Quantity::kWaiting, "trtllm_num_requests_waiting", "", "", ""},
      {Quantity::kWaiting, "nv_trt_llm_request_metrics", "request_type", "waiting", ""},
      {Quantity::kRunning, "vllm:num_requests_running", "", "", ""},
      {Quantity::kRunning, "sglang:num_running_reqs", "", "", ""},
      {Quantity::kRunning, "trtllm_num_requests_running", "", "", ""},
      {Quantity::kRunning, "nv_trt_llm_request_metrics", "request_type", "scheduled", ""},
      {Quantity::kKvUsage, "vllm:kv_cache_usage_perc", "", "", ""},
      {Quantity::kKvUsage, "vllm:gpu_cache_usage_perc", "", "", ""},
      {Quantity::kKvUsage, "sglang:token_usage", "", "", ""},
      {Quantity::kKvUsage, "trtllm_kv_cache_utilization", "", "", ""},
      {Quantity::kKvUsage, "nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "fraction", ""},
      {Quantity::kBlockSize, "vllm:cache_config_info", "", "", "block_size"},
      {Quantity::kBlockSize, "sglang:cache_config_info", "", "", "page_size"},
      {Quantity::kBlockSize, "trtllm_kv_cache_tokens_per_block", "", "", ""},
      {Quantity::kBlockSize, "nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "tokens_per", ""},
      {Quantity::kBlocks, "vllm:cache_config_info", "", "", "num_gpu_blocks"},
      {Quantity::kBlocks, "sglang:cache_config_info", "", "", "num_pages"},
      {Quantity::kBlocks, "trtllm_kv_cache_max_blocks", "", "", ""},
      {Quantity::kBlocks, "nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "max", ""},
      {Quantity::kTokens, "sglang:max_total_num_tokens", "", "", ""},
      {Quantity::kAdapters, "vllm:lora_requests_info", "", "", ""},
  };
  return kSeries;
}

std::expected<Series, Problem> parse_series(std::string_view text) {
  const std::string_view whole = text;
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const auto* const known =
      std::ranges::find(kQuantities, name, &std::pair<std::string_view, Quantity>::first);
  if (equals == std::string_view::npos || known == std::end(kQuantities)) {
    return std::unexpected(series_problem(
        whole,
        "does not begin with waiting=, running=, kv-usage=, block-size=, blocks=, tokens= or adapters="));
  }
  Series series{.quantity = known->second};
  text.remove_prefix(equals + 1);
  if (const std::size_t brace = text.find('{'); brace != std::string_view::npos) {
    const std::size_t close = text.find('}', brace);
    std::string_view inside = text.substr(brace + 1, close == std::string_view::npos ? 0 : close - brace - 1);
    const std::size_t is = inside.find('=');
    if (close == std::string_view::npos || is == std::string_view::npos || is == 0)
      return std::unexpected(series_problem(whole, "has no label and value in its braces"));
    series.label = inside.substr(0, is);
    inside.remove_prefix(is + 1);
    if (inside.size() >= 2 && inside.starts_with('"') && inside.ends_with('"'))
      inside = inside.substr(1, inside.size() - 2);
    series.label_value = inside;
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && !rest.starts_with('@'))
      return std::unexpected(series_problem(whole, "goes on after the braces"));
    series.family = text.substr(0, brace);
    if (!rest.empty()) series.number_label = rest.substr(1);
  } else {
    const std::size_t at = text.find('@');
    series.family = text.substr(0, at);
    if (at != std::string_view::npos) series.number_label = text.substr(at + 1);
  }
  const bool good = !series.family.empty() && std::ranges::all_of(series.family, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
  });
  if (!good) return std::unexpected(series_problem(whole, "names no metric"));
  return series;
}

SeriesTable::SeriesTable(std::vector<Series> series) : series_(std::move(series)), order_(series_.size()) {
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::ranges::stable_sort(order_, {},
                           [this](std::size_t i) -> const std::string& { return series_[i].family; });
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const std::string& name = series_[order_[i]].family;
    if (!families_.empty() && families_.back().name == name) {
      ++families_.back().count;
      continue;
    }
    std::array<char, sizeof(std::uint64_t)> begin{};
    const std::size_t size = std::min(name.size(), begin.size());
    std::memcpy(begin.data(), name.data(), size);
    std::array<char, sizeof(std::uint64_t)> mask{};
    std::fill_n(mask.begin(), size, '\xff');
    families_.push_back({.begins_with = first_eight(begin.data()),
                         .mask = size == begin.size() ? kAll : first_eight(mask.data()),
                         .name = name,
                         .first = i,
                         .count = 1});
  }
}

MetricsReader::MetricsReader(const SeriesTable& table) : table_(table), sums_(table.series_.size()) {}

void MetricsReader::feed(std::string_view chunk) {
  while (!chunk.empty()) {
    const std::size_t newline = chunk.find('\n');
    const std::string_view piece = chunk.substr(0, newline);
    if (newline == std::string_view::npos) {
      too_long_ = too_long_ || partial_.size() + piece.size() > kMaxLine;
      if (!too_long_) partial_.append(piece);
      return;
    }
    chunk.remove_prefix(newline + 1);
    if (too_long_ || !partial_.empty()) {
      if (!too_long_ && partial_.size() + piece.size() <= kMaxLine) {
        partial_.append(piece);
        line(partial_);
      }
      partial_.clear();
      too_long_ = false;
    } else {
      line(piece);
    }
  }
}

void MetricsReader::line(std::string_view line) {
  // A family's name, a blank and a digit at least; most lines are of other families.
  if (line.size() < sizeof(std::uint64_t)) return;
  const std::uint64_t begin = first_eight(line.data());
  for (const SeriesTable::Family& family : table_.families_) {
    if ((begin & family.mask) != family.begins_with || !line.starts_with(family.name)) continue;
    std::string_view rest = line.substr(family.name.size());
    if (rest.empty() || (rest.front() != '{' && !is_blank(rest.front()))) continue;
    std::string_view labels;
    skip_blanks(rest);
    if (rest.starts_with('{')) {
      rest.remove_prefix(1);
      const std::size_t end = end_of_labels(rest);
      if (end == std::string_view::npos) return;
      labels = rest.substr(0, end);
      rest.remove_prefix(end + 1);
    }
    const double value = number(rest);
    if (std::isnan(value)) return;
    for (std::size_t i = family.first; i < family.first + family.count; ++i) {
      const std::size_t row = table_.order_[i];
      sample(table_.series_[row], row, labels, value);
    }
    return;
  }
}

void MetricsReader::sample(const Series& series, std::size_t row, std::string_view labels, double value) {
  if (!series.label.empty() && label(labels, series.label) != series.label_value) return;
  if (series.quantity == Quantity::kAdapters) {
    adapters(labels, value);
    return;
  }
  if (!series.number_label.empty()) {
    const auto text = label(labels, series.number_label);
    value = text ? number(*text) : std::numeric_limits<double>::quiet_NaN();
    if (std::isnan(value)) return;
  }
  sums_[row].value += value;
  ++sums_[row].series;
}

void MetricsReader::adapters(std::string_view labels, double time) {
  if (time < adapters_time_) return;
  adapters_time_ = time;
  load_.running_adapters = names(label(labels, "running_lora_adapters").value_or(""));
  load_.waiting_adapters = names(label(labels, "waiting_lora_adapters").value_or(""));
  load_.max_adapters = count(number(label(labels, "max_lora").value_or("0")));
}

double MetricsReader::sum_of(Quantity quantity, bool mean) const {
  for (std::size_t row = 0; row < sums_.size(); ++row) {
    const Sum& sum = sums_[row];
    if (table_.series_[row].quantity != quantity || sum.series == 0) continue;
    return mean ? sum.value / sum.series : sum.value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

Load MetricsReader::finish(Time taken) {
  if (!too_long_ && !partial_.empty()) line(partial_);
  const double waiting = sum_of(Quantity::kWaiting);
  const double running = sum_of(Quantity::kRunning);
  const double usage = sum_of(Quantity::kKvUsage, true);
  found_ = !std::isnan(waiting) || !std::isnan(running);
  load_.taken = taken;
  load_.waiting = count(waiting);
  load_.running = count(running);
  load_.kv_usage = std::isnan(usage) ? 0 : std::clamp(usage, 0.0, 1.0);
  load_.block_size = count(sum_of(Quantity::kBlockSize, true));
  load_.blocks = count(sum_of(Quantity::kBlocks));
  if (load_.blocks == 0 && load_.block_size != 0)
    load_.blocks = count(sum_of(Quantity::kTokens) / load_.block_size);
  std::ranges::fill(sums_, Sum{});
  adapters_time_ = -std::numeric_limits<double>::infinity();
  partial_.clear();
  too_long_ = false;
  return std::exchange(load_, {});
}

}  // namespace sluice::picker
