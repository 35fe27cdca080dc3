// How to reach an API server, and as whom: from a kubeconfig, as kubectl has it, or from a pod's service
// account.
//
// What files hold may change while we run: tokens expire within the hour and certificates rotate. So an
// Access names the files, and whoever connects reads them then; it keeps what it was given as a text.
//
// A kubeconfig that is no good gives Problems with file, line, column and field. What it asks for and we do
// not do (another proxy than one of HTTP, user names with passwords, auth-provider) is a Problem too, never
// left out silently. None of them quotes a secret.
//
// Threads: plain values and functions that read files; any thread.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/problem.h"

namespace sluice::kube {

// A text as it is, or in a file that is read whenever it is asked for.
struct Text {
  std::string value;
  std::string file;  // counts where it is not empty

  bool empty() const { return value.empty() && file.empty(); }
  // The error is a sentence: "cannot read `/a/b`".
  std::expected<std::string, std::string> read() const;

  bool operator==(const Text&) const = default;
};

// A program that says who we are: kind ExecCredential of client.authentication.k8s.io.
struct ExecPlugin {
  std::string api_version;  // "client.authentication.k8s.io/v1", or v1beta1
  std::string command;      // an absolute path, or a name to be found in $PATH
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // besides ours
  std::string install_hint;                                      // shown where it is not found
  bool wants_cluster = false;                                    // it is told of the server

  bool operator==(const ExecPlugin&) const = default;
};

// A proxy of HTTP that is asked to CONNECT.
struct Proxy {
  std::string host;
  std::uint16_t port = 0;
  std::string authorization;  // value of Proxy-Authorization, or empty

  bool operator==(const Proxy&) const = default;
};

struct Access {
  // The server.
  bool tls = true;
  std::string host;  // a name, or an address without brackets
  std::uint16_t port = 443;
  std::string path;         // before all targets, without a slash at its end; mostly empty
  std::string server_name;  // that its certificate is to be for
  Text authorities;         // PEM; empty: those of the system
  bool insecure = false;    // its certificate is not looked at
  std::optional<Proxy> proxy;

  // Who we are. Of several, the plug-in's answer counts, then the token.
  Text token;
  Text certificate;  // PEM, with its chain; with a key
  Text key;
  std::optional<ExecPlugin> exec;
  std::vector<std::pair<std::string, std::string>> headers;  // of impersonation

  std::string name_space = "default";  // where we are, or the context's

  // "https://10.96.0.1:443", for people.
  std::string url() const;
};

// $KUBECONFIG as kubectl reads it, a list with colons; or ~/.kube/config. May be empty.
std::vector<std::string> default_kubeconfigs();

// The context, or where it is empty the current one. Of several files that define a name, the first counts,
// and files that are not there are left out as long as one is: that is how kubectl merges. Paths in a file
// are relative to it.
std::expected<Access, std::vector<Problem>> read_kubeconfig(const std::vector<std::string>& files,
                                                            std::string_view context = {});

// Where a pod finds its service account.
struct ServiceAccount {
  std::string host;    // $KUBERNETES_SERVICE_HOST
  std::string port;    // $KUBERNETES_SERVICE_PORT
  std::string folder;  // with the files token, ca.crt and namespace

  static ServiceAccount of_this_pod();
};
std::expected<Access, Problem> in_cluster(const ServiceAccount& account = ServiceAccount::of_this_pod());

}  // namespace sluice::kube
