// Where `sluice run` asks for the metrics of a pool inside Envoy: a Unix socket beside the file of the pool,
// one for each process of Envoy, "<file>.<pid>". It speaks as much HTTP as that takes: a GET, an answer, and
// the connection ends.
//
// Envoy's own admin interface has them only where the module is a bootstrap extension, which a running Envoy
// cannot be told of.
//
// Who may connect is who may enter the folder. Connections are few, small and short, whoever it is.
//
// Threads: the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "base/descriptor.h"
#include "base/loop.h"
#include "base/socket_file.h"

namespace sluice::picker {

class MetricsDoor {
 public:
  // Null, with what is wrong, where it cannot listen there. What is there already is replaced.
  static std::unique_ptr<MetricsDoor> open(Loop& loop, std::string path, std::function<std::string()> page,
                                           std::string* problem);
  MetricsDoor(const MetricsDoor&) = delete;
  MetricsDoor& operator=(const MetricsDoor&) = delete;
  ~MetricsDoor();

 private:
  struct Visitor;

  MetricsDoor(Loop& loop, std::function<std::string()> page);
  void accept();
  void proceed(Visitor& visitor);
  void end(Visitor& visitor);

  Loop& loop_;
  const std::function<std::string()> page_;
  Descriptor socket_;
  SocketFile file_;
  std::list<Visitor> visitors_;
  Loop::Watch watch_;
  Loop::Timer pause_;
};

}  // namespace sluice::picker
