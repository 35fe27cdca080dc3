// A folder with a certificate, its key and the authorities (pki::read_folder), looked at while it changes: by
// `sluice certgen --out`, by a kubelet that mounts a Secret, or by hand.
//
// It looks each few seconds rather than being told, for what is mounted changes in ways that differ. The three
// files may be read while they change; then they do not go together, and the next look finds them whole.
//
// Threads: a thread of its own tells what it finds. Destroying it waits for that to return.
#pragma once

#include <chrono>
#include <condition_variable>
#include <expected>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "pki/pki.h"

namespace sluice::control {

class CertificateFolder {
 public:
  // What is there, or a sentence; at first, and each time that it changes.
  using Told = std::function<void(std::expected<pki::Credentials, std::string>)>;

  CertificateFolder(std::string folder, Told told,
                    std::chrono::milliseconds interval = std::chrono::seconds(5));

 private:
  void look(const std::stop_token& stop);

  const std::string folder_;
  const Told told_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable_any never_;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace sluice::control
