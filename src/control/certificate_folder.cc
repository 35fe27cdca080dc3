#include "control/certificate_folder.h"

#include <optional>
#include <utility>

namespace sluice::control {

CertificateFolder::CertificateFolder(std::string folder, Told told, std::chrono::milliseconds interval)
    : folder_(std::move(folder)),
      told_(std::move(told)),
      interval_(interval),
      thread_([this](const std::stop_token& stop) { look(stop); }) {}

void CertificateFolder::look(const std::stop_token& stop) {
  std::optional<std::expected<pki::Credentials, std::string>> last;
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    auto now = pki::read_folder(folder_);
    if (last != now) told_(*(last = std::move(now)));
    never_.wait_for(lock, stop, interval_, [] { return false; });
  }
}

}  // namespace sluice::control
