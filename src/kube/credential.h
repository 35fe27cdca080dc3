// What proves who we are, read anew: tokens and certificates from their files, or from an exec plug-in.
//
// A plug-in may hang, print anything or be missing. It gets a time limit and is killed with all that it has
// started; of what it prints kMaxPluginOutput is read. Its standard input is /dev/null and it is told that it
// is not interactive: nobody could answer it. The cluster's data are in KUBERNETES_EXEC_INFO where it wants
// them.
//
// Keeping a credential is the business of `Keeper`, a machine without clock or I/O.
//
// Threads: pure functions; run_plugin() blocks and may run on any thread. A Keeper belongs to one.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "kube/access.h"

namespace sluice::kube {

// client-go reads at most the output's status; the largest certificates chains are some ten KB.
inline constexpr std::size_t kMaxPluginOutput = std::size_t{1} << 20;

struct Credential {
  std::string token;        // a bearer's; may be empty
  std::string certificate;  // PEM; may be empty
  std::string key;
  std::optional<std::chrono::system_clock::time_point> expires;

  bool operator==(const Credential&) const = default;
};

// Reads the files; a plug-in is left out. The error is a sentence.
std::expected<Credential, std::string> read_credential(const Access& access);

// What a plug-in has printed. The sentence of the error never shows any of it.
std::expected<Credential, std::string> parse_plugin_output(std::string_view output,
                                                           std::string_view api_version);

// The value of KUBERNETES_EXEC_INFO.
std::string plugin_input(const Access& access);

// Runs access.exec. What it does not give (a certificate, say) is as read_credential() has it.
std::expected<Credential, std::string> run_plugin(const Access& access, std::chrono::milliseconds limit,
                                                  const std::stop_token& stop);

// When a credential is read again: when it expires, after kTokenAge for what is in files, and when the server
// said 401 to it, once for all who were told so.
class Keeper {
 public:
  using Time = std::chrono::system_clock::time_point;
  // client-go's period for token files. The kubelet replaces them long before they expire.
  static constexpr std::chrono::seconds kTokenAge{60};
  // A plug-in that has just run is not run again, however often its token is refused.
  static constexpr std::chrono::seconds kPluginAgain{10};
  // So long before it expires it counts as expired: what is sent then may take a while to arrive.
  static constexpr std::chrono::seconds kLeeway{5};

  explicit Keeper(bool plugin) : plugin_(plugin) {}

  // The credential to use now, or null: read one, and tell of it by fetched().
  const Credential* current(Time now) const;
  void fetched(Credential credential, Time now);
  // The server said 401 to `used`. True where current() may be another than `used` afterwards: ask again.
  bool refused(const Credential& used, Time now);

 private:
  const bool plugin_;
  std::optional<Credential> credential_;
  Time read_;
};

}  // namespace sluice::kube
