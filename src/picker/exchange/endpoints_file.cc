#include "picker/exchange/endpoints_file.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "picker/exchange/endpoints.h"

namespace sluice::picker {

std::expected<std::vector<Endpoint>, Problem> EndpointsFile::read() {
  const std::string& path = watch_.path();
  if (path.empty()) return given_;
  watch_.mark();
  const std::optional<std::string> text = read_file(path);
  if (!text) {
    return std::unexpected(Problem{.code = "value/endpoint",
                                   .where = {.file = path},
                                   .message = "the file of endpoints cannot be read"});
  }
  auto endpoints = parse_endpoints(*text, path);
  if (!endpoints) return endpoints;
  for (const Endpoint& endpoint : given_) {
    const auto same = [&](const Endpoint& other) { return other.address == endpoint.address; };
    if (std::ranges::none_of(*endpoints, same)) endpoints->push_back(endpoint);
  }
  return endpoints;
}

void EndpointsFile::watch(Loop& loop, std::function<void(std::vector<Endpoint>)> changed,
                          std::function<void(const Problem&)> failed) {
  if (watch_.path().empty()) return;
  changed_ = std::move(changed);
  failed_ = std::move(failed);
  watch_.start(loop, kInterval, [this] { look(); });
}

void EndpointsFile::look() {
  auto endpoints = read();
  if (endpoints) {
    changed_(*std::move(endpoints));
  } else {
    failed_(endpoints.error());
  }
}

}  // namespace sluice::picker
