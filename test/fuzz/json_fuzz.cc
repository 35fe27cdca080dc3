// Any bytes as JSON, against another parser: what it takes we take, with the same value; what it refuses is
// no JSON to us either.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "fuzz.h"
#include "text.h"
#include "tree/json.h"

namespace sluice::fuzz {
namespace {

using nlohmann::json;

bool equal(const Tree& tree, const json& value) {
  switch (tree.type()) {
    case Tree::Type::kNull:
      return value.is_null();
    case Tree::Type::kBool:
      return value.is_boolean() && value.get<bool>() == tree.as_bool();
    case Tree::Type::kInt:
      return value.is_number_integer() && value.get<std::int64_t>() == tree.as_int();
    case Tree::Type::kFloat:
      return value.is_number() && value.get<double>() == tree.as_float();
    case Tree::Type::kString:
      return value.is_string() && value.get_ref<const std::string&>() == tree.as_string();
    case Tree::Type::kList:
      return value.is_array() && std::ranges::equal(tree.items(), value, equal);
    case Tree::Type::kMap: {
      if (!value.is_object() || value.size() != tree.members().size()) return false;
      for (const Tree::Member& member : tree.members()) {
        const auto found = value.find(member.key);
        if (found == value.end() || !equal(member.value, *found)) return false;
      }
      return true;
    }
  }
  return false;
}

void run(std::string_view text) {
  std::vector<Problem> problems;
  std::vector<Document> documents = parse(text, "fuzz.json", &problems);
  require_parsed(text, documents, problems);

  // One value, for the other parser knows no separators.
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || (text[first] != '{' && text[first] != '[')) return;
  if (text.contains("---") || text.contains('\0') || !is_utf8(text)) return;
  documents.clear();
  Problem problem;
  const bool taken = tree_internal::parse_json(text, &documents, &problem);
  if (documents.size() > 1) return;
  const json theirs = json::parse(text, nullptr, false);
  if (taken) {
    require(!theirs.is_discarded(), "what we take is JSON");
    require(equal(documents.at(0).tree, theirs), "both read the same");
  } else if (problem.code == "syntax/json") {
    require(theirs.is_discarded(), "what we refuse is no JSON", problem.message);
  }
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
