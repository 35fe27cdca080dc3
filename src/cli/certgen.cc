#include "cli/certgen.h"

#include <array>
#include <chrono>
#include <filesystem>
#include <future>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/quote.h"
#include "cli/commands.h"
#include "cli/report.h"
#include "control/certificate_secrets.h"
#include "kube/client.h"
#include "pki/pki.h"

namespace sluice::cli {
namespace {

using control::HeldCertificate;
using control::HeldCertificates;
using control::Renewal;

constexpr char kAuthorityFolder[] = "ca";

// What is in the folder, whatever it is worth; nothing where there is none.
std::optional<HeldCertificate> held_in(const std::string& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder, ignored)) return std::nullopt;
  return HeldCertificate{.credentials = pki::read_folder(folder).value_or(pki::Credentials())};
}

std::expected<Renewal, std::string> renew_folder(const CertgenOptions& options) {
  const auto in = [&](const std::string& name) { return options.folder + '/' + name; };
  const control::CertificateOptions& names = options.certificates;
  Renewal renewal = control::renew({.authority = held_in(in(kAuthorityFolder)),
                                    .server = held_in(in(names.server)),
                                    .client = held_in(in(names.client))},
                                   names,
                                   std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
  for (const auto& [name, credentials] : {std::pair(in(kAuthorityFolder), &renewal.authority),
                                          std::pair(in(names.server), &renewal.server),
                                          std::pair(in(names.client), &renewal.client)}) {
    if (!*credentials) continue;
    if (auto written = pki::write_folder(name, **credentials); !written) {
      return std::unexpected(std::move(written).error());
    }
  }
  return renewal;
}

std::expected<Renewal, std::string> renew_secrets(const CertgenOptions& options) {
  std::promise<std::expected<Renewal, std::string>> done;
  kube::Client client(options.access);
  control::renew_secrets(client, options.certificates,
                         [&done](auto renewal) { done.set_value(std::move(renewal)); });
  auto renewal = done.get_future().get();
  client.stop();
  return renewal;
}

}  // namespace

int certgen(const CertgenOptions& options, Console& console) {
  const auto renewal = options.folder.empty() ? renew_secrets(options) : renew_folder(options);
  if (!renewal) {
    console.err << paint("error:", kRed, console.err_color) << " " << renewal.error() << "\n";
    return kProblems;
  }
  for (const std::string& reason : renewal->reasons) console.out << "made: " << reason << "\n";
  if (!renewal->changes() && renewal->problems.empty()) {
    console.out << "nothing to do: all certificates last\n";
  }
  for (const Problem& problem : renewal->problems) {
    console.err << paint("error:", kRed, console.err_color) << " " << problem.object.to_string() << ": "
                << problem.message << "; " << problem.suggestion << "\n";
  }
  return renewal->problems.empty() ? kOk : kProblems;
}

}  // namespace sluice::cli
