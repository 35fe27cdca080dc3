#include <vector>

#include "picker/config/config.h"
#include "tree/parse.h"

namespace sluice::picker {

std::optional<Config> read_config(std::string_view text, std::string_view file,
                                  std::vector<Problem>* problems) {
  const std::size_t first = problems->size();
  const std::vector<Document> documents = parse(text, file, problems);
  if (problems->size() > first) return std::nullopt;
  if (documents.size() != 1) {
    Problem& problem = problems->emplace_back();
    problem.code = "schema/required";
    problem.where.file = file;
    problem.message = documents.empty() ? "there is no EndpointPickerConfig in this file"
                                        : "more than one document in this file";
    return std::nullopt;
  }
  return read_config(documents.front().tree, file, problems);
}

}  // namespace sluice::picker
