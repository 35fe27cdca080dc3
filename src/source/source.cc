#include "source/source.h"

#include <algorithm>
#include <tuple>

namespace sluice::source {

void sort_by_place(std::vector<Problem>& problems) {
  std::ranges::sort(problems, [](const Problem& a, const Problem& b) {
    const bool a_nowhere = a.where.file.empty();
    const bool b_nowhere = b.where.file.empty();
    return std::tie(a_nowhere, a.where, a) < std::tie(b_nowhere, b.where, b);
  });
}

}  // namespace sluice::source
