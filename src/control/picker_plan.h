// What a picker of ours is told of a pool, from the pool's objects to the picker's own words.
//
// Threads: pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "picker/config/config.h"
#include "picker/endpoint.h"
#include "picker/exchange/pool.h"
#include "picker/sources.h"
#include "translate/inference_pool.h"

namespace sluice::control {

// Each port of each of these pods that is a member, sorted by address, each address once.
std::vector<translate::PickerPlan::Server> servers_of(const api::InferencePool& pool,
                                                      const std::vector<const api::Pod*>& pods);

// The plan as JSON, as picker/module/pool_file.h reads it. `config` is in place of a config that is no good;
// nothing: the picker is to keep the one that it has.
std::string contents_of(const translate::PickerPlan& plan, const std::optional<std::string>& config);

std::vector<picker::Endpoint> endpoints_of(const translate::PickerPlan& plan);
picker::TrafficRules rules_of(const translate::PickerPlan& plan);
// Of the text of PickerPlan::config, which has been read without a mistake.
picker::Config config_of(const std::string& config);
// Where servers are asked, by the plan and this config of its picker.
picker::Sources sources_of(const translate::PickerPlan& plan, const picker::Config& config);

}  // namespace sluice::control
