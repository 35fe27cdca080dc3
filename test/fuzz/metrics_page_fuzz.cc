// Any bytes as a model server's metrics page: how they are cut does not matter, and what is read is in range.
//
// The first byte says where the page is cut.
#include <algorithm>
#include <cstdint>
#include <string>

#include "fuzz.h"
#include "picker/metrics_page.h"

namespace sluice::fuzz {
namespace {

const picker::SeriesTable& table() {
  static const picker::SeriesTable kTable(picker::default_series());
  return kTable;
}

void run(std::string_view text) {
  if (text.empty()) return;
  const std::size_t chunk = 1 + static_cast<unsigned char>(text.front()) % 64;
  text.remove_prefix(1);
  picker::MetricsReader reader(table());
  reader.feed(text);
  const picker::Load whole = reader.finish({});
  for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(std::min(chunk, rest.size()))) {
    const std::string piece(rest.substr(0, chunk));
    reader.feed(piece);
  }
  require(reader.finish({}) == whole, "cuts do not matter, nor the page before");
  require(whole.kv_usage >= 0 && whole.kv_usage <= 1, "usage is a share");
  for (const auto* names : {&whole.running_adapters, &whole.waiting_adapters}) {
    for (const std::string& name : *names) require(!name.empty(), "adapters have names");
  }
  if (const auto series = picker::parse_series(text)) {
    require(!series->family.empty(), "a series has a family");
  } else {
    require(!series.error().message.empty(), "what is no series has a reason");
  }
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
