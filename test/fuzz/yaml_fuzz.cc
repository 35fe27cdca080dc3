// Any bytes as YAML: what is read can be written, and read again.
#include <cmath>

#include "fuzz.h"
#include "text.h"
#include "tree/write.h"

namespace sluice::fuzz {
namespace {

// Of more nodes than this, which aliases make of few bytes, the tree is not written.
constexpr std::size_t kMostWritten = 5'000;

bool holds_no_number(const Tree& tree) {  // .inf and .nan, which JSON has not
  if (tree.type() == Tree::Type::kFloat) return !std::isfinite(tree.as_float());
  if (tree.is_list()) {
    for (const Tree& item : tree.items()) {
      if (holds_no_number(item)) return true;
    }
  }
  if (tree.is_map()) {
    for (const Tree::Member& member : tree.members()) {
      if (holds_no_number(member.value)) return true;
    }
  }
  return false;
}

void require_read_again(const Tree& tree, const std::string& text, const char* file) {
  std::vector<Problem> problems;
  const std::vector<Document> again = parse(text, file, &problems);
  require(problems.empty(), "what was written can be read", text);
  if (tree.is_null()) return;  // a document of nothing, which is left out
  require(again.size() == 1 && same(again[0].tree, tree), "what was written is read as it was", text);
}

void run(std::string_view text) {
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(text, "fuzz.yaml", &problems);
  require_parsed(text, documents, problems);
  for (const Document& document : documents) {
    if (size_of(document.tree) > kMostWritten || holds_no_number(document.tree)) continue;
    require_read_again(document.tree, to_yaml(document.tree), "again.yaml");
    require_read_again(document.tree, to_json(document.tree), "again.json");
  }
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
