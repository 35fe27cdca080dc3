#include "llm/workload.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <numeric>
#include <random>
#include <string_view>

namespace sluice::llmbench {
namespace {

constexpr std::uint32_t kTraceBlock = 512;
constexpr std::size_t kMaxStretch = 6000;
constexpr std::uint32_t kTenants = 16;

// The number after `key` in a line of JSON of numbers.
double number_after(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return 0;
  const char* begin = line.data() + at + key.size();
  while (*begin == ' ') ++begin;
  double value = 0;
  std::from_chars(begin, line.data() + line.size(), value);
  return value;
}

std::vector<std::uint32_t> ids_of(std::string_view line) {
  std::vector<std::uint32_t> ids;
  const std::size_t at = line.find('[', line.find("hash_ids"));
  if (at == std::string_view::npos) return ids;
  const char* const end = line.data() + line.size();
  for (const char* p = line.data() + at + 1; p < end && *p != ']';) {
    if (*p < '0' || *p > '9') {
      ++p;
      continue;
    }
    std::uint32_t id = 0;
    p = std::from_chars(p, end, id).ptr;
    ids.push_back(id);
  }
  return ids;
}

// Seconds of the day in "2023-11-16 18:17:03.9799600".
double seconds_of(std::string_view timestamp) {
  if (timestamp.size() < 19) return 0;
  const auto part = [&](std::size_t at, std::size_t size) {
    double value = 0;
    std::from_chars(timestamp.data() + at, timestamp.data() + at + size, value);
    return value;
  };
  return part(11, 2) * 3600 + part(14, 2) * 60 + part(17, timestamp.size() - 17);
}

std::uint32_t at_least_one(double value) { return std::max(1U, static_cast<std::uint32_t>(value)); }

double lognormal(std::mt19937_64& random, double median, double sigma, double low, double high) {
  std::lognormal_distribution<double> distribution(std::log(median), sigma);
  return std::clamp(distribution(random), low, high);
}

}  // namespace

BlockHash mix(BlockHash before, std::uint64_t next) {
  // The finaliser of splitmix64.
  std::uint64_t x = (before ^ (next + 0x9e3779b97f4a7c15ULL + (before << 6U) + (before >> 2U)));
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

Source Source::adapters() {
  Source source;
  source.name_ = "adapters";
  source.drawn_ = kMaxStretch;
  return source;
}

Source Source::trace(const std::string& name, const std::filesystem::path& folder) {
  Source source;
  source.name_ = name;
  const bool mooncake = name == "conversation" || name == "synthetic";
  std::string file_name = name == "azure-code" ? "azure_code.csv" : "azure_conv.csv";
  if (name == "classes") source.sheddable_ = 0.2;
  if (mooncake) file_name = name + "_trace.jsonl";
  std::ifstream file(folder / file_name);
  std::string line;
  if (mooncake) {
    source.quantum_ = 3;
    while (std::getline(file, line)) {
      if (line.empty()) continue;
      source.rows_.push_back({.at = number_after(line, "\"timestamp\":") / 1000,
                              .prompt_tokens = at_least_one(number_after(line, "\"input_length\":")),
                              .output_tokens = at_least_one(number_after(line, "\"output_length\":")),
                              .ids = ids_of(line)});
    }
  } else {
    std::getline(file, line);
    while (std::getline(file, line)) {
      const std::size_t first = line.find(',');
      const std::size_t second = line.find(',', first + 1);
      if (second == std::string::npos) continue;
      source.rows_.push_back({.at = seconds_of(std::string_view(line).substr(0, first)),
                              .prompt_tokens = at_least_one(std::atof(line.c_str() + first + 1)),
                              .output_tokens = at_least_one(std::atof(line.c_str() + second + 1)),
                              .ids = {}});
    }
  }
  return source;
}

std::size_t Source::stretch() const {
  if (drawn_ != 0) return drawn_;
  return std::min(kMaxStretch, rows_.size() / 2 * 3 / 4);
}

Job Source::job(const Row& row, std::uint64_t salt, std::size_t index) const {
  Job job;
  job.prompt_tokens = row.prompt_tokens;
  job.output_tokens = row.output_tokens;
  BlockHash hash = mix(salt, 0x5eed);
  // Without ids no two have anything in common.
  if (row.ids.empty()) hash = mix(hash, index);
  const std::uint32_t blocks = row.prompt_tokens / kBlockTokens;
  job.chain.reserve(blocks);
  for (std::uint32_t i = 0; i < blocks; ++i) {
    const std::size_t id = i / (kTraceBlock / kBlockTokens);
    hash = mix(hash, id < row.ids.size() ? row.ids[id] : i);
    job.chain.push_back(hash);
  }
  return job;
}

std::vector<Job> Source::sample(Half half, std::size_t copies, double rate, std::uint64_t seed) const {
  std::mt19937_64 random(mix(seed, half == Half::kTuning ? 1 : 2));
  std::uniform_real_distribution<double> uniform(0, 1);
  const std::size_t count = stretch();
  const double seconds = static_cast<double>(copies * count) / rate;
  std::vector<Job> jobs;
  jobs.reserve(copies * count);

  std::vector<double> shares(kAdapters);
  for (std::size_t i = 0; i < kAdapters; ++i) shares[i] = 1.0 / static_cast<double>(i + 1);
  std::discrete_distribution<Adapter> zipf(shares.begin(), shares.end());

  for (std::size_t copy = 0; copy < copies; ++copy) {
    const std::uint64_t salt = random();
    if (drawn_ != 0) {
      for (std::size_t i = 0; i < count; ++i) {
        Row row;
        row.prompt_tokens = at_least_one(lognormal(random, 400, 0.9, 16, 4096));
        row.output_tokens = at_least_one(lognormal(random, 100, 0.8, 8, 1000));
        Job made = job(row, salt, i);
        made.at = Time(std::llround(uniform(random) * seconds * 1e6));
        made.adapter = zipf(random);
        made.tenant = made.adapter;
        jobs.push_back(std::move(made));
      }
      continue;
    }
    const std::size_t size = rows_.size() / 2;
    const std::size_t begin = half == Half::kTuning ? 0 : rows_.size() - size;
    const std::size_t start = random() % (size - count + 1);
    const Row* rows = rows_.data() + begin + start;
    const double length = rows[count - 1].at - rows[0].at + quantum_;
    for (std::size_t i = 0; i < count; ++i) {
      Job made = job(rows[i], salt, i);
      const double at = rows[i].at - rows[0].at + quantum_ * uniform(random);
      made.at = Time(std::llround(at / length * seconds * 1e6));
      made.tenant = static_cast<std::uint32_t>(random() % kTenants);
      jobs.push_back(std::move(made));
    }
  }
  for (Job& job : jobs) job.priority = uniform(random) < sheddable_ ? -1 : 0;
  std::ranges::stable_sort(jobs, {}, &Job::at);
  return jobs;
}

}  // namespace sluice::llmbench
