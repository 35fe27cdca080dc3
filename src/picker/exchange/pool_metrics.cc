#include "picker/exchange/pool_metrics.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "picker/json_text.h"

namespace sluice::picker {
namespace {

class Page {
 public:
  explicit Page(std::span<const PoolReading> pools) : pools_(pools) {}

  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    out_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }

  // A series of the family for each pool, with this label besides.
  void series(std::string_view label, std::string_view value,
              const std::function<std::uint64_t(const PoolReading&)>& number) {
    for (const PoolReading& pool : pools_) line(pool, label, value, number(pool));
  }

  // A family with one series a pool.
  void one(std::string_view name, std::string_view type, std::string_view help,
           const std::function<std::uint64_t(const PoolReading&)>& number) {
    family(name, type, help);
    series({}, {}, number);
  }

  // A family with one series a server.
  template <typename Number>
  void of_servers(std::string_view name, std::string_view type, std::string_view help, Number number) {
    family(name, type, help);
    for (const PoolReading& pool : pools_) {
      for (const Scraper::Server& server : pool.servers)
        line(pool, "endpoint", server.address, number(pool, server));
    }
  }

  std::string take() { return std::move(out_); }

 private:
  template <typename Value>
  void line(const PoolReading& pool, std::string_view label, std::string_view label_value, Value value) {
    out_ += name_;
    std::string labels;
    if (!pool.name.empty()) labels = fmt::format("pool=\"{}\"", escape_json(pool.name));
    if (!label.empty())
      labels += fmt::format("{}{}=\"{}\"", labels.empty() ? "" : ",", label, escape_json(label_value));
    if (!labels.empty()) out_ += fmt::format("{{{}}}", labels);
    out_ += fmt::format(" {}\n", value);
  }

  std::span<const PoolReading> pools_;
  std::string name_;
  std::string out_;
};

}  // namespace

std::string join_pages(std::string_view label, std::span<const NamedPage> pages) {
  struct Family {
    std::string_view name;
    const NamedPage* described_by;
    std::string head;  // its description and its type
    std::string series;
  };
  std::vector<Family> families;
  for (const NamedPage& page : pages) {
    const std::string added =
        page.name.empty() ? std::string() : fmt::format("{}=\"{}\"", label, escape_json(page.name));
    Family* family = nullptr;
    for (std::string_view rest = page.page; rest.contains('\n');) {
      const std::string_view line = rest.substr(0, rest.find('\n') + 1);
      rest.remove_prefix(line.size());
      for (const std::string_view head : {"# HELP ", "# TYPE "}) {
        if (!line.starts_with(head)) continue;
        const std::string_view after = line.substr(head.size());
        const std::string_view name = after.substr(0, after.find_first_of(" \n"));
        const auto found = std::ranges::find(families, name, &Family::name);
        family = found != families.end() ? &*found : &families.emplace_back(name, &page, "", "");
        if (family->described_by == &page) family->head += line;
      }
      if (family == nullptr || !line.starts_with(family->name)) continue;
      const std::string_view after = line.substr(family->name.size());
      const bool labelled = after.starts_with('{');
      if (!labelled && !after.starts_with(' ')) continue;
      if (added.empty()) {
        family->series += line;
      } else if (labelled) {
        const std::string_view comma = after.starts_with("{}") ? "" : ",";
        family->series += fmt::format("{}{{{}{}{}", family->name, added, comma, after.substr(1));
      } else {
        family->series += fmt::format("{}{{{}}}{}", family->name, added, after);
      }
    }
  }
  std::string joined;
  for (const Family& family : families) {
    joined += family.head;
    joined += family.series;
  }
  return joined;
}

std::string metrics_page(std::span<const PoolReading> pools) {
  using Server = Scraper::Server;
  Page page(pools);
  const auto count = [](Counts::Count Counts::* which) {
    return [which](const PoolReading& reading) { return (reading.pool.counts().*which).load(); };
  };
  const auto refused = [](Refusal reason) {
    return [reason](const PoolReading& reading) {
      return reading.pool.counts().refused[static_cast<std::size_t>(reason)].load();
    };
  };

  page.family("sluice_picker_requests_total", "counter", "Requests by what was decided.");
  page.series("outcome", "picked", count(&Counts::picked));
  page.series("outcome", "no_endpoint", refused(Refusal::kNoEndpoint));
  page.series("outcome", "overloaded", refused(Refusal::kOverloaded));
  page.series("outcome", "rate_limited", refused(Refusal::kRateLimited));
  page.series("outcome", "bad_body", count(&Counts::bad_bodies));
  page.series("outcome", "body_too_large", count(&Counts::too_large));
  page.series("outcome", "body_too_slow", count(&Counts::too_slow));
  page.series("outcome", "too_many_bodies", count(&Counts::too_many));
  page.family("sluice_picker_responses_total", "counter", "Responses that passed to their end, and others.");
  page.series("end", "finished", count(&Counts::finished));
  page.series("end", "dropped", count(&Counts::dropped));
  page.one("sluice_picker_queued_total", "counter", "Requests that waited for a model server.",
           count(&Counts::queued));
  page.one("sluice_picker_rewritten_total", "counter", "Bodies that got another model.",
           count(&Counts::rewritten));
  page.one("sluice_picker_served_elsewhere_total", "counter",
           "Requests that were served by another address than the first.", count(&Counts::served_other));
  page.family("sluice_picker_tokens_total", "counter", "Tokens as responses count them.");
  page.series("kind", "prompt", count(&Counts::prompt_tokens));
  page.series("kind", "cached", count(&Counts::cached_tokens));
  page.series("kind", "completion", count(&Counts::completion_tokens));
  page.one("sluice_picker_queue", "gauge", "Requests that wait for a model server.",
           [](const PoolReading& reading) { return reading.pool.queued(); });
  page.one("sluice_picker_open", "gauge",
           "Requests with a pick whose response has not ended, and those that wait.",
           [](const PoolReading& reading) { return reading.pool.open_tickets(); });
  page.one("sluice_picker_held_bytes", "gauge", "Bytes of bodies that wait.",
           [](const PoolReading& reading) { return reading.pool.held_bytes(); });

  page.of_servers("sluice_picker_endpoint_up", "gauge", "Whether the model server answers.",
                  [](const PoolReading&, const Server& server) { return server.there ? 1 : 0; });
  page.of_servers("sluice_picker_scrape_age_seconds", "gauge", "Since its last answer; NaN before the first.",
                  [](const PoolReading& reading, const Server& server) {
                    return server.answers == 0 ? std::numeric_limits<double>::quiet_NaN()
                                               : seconds(reading.pool.now() - server.last_answer);
                  });
  page.of_servers("sluice_picker_scrapes_total", "counter", "Pages that were read.",
                  [](const PoolReading&, const Server& server) { return server.answers; });
  page.of_servers("sluice_picker_scrape_failures_total", "counter", "Pages that did not come.",
                  [](const PoolReading&, const Server& server) { return server.failures; });
  page.of_servers("sluice_picker_reserved_waiting", "gauge", "Requests sent to it that have no first token.",
                  [](const PoolReading& reading, const Server& server) {
                    return reading.pool.reserved(server.address).waiting;
                  });
  page.of_servers("sluice_picker_reserved_running", "gauge", "Requests sent to it that have.",
                  [](const PoolReading& reading, const Server& server) {
                    return reading.pool.reserved(server.address).running;
                  });
  page.of_servers("sluice_picker_reserved_kv_tokens", "gauge",
                  "Tokens of both, prompts and expected outputs.",
                  [](const PoolReading& reading, const Server& server) {
                    return reading.pool.reserved(server.address).kv_tokens;
                  });
  return page.take();
}

}  // namespace sluice::picker
