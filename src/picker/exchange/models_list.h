// What a model server lists at /v1/models: {"data": [{"id": "llama"}, {"id": "sql", "parent": "llama"}, …]}.
//
// Source: docs.vllm.ai/en/latest/features/lora (serving LoRA adapters): adapters have a parent.
//
// Threads: pure function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::picker {

// Entries after these are not read.
inline constexpr std::size_t kMaxModels = 4096;

// An entry.
struct ServedModel {
  std::string id;
  bool is_adapter = false;  // it has a parent

  bool operator==(const ServedModel&) const = default;
};

// Empty where it is no such list, or no JSON. Entries without an `id` are left out.
std::vector<ServedModel> read_models(std::string_view json);

}  // namespace sluice::picker
