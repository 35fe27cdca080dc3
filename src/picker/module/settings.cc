#include "picker/module/settings.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"
#include "picker/config/config.h"
#include "picker/exchange/endpoints.h"
#include "schema/bind.h"
#include "schema/plain_check.h"
#include "schema/type.h"
#include "tree/json.h"
#include "tree/tree.h"
#include "tree/write.h"

namespace sluice::picker {
namespace {

constexpr std::string_view kFile = "config";

// As it is written.
struct Written {
  std::string pool;
  std::optional<std::vector<std::string>> endpoints;
  std::optional<std::string> endpoints_file;
  std::optional<std::string> pool_file;
  std::optional<Tree> contents;
  std::optional<Tree> config;
  std::map<std::string, std::int32_t, std::less<>> objectives;
  std::optional<std::vector<std::string>> metrics;
  std::string metrics_at;
  std::string metrics_ca;
  std::chrono::milliseconds metrics_interval{0};
  std::chrono::milliseconds metrics_idle_interval{0};
  std::chrono::milliseconds body_timeout{0};
  std::int64_t max_body_bytes = 0;
  std::int64_t max_held_bytes = 0;
  bool refuse_unknown = false;
  bool read_responses = true;
};

struct WrittenPools {
  std::vector<Written> pools;
};

std::vector<schema::Field> pool_fields() {
  using namespace schema;  // NOLINT: as in api
  const PoolOptions pool;
  const ScrapeOptions scrape;
  const auto milliseconds = [](std::chrono::milliseconds time) { return fmt::format("{}ms", time.count()); };
  const auto duration = [] { return string().formatted("duration"); };
  return {
      field<&Written::pool>("pool", string().length(1, 253))
          .required("name the pool, as `\"pool\": \"llama\"`"),
      field<&Written::endpoints>("endpoints", list(string())),
      field<&Written::endpoints_file>("endpointsFile", string().min_length(1)),
      field<&Written::pool_file>("poolFile", string().min_length(1)),
      field<&Written::contents>("contents", any()),
      field<&Written::config>("config", any()),
      field<&Written::objectives>("objectives", map(int32())),
      field<&Written::metrics>("metrics", list(string()).min_items(1)),
      field<&Written::metrics_at>("metricsAt", string().min_length(1)),
      field<&Written::metrics_ca>("metricsCA", string().min_length(1)),
      field<&Written::metrics_interval>("metricsInterval", duration())
          .defaults_to(milliseconds(scrape.interval).c_str()),
      field<&Written::metrics_idle_interval>("metricsIdleInterval", duration())
          .defaults_to(milliseconds(scrape.idle_interval).c_str()),
      field<&Written::body_timeout>("bodyTimeout", duration())
          .defaults_to(milliseconds(pool.body_timeout).c_str()),
      field<&Written::max_body_bytes>("maxBodyBytes", integer().at_least(1))
          .defaults_to(static_cast<std::int64_t>(pool.max_body_bytes)),
      field<&Written::max_held_bytes>("maxHeldBytes", integer().at_least(1))
          .defaults_to(static_cast<std::int64_t>(pool.max_held_bytes)),
      field<&Written::refuse_unknown>("refuseUnknown", boolean()).defaults_to(false),
  };
}

class Reader {
 public:
  explicit Reader(std::vector<Problem>* problems) : problems_(problems), first_(problems->size()) {}

  bool failed() const {
    return std::any_of(problems_->begin() + static_cast<std::ptrdiff_t>(first_), problems_->end(),
                       [](const Problem& problem) { return problem.severity == Severity::kError; });
  }

  bool read(std::string_view json, const schema::Type& type, void* target) {
    const std::vector<Document> documents = parse_json(json, kFile, problems_);
    if (!failed() && documents.size() != 1) {
      report("schema/required", "", "there is no configuration", R"(write at least {"pool": "NAME"})");
    }
    if (!failed() && schema::check_plain(documents.front().tree, type, problems_))
      schema::bind(documents.front().tree, type, target, problems_);
    for (std::size_t i = first_; i < problems_->size(); ++i) (*problems_)[i].where.file = kFile;
    return !failed();
  }

  PoolSettings pool(const Written& written, const std::string& path) {
    PoolSettings made;
    made.name = written.pool;
    made.is_reference =
        !written.endpoints && !written.endpoints_file && !written.pool_file && !written.contents;
    const auto below = [&path](std::string_view field) {
      return path.empty() ? std::string(field) : fmt::format("{}.{}", path, field);
    };
    for (std::size_t i = 0; written.endpoints && i < written.endpoints->size(); ++i) {
      auto endpoints = parse_endpoints((*written.endpoints)[i]);
      if (!endpoints) {
        place(endpoints.error(), below(fmt::format("endpoints[{}]", i)));
        continue;
      }
      std::ranges::move(*endpoints, std::back_inserter(made.endpoints));
    }
    made.endpoints_file = written.endpoints_file.value_or("");
    made.pool_file = written.pool_file.value_or("");
    if (written.pool_file && (written.endpoints || written.endpoints_file || !written.objectives.empty())) {
      report("conflict/pool", below("poolFile"), "the file has the pool's endpoints and objectives",
             "leave out `endpoints`, `endpointsFile` and `objectives`");
    }
    if (written.contents &&
        (written.endpoints || written.endpoints_file || written.pool_file || !written.objectives.empty())) {
      report("conflict/pool", below("contents"), "it has the pool's endpoints and objectives",
             "leave out `endpoints`, `endpointsFile`, `poolFile` and `objectives`");
    }
    if (written.contents)
      made.contents = read_pool_contents(*written.contents, kFile, below("contents"), problems_);

    PoolOptions& pool = made.options.pool;
    pool.rules.priorities.insert(written.objectives.begin(), written.objectives.end());
    pool.pass_unknown = !written.refuse_unknown;
    pool.max_body_bytes = static_cast<std::size_t>(written.max_body_bytes);
    pool.max_held_bytes = static_cast<std::size_t>(written.max_held_bytes);
    pool.body_timeout = written.body_timeout;
    ScrapeOptions& scrape = made.options.scrape;
    scrape.interval = written.metrics_interval;
    scrape.idle_interval = written.metrics_idle_interval;
    for (const auto& [name, time] :
         {std::pair("bodyTimeout", pool.body_timeout), std::pair("metricsInterval", scrape.interval),
          std::pair("metricsIdleInterval", scrape.idle_interval)}) {
      if (time < std::chrono::milliseconds(1)) report("schema/range", below(name), "less than a millisecond");
    }
    if (written.metrics) made.options.series.clear();
    for (std::size_t i = 0; written.metrics && i < written.metrics->size(); ++i) {
      auto series = parse_series((*written.metrics)[i]);
      if (series) {
        made.options.series.push_back(*std::move(series));
      } else {
        place(series.error(), below(fmt::format("metrics[{}]", i)));
      }
    }
    read_source(written, below, scrape.sources);
    std::string profile;
    if (written.config) {
      profile = to_json(*written.config);
      const std::size_t first = problems_->size();
      auto read = read_config(*written.config, kFile, problems_);
      for (std::size_t i = first; i < problems_->size(); ++i) {
        std::string& at = (*problems_)[i].path;
        at = below(at.empty() ? "config" : "config." + at);
      }
      if (read) {
        scrape.sources = sources_of(*read, scrape.sources);
        pool.profile = std::move(read->profile);
      }
    }
    made.identity = fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n", profile, written.refuse_unknown,
                                written.max_body_bytes, written.max_held_bytes, written.body_timeout.count(),
                                written.metrics_interval.count(), written.metrics_idle_interval.count());
    for (const auto& [name, priority] : written.objectives)
      made.identity += fmt::format("{}={}\n", name, priority);
    made.identity += written.contents ? "\nby contents\n" : written.pool_file ? "\nby file\n" : "\n";
    made.identity += fmt::format("{}\n{}\n", written.metrics_at, written.metrics_ca);
    if (written.metrics) made.identity += fmt::format("{}", fmt::join(*written.metrics, "\n"));
    return made;
  }

  template <typename Below>
  void read_source(const Written& written, const Below& below, Sources& sources) {
    if (written.metrics_at.empty()) {
      if (!written.metrics_ca.empty()) {
        report("conflict/metrics", below("metricsCA"), "without `metricsAt`, nobody is asked by https",
               "write `\"metricsAt\": \"https://\"`, or leave out `metricsCA`");
      }
      return;
    }
    if (auto source = parse_source(written.metrics_at, written.metrics_ca)) {
      sources = sources_with(*std::move(source));
    } else {
      place(source.error(), below("metricsAt"));
    }
  }

  void report(std::string code, std::string path, std::string message, std::string suggestion = {}) {
    Problem& problem = problems_->emplace_back();
    problem.code = std::move(code);
    problem.where.file = kFile;
    problem.path = std::move(path);
    problem.message = std::move(message);
    problem.suggestion = std::move(suggestion);
  }

 private:
  void place(const Problem& problem, std::string path) {
    report(problem.code, std::move(path), problem.message, problem.suggestion);
  }

  std::vector<Problem>* problems_;
  std::size_t first_;
};

}  // namespace

std::optional<FilterSettings> read_filter_settings(std::string_view json, std::vector<Problem>* problems) {
  std::vector<schema::Field> fields = pool_fields();
  fields.push_back(
      schema::field<&Written::read_responses>("readResponses", schema::boolean()).defaults_to(true));
  Reader reader(problems);
  Written written;
  if (!reader.read(json, schema::object(std::move(fields)), &written)) return std::nullopt;
  FilterSettings made{.pool = reader.pool(written, ""), .read_responses = written.read_responses};
  if (reader.failed()) return std::nullopt;
  return made;
}

std::optional<std::vector<PoolSettings>> read_bootstrap_settings(std::string_view json,
                                                                 std::vector<Problem>* problems) {
  const schema::Type type = schema::object(
      {schema::field<&WrittenPools::pools>("pools", schema::list(schema::object(pool_fields())))
           .required(R"(write at least {"pools": []})")});
  Reader reader(problems);
  WrittenPools written;
  if (!reader.read(json, type, &written)) return std::nullopt;
  std::vector<PoolSettings> made;
  for (std::size_t i = 0; i < written.pools.size(); ++i) {
    const std::string path = fmt::format("pools[{}]", i);
    PoolSettings pool = reader.pool(written.pools[i], path);
    if (pool.is_reference) {
      reader.report("schema/required", path, "the pool has no endpoints",
                    "write `endpoints`, `endpointsFile` or `poolFile`");
    }
    if (std::ranges::find(made, pool.name, &PoolSettings::name) != made.end()) {
      reader.report("conflict/pool", path + ".pool",
                    fmt::format("there is a pool {} already", quote(pool.name)));
    }
    made.push_back(std::move(pool));
  }
  if (reader.failed()) return std::nullopt;
  return made;
}

}  // namespace sluice::picker
