// The endpoints of a pool, some given and some in a file that is read again when it changes.
//
// While the file is no good, what was there before stays.
//
// Threads: those of its loop; start() may be called before the loop runs.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/problem.h"
#include "picker/endpoint.h"
#include "picker/exchange/file_watch.h"

namespace sluice::picker {

class EndpointsFile {
 public:
  // How often it is looked at.
  static constexpr std::chrono::milliseconds kInterval{500};

  // An empty path is no file.
  EndpointsFile(std::vector<Endpoint> given, std::string path)
      : given_(std::move(given)), watch_(std::move(path)) {}
  EndpointsFile(const EndpointsFile&) = delete;
  EndpointsFile& operator=(const EndpointsFile&) = delete;

  // Those of the file, and those given that it does not have.
  std::expected<std::vector<Endpoint>, Problem> read();

  // Looks at the file from now on, as it was when read() was called: changes are told, or what is wrong with
  // them.
  void watch(Loop& loop, std::function<void(std::vector<Endpoint>)> changed,
             std::function<void(const Problem&)> failed);

 private:
  void look();

  const std::vector<Endpoint> given_;
  FileWatch watch_;
  std::function<void(std::vector<Endpoint>)> changed_;
  std::function<void(const Problem&)> failed_;
};

}  // namespace sluice::picker
