#include "kube/credential.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/descriptor.h"
#include "base/error_text.h"
#include "base/json_text.h"
#include "base/quote.h"
#include "base/spawn.h"

namespace sluice::kube {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

// How long a plug-in's ends are waited for before we look whether we are to stop.
constexpr std::chrono::milliseconds kLook{50};
// And its own end, after that of its output.
constexpr std::chrono::milliseconds kSoon{2};
// Of its standard error, for people.
constexpr std::size_t kMaxSaid = 4096;

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == text.npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kBlank) - begin + 1));
}

bool fits_header(std::string_view token) {
  for (const char c : token) {
    if (c <= ' ' || c == 0x7f) return false;
  }
  return true;
}

std::expected<std::string, std::string> read_token(const Text& text) {
  std::expected<std::string, std::string> token = text.read();
  if (!token) return token;
  *token = trimmed(*token);
  if (!fits_header(*token)) return std::unexpected("the token has characters that no token has");
  return token;
}

std::optional<std::chrono::system_clock::time_point> parse_time(const std::string& text) {
  std::tm time{};
  int used = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &time.tm_year, &time.tm_mon, &time.tm_mday,
                  &time.tm_hour, &time.tm_min, &time.tm_sec, &used) != 6) {
    return std::nullopt;
  }
  std::string_view rest = std::string_view(text).substr(static_cast<std::size_t>(used));
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789"), rest.size()));
  }
  int minutes = 0;
  if (rest != "Z" && rest != "z") {
    int hour = 0;
    int minute = 0;
    const std::string offset(rest);
    if (offset.size() != 6 || (offset[0] != '+' && offset[0] != '-') ||
        std::sscanf(offset.c_str() + 1, "%2d:%2d", &hour, &minute) != 2) {
      return std::nullopt;
    }
    minutes = (offset[0] == '+' ? 1 : -1) * (60 * hour + minute);
  }
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  return std::chrono::system_clock::from_time_t(::timegm(&time)) - std::chrono::minutes(minutes);
}

// Reads what is there; false at the end. What is beyond `most` is read away.
bool drain(int descriptor, std::string& into, std::size_t most) {
  std::array<char, 4096> buffer;
  const ssize_t size = ::read(descriptor, buffer.data(), buffer.size());
  if (size <= 0) return size < 0 && errno == EINTR;
  into.append(buffer.data(), std::min(static_cast<std::size_t>(size), most - std::min(most, into.size())));
  return true;
}

struct Finished {
  std::string output;
  std::string said;  // on standard error
  int status = 0;    // as waitpid() has it
};

std::vector<std::string> environment_for(const Access& access) {
  std::vector<std::string> environment;
  const auto overrides = [&access](std::string_view entry) {
    const std::string_view name = entry.substr(0, entry.find('='));
    for (const auto& [each, value] : access.exec->environment) {
      if (each == name) return true;
    }
    return name == "KUBERNETES_EXEC_INFO";
  };
  for (char** each = environ; *each != nullptr; ++each) {
    if (!overrides(*each)) environment.emplace_back(*each);
  }
  for (const auto& [name, value] : access.exec->environment) {
    environment.push_back(fmt::format("{}={}", name, value));
  }
  environment.push_back("KUBERNETES_EXEC_INFO=" + plugin_input(access));
  return environment;
}

std::expected<Finished, std::string> run(const Access& access, std::chrono::milliseconds limit,
                                         const std::stop_token& stop) {
  const ExecPlugin& plugin = *access.exec;
  std::vector<std::string> arguments{plugin.command};
  arguments.insert(arguments.end(), plugin.arguments.begin(), plugin.arguments.end());
  std::vector<std::string> environment = environment_for(access);

  std::optional<Pipe> out = make_pipe();
  std::optional<Pipe> err = make_pipe();
  if (!out || !err) return std::unexpected(error_text("pipe", errno));
  SpawnSettings spawn(POSIX_SPAWN_SETPGROUP);
  ::posix_spawn_file_actions_addopen(spawn.actions(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(spawn.actions(), out->write.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(spawn.actions(), err->write.get(), STDERR_FILENO);
  ::posix_spawn_file_actions_addclosefrom_np(spawn.actions(), STDERR_FILENO + 1);
  ::posix_spawnattr_setpgroup(spawn.attributes(), 0);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, arguments[0].c_str(), spawn.actions(), spawn.attributes(),
                                   pointers_to(arguments).data(), pointers_to(environment).data());
  if (error != 0) {
    std::string message = error_text(quote(plugin.command), error);
    if (error == ENOENT && !plugin.install_hint.empty()) message += ": " + quote(plugin.install_hint);
    return std::unexpected(std::move(message));
  }
  out->write.reset();
  err->write.reset();

  Finished finished;
  const Clock::time_point end = Clock::now() + limit;
  bool exited = false;
  bool in_time = true;
  while (!exited) {
    in_time = Clock::now() < end && !stop.stop_requested();
    if (!in_time) break;
    std::array<pollfd, 2> both{pollfd{out->read.get(), POLLIN, 0}, pollfd{err->read.get(), POLLIN, 0}};
    const bool closed = !out->read && !err->read;
    ::poll(both.data(), both.size(), static_cast<int>((closed ? kSoon : kLook).count()));
    if (both[0].revents != 0 && !drain(out->read.get(), finished.output, kMaxPluginOutput + 1)) {
      out->read.reset();
    }
    if (both[1].revents != 0 && !drain(err->read.get(), finished.said, kMaxSaid)) err->read.reset();
    // It may leave a child behind that has its output still, so the end of that is not waited for.
    const bool silent = both[0].revents == 0 && both[1].revents == 0;
    if (silent) exited = ::waitpid(pid, &finished.status, WNOHANG) == pid;
  }
  // All of the group: whoever it has started is not to outlive it.
  ::kill(-pid, SIGKILL);
  if (!exited) ::waitpid(pid, &finished.status, 0);
  if (!in_time) {
    return std::unexpected(stop.stop_requested()
                               ? fmt::format("{} was stopped", quote(plugin.command))
                               : fmt::format("{} has not ended within {} s", quote(plugin.command),
                                             std::chrono::duration<double>(limit).count()));
  }
  return finished;
}

}  // namespace

std::expected<Credential, std::string> read_credential(const Access& access) {
  Credential credential;
  auto token = read_token(access.token);
  if (!token) return std::unexpected(std::move(token.error()));
  auto certificate = access.certificate.read();
  if (!certificate) return std::unexpected(std::move(certificate.error()));
  auto key = access.key.read();
  if (!key) return std::unexpected(std::move(key.error()));
  credential.token = *std::move(token);
  credential.certificate = *std::move(certificate);
  credential.key = *std::move(key);
  return credential;
}

std::expected<Credential, std::string> parse_plugin_output(std::string_view output,
                                                           std::string_view api_version) {
  if (output.size() > kMaxPluginOutput) {
    return std::unexpected(fmt::format("it has printed more than {} bytes", kMaxPluginOutput));
  }
  const Json document = Json::parse(output, nullptr, false);
  if (!document.is_object()) return std::unexpected("what it has printed is no JSON object");
  if (string_at(document, "kind") != "ExecCredential") {
    return std::unexpected("what it has printed is not of kind ExecCredential");
  }
  if (string_at(document, "apiVersion") != api_version) {
    return std::unexpected(fmt::format("what it has printed is of another apiVersion than {}", api_version));
  }
  const auto status = document.find("status");
  if (status == document.end() || !status->is_object()) {
    return std::unexpected("what it has printed has no status");
  }
  Credential credential{.token = trimmed(string_at(*status, "token")),
                        .certificate = string_at(*status, "clientCertificateData"),
                        .key = string_at(*status, "clientKeyData")};
  if (credential.certificate.empty() != credential.key.empty()) {
    return std::unexpected("it has given only one of a certificate and its key");
  }
  if (credential.token.empty() && credential.certificate.empty()) {
    return std::unexpected("it has given neither a token nor a certificate");
  }
  if (!fits_header(credential.token)) {
    return std::unexpected("it has given a token with characters that no token has");
  }
  if (const std::string expires = string_at(*status, "expirationTimestamp"); !expires.empty()) {
    credential.expires = parse_time(expires);
    if (!credential.expires) return std::unexpected("its expirationTimestamp is no time");
  }
  return credential;
}

std::string plugin_input(const Access& access) {
  Json spec{{"interactive", false}};
  if (access.exec->wants_cluster) {
    Json cluster{{"server", access.url()}};
    if (access.server_name != access.host) cluster["tls-server-name"] = access.server_name;
    if (access.insecure) cluster["insecure-skip-tls-verify"] = true;
    if (const auto authorities = access.authorities.read(); authorities && !authorities->empty()) {
      cluster["certificate-authority-data"] = encode_base64(*authorities);
    }
    spec["cluster"] = std::move(cluster);
  }
  return Json{{"kind", "ExecCredential"}, {"apiVersion", access.exec->api_version}, {"spec", std::move(spec)}}
      .dump();
}

std::expected<Credential, std::string> run_plugin(const Access& access, std::chrono::milliseconds limit,
                                                  const std::stop_token& stop) {
  auto finished = run(access, limit, stop);
  if (!finished) return std::unexpected(std::move(finished.error()));
  const std::string name = quote(access.exec->command);
  if (!WIFEXITED(finished->status) || WEXITSTATUS(finished->status) != 0) {
    std::string message =
        WIFEXITED(finished->status)
            ? fmt::format("{} has ended with status {}", name, WEXITSTATUS(finished->status))
            : fmt::format("{} was ended by signal {}", name, WTERMSIG(finished->status));
    if (const std::string said = trimmed(finished->said); !said.empty()) message += ": " + quote(said);
    return std::unexpected(std::move(message));
  }
  auto given = parse_plugin_output(finished->output, access.exec->api_version);
  if (!given) return std::unexpected(fmt::format("{}: {}", name, given.error()));
  auto rest = read_credential(access);
  if (!rest) return rest;
  if (given->token.empty()) given->token = std::move(rest->token);
  if (given->certificate.empty()) {
    given->certificate = std::move(rest->certificate);
    given->key = std::move(rest->key);
  }
  return given;
}

const Credential* Keeper::current(Time now) const {
  if (!credential_) return nullptr;
  if (credential_->expires && now + kLeeway >= *credential_->expires && now - read_ >= kPluginAgain)
    return nullptr;
  if (!plugin_ && now - read_ >= kTokenAge) return nullptr;
  return &*credential_;
}

void Keeper::fetched(Credential credential, Time now) {
  credential_ = std::move(credential);
  read_ = now;
}

bool Keeper::refused(const Credential& used, Time now) {
  if (!credential_ || *credential_ != used) return true;  // somebody has read it again meanwhile
  if (plugin_ && now - read_ < kPluginAgain) return false;
  credential_.reset();
  return true;
}

}  // namespace sluice::kube
