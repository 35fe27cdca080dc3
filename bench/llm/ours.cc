#include <functional>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "llm/policy.h"
#include "picker/picker.h"

namespace sluice::llmbench {
namespace {

// Calls the picker as its service does: it is told what a gateway sees.
class Ours final : public Policy {
 public:
  Ours(const Fleet& fleet, picker::Profile profile)
      : config_(fleet.config), picker_(std::move(profile), fleet.seed) {
    std::vector<picker::Endpoint> endpoints;
    for (Pod pod = 0; pod < fleet.pods(); ++pod) {
      addresses_.push_back("10.0.0." + std::to_string(pod) + ":8000");
      pods_[addresses_.back()] = pod;
      endpoints.push_back({.address = addresses_.back()});
    }
    picker_.set_endpoints(endpoints);
    for (Adapter adapter = 0; adapter < kAdapters; ++adapter)
      adapters_.push_back("adapter-" + std::to_string(adapter));
  }

  void scraped(Pod pod, const llmsim::Gauges& gauges, Time now) override {
    picker::Load load{.taken = picker::Time(now),
                      .waiting = gauges.waiting,
                      .running = gauges.running,
                      .kv_usage = gauges.kv_usage,
                      .max_adapters = config_.adapter_slots,
                      .block_size = config_.block_size,
                      .blocks = config_.blocks};
    for (const Adapter adapter : gauges.running_adapters) load.running_adapters.push_back(adapters_[adapter]);
    for (const Adapter adapter : gauges.waiting_adapters) load.waiting_adapters.push_back(adapters_[adapter]);
    picker_.observe(addresses_[pod], load);
  }

  Answer pick(JobId id, const Job& job, Time now) override {
    const picker::Decision decision =
        picker_.decide({.model = job.adapter == llmsim::kBaseModel ? "base" : adapters_[job.adapter],
                        .adapter = job.adapter == llmsim::kBaseModel ? "" : adapters_[job.adapter],
                        .prompt = job.chain,
                        .prompt_tokens = job.prompt_tokens,
                        .priority = job.priority,
                        .fairness_id = std::to_string(job.tenant),
                        .streamed = job.streamed},
                       picker::Time(now));
    if (id >= tickets_.size()) tickets_.resize(id + 1);
    if (const auto* queued = std::get_if<picker::Queued>(&decision)) {
      queued_[queued->ticket] = id;
      return {.kind = Answer::Kind::kQueued};
    }
    return answer(id, decision);
  }

  void first_token(JobId id, const Job&, Pod, Time now) override {
    picker_.first_token(tickets_[id], picker::Time(now));
  }
  void finished(JobId id, const Job& job, Pod, Time now) override {
    // vLLM does not say how many tokens were cached unless it is told to.
    picker_.finished(
        tickets_[id],
        {.prompt_tokens = job.prompt_tokens, .cached_tokens = 0, .completion_tokens = job.output_tokens},
        picker::Time(now));
  }

  std::vector<Late> advance(Time now) override {
    std::vector<Late> all;
    if (picker_.queued() == 0) return all;
    for (const auto& [ticket, decision] : picker_.advance(picker::Time(now))) {
      const auto found = queued_.find(ticket);
      all.push_back({found->second, answer(found->second, decision)});
      queued_.erase(found);
    }
    return all;
  }
  std::optional<Time> wake_at() const override {
    const auto at = picker_.wake_at();
    if (!at) return std::nullopt;
    return at->time_since_epoch();
  }
  bool queues() const override { return true; }

 private:
  Answer answer(JobId id, const picker::Decision& decision) {
    const auto* picked = std::get_if<picker::Picked>(&decision);
    if (picked == nullptr) return {.kind = Answer::Kind::kRefused};
    tickets_[id] = picked->ticket;
    return {.pod = pods_.find(picked->addresses.front())->second};
  }

  llmsim::Config config_;
  picker::Picker picker_;
  std::vector<std::string> addresses_;
  std::map<std::string, Pod, std::less<>> pods_;
  std::vector<std::string> adapters_;
  std::vector<picker::Ticket> tickets_;
  absl::flat_hash_map<picker::Ticket, JobId> queued_;
};

}  // namespace

std::unique_ptr<Policy> ours(const Fleet& fleet) {
  return std::make_unique<Ours>(fleet, picker::default_profile());
}

std::unique_ptr<Policy> ours_wanting(const Fleet& fleet, Time first_token) {
  picker::Profile profile = picker::default_profile();
  profile.admission.objective = first_token;
  return std::make_unique<Ours>(fleet, std::move(profile));
}

}  // namespace sluice::llmbench
