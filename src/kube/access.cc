#include "kube/access.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "base/base64.h"
#include "base/closest.h"
#include "base/file.h"
#include "base/quote.h"
#include "base/socket_address.h"
#include "tree/parse.h"

namespace sluice::kube {
namespace {

constexpr std::string_view kCode = "value/kubeconfig";

struct Url {
  bool tls = true;
  std::string user;  // "name:password", as it stands there
  std::string host;
  std::uint16_t port = 0;
  std::string path;
};

std::optional<Url> parse_url(std::string_view text) {
  Url url;
  const std::size_t scheme = text.find("://");
  if (scheme == text.npos) return std::nullopt;
  const std::string_view name = text.substr(0, scheme);
  if (name != "https" && name != "http") return std::nullopt;
  url.tls = name == "https";
  text.remove_prefix(scheme + 3);
  if (text.find_first_of("?# \t") != text.npos) return std::nullopt;
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view place = text.substr(0, slash);
  url.path = text.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  if (const std::size_t at = place.rfind('@'); at != place.npos) {
    url.user = place.substr(0, at);
    place.remove_prefix(at + 1);
  }
  std::string_view port;
  if (place.starts_with('[')) {
    const std::size_t end = place.find(']');
    if (end == place.npos) return std::nullopt;
    url.host = place.substr(1, end - 1);
    port = place.substr(end + 1);
  } else {
    const std::size_t colon = std::min(place.find(':'), place.size());
    url.host = place.substr(0, colon);
    port = place.substr(colon);
  }
  if (url.host.empty()) return std::nullopt;
  url.port = url.tls ? 443 : 80;
  if (!port.empty()) {
    if (port[0] != ':') return std::nullopt;
    port.remove_prefix(1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc() || end != port.data() + port.size() || url.port == 0) return std::nullopt;
  }
  return url;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    unsigned char byte = 0;
    if (i + 2 >= text.size()) return std::nullopt;
    const auto [end, error] = std::from_chars(&text[i + 1], &text[i + 1] + 2, byte, 16);
    if (error != std::errc() || end != &text[i + 1] + 2) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

// A map of a kubeconfig, with where it stands.
struct Section {
  std::string file;
  std::string path;
  Tree tree;
};

class Reader {
 public:
  std::expected<Access, std::vector<Problem>> read(const std::vector<std::string>& files,
                                                   std::string_view context) {
    load(files);
    if (problems_.empty()) choose(context);
    if (!problems_.empty()) return std::unexpected(std::move(problems_));
    return std::move(access_);
  }

 private:
  void report(const Section& at, std::string_view field, const Tree* node, std::string message,
              std::string suggestion = {}) {
    const Tree& place = node == nullptr ? at.tree : *node;
    Problem problem{.code = std::string(kCode),
                    .where = {at.file, place.line(), place.column()},
                    .path = at.path,
                    .message = std::move(message),
                    .suggestion = std::move(suggestion)};
    if (!field.empty()) {
      if (!problem.path.empty()) problem.path += '.';
      problem.path += field;
    }
    problems_.push_back(std::move(problem));
  }

  void load(const std::vector<std::string>& files) {
    std::string missing;
    for (const std::string& file : files) {
      const std::optional<std::string> text = read_file(file);
      if (!text) {
        missing = file;
        continue;
      }
      const std::vector<Document> documents = parse(*text, file, &problems_);
      if (documents.empty()) continue;
      Section section{.file = file, .path = "", .tree = documents[0].tree};
      if (!section.tree.is_map()) {
        report(section, "", nullptr, "a kubeconfig is a map", "it begins with `kind: Config`");
        continue;
      }
      files_.push_back(std::move(section));
    }
    if (!files_.empty() || !problems_.empty()) return;
    problems_.push_back({.code = std::string(kCode),
                         .where = {.file = missing},
                         .message = missing.empty() ? "there is no kubeconfig"
                                                    : "there is no such kubeconfig, or it is empty",
                         .suggestion = "name the file with --kubeconfig or in $KUBECONFIG"});
  }

  // The string of a field; empty if it is not there.
  std::string text(const Section& at, std::string_view field) {
    const Tree* const node = at.tree.find(field);
    if (node == nullptr || node->is_null()) return {};
    if (node->is_string()) return node->as_string();
    report(at, field, node, fmt::format("`{}` has to be a string", field));
    return {};
  }

  bool flag(const Section& at, std::string_view field) {
    const Tree* const node = at.tree.find(field);
    if (node == nullptr || node->is_null()) return false;
    if (node->type() == Tree::Type::kBool) return node->as_bool();
    report(at, field, node, fmt::format("`{}` has to be true or false", field));
    return false;
  }

  Section inner(const Section& at, std::string_view field) {
    const Tree* const node = at.tree.find(field);
    Section section{.file = at.file, .path = at.path, .tree = Tree()};
    if (!section.path.empty()) section.path += '.';
    section.path += field;
    if (node != nullptr) section.tree = *node;
    return section;
  }

  // The part `field` of the item of `list` with this name, in the first file that has it.
  std::optional<Section> find_named(std::string_view list, std::string_view field, std::string_view name,
                                    const Section& from, std::string_view from_field) {
    std::vector<std::string_view> names;
    for (const Section& file : files_) {
      const Tree* const items = file.tree.find(list);
      if (items == nullptr || !items->is_list()) continue;
      for (std::size_t i = 0; i < items->items().size(); ++i) {
        const Tree& item = items->items()[i];
        const Tree* const its_name = item.find("name");
        if (its_name == nullptr || !its_name->is_string()) continue;
        names.push_back(its_name->as_string());
        if (its_name->as_string() != name) continue;
        const Tree* const part = item.find(field);
        Section section{.file = file.file,
                        .path = fmt::format("{}[{}].{}", list, i, field),
                        .tree = part == nullptr ? Tree() : *part};
        if (part != nullptr && part->is_map()) return section;
        if (part == nullptr && field == "user") return section;  // one without credentials
        report(section, "", part == nullptr ? &item : part, fmt::format("`{}` has to be a map", field));
        return std::nullopt;
      }
    }
    report(from, from_field, from.tree.find(from_field),
           fmt::format("there is nothing named {} among `{}`", quote(name), list),
           did_you_mean(closest(name, names)));
    return std::nullopt;
  }

  // From `<field>-data`, in base64, or from the file `<field>`. As in client-go the data count.
  Text material(const Section& at, std::string_view field) {
    const std::string data_field = fmt::format("{}-data", field);
    std::string data = text(at, data_field);
    if (!data.empty()) {
      std::erase_if(data, [](char c) { return c == '\n' || c == '\r' || c == ' '; });
      if (std::optional<std::string> decoded = decode_base64(data)) return {.value = *std::move(decoded)};
      report(at, data_field, at.tree.find(data_field), fmt::format("`{}` is no base64", data_field));
      return {};
    }
    return file_of(at, field);
  }

  Text file_of(const Section& at, std::string_view field) {
    const std::string file = text(at, field);
    if (file.empty()) return {};
    return {.file = (std::filesystem::path(at.file).parent_path() / file).string()};
  }

  void choose(std::string_view context) {
    Section named = files_[0];
    std::string name(context);
    for (const Section& file : files_) {
      if (!name.empty()) break;
      name = text(file, "current-context");
      named = file;
    }
    if (name.empty()) {
      report(files_[0], "current-context", nullptr, "no context is chosen",
             "set `current-context`, or name one with --context");
      return;
    }
    const auto chosen = find_named("contexts", "context", name, named, "current-context");
    if (!chosen) return;
    const std::string cluster = text(*chosen, "cluster");
    const std::string user = text(*chosen, "user");
    if (const std::string given = text(*chosen, "namespace"); !given.empty()) access_.name_space = given;
    if (cluster.empty()) {
      report(*chosen, "cluster", nullptr, "the context names no cluster");
      return;
    }
    if (const auto section = find_named("clusters", "cluster", cluster, *chosen, "cluster"))
      read_cluster(*section);
    if (user.empty()) return;  // nobody in particular: a server may let in everybody
    if (const auto section = find_named("users", "user", user, *chosen, "user")) read_user(*section);
  }

  void read_cluster(const Section& at) {
    const std::string server = text(at, "server");
    if (server.empty()) {
      report(at, "server", at.tree.find("server"), "the cluster has no server",
             "`server` is a URL, as https://10.0.0.1:6443");
      return;
    }
    const std::optional<Url> url = parse_url(server);
    if (!url || !url->user.empty()) {
      report(at, "server", at.tree.find("server"),
             "this is no URL of http or https that an API server could have");
      return;
    }
    access_.tls = url->tls;
    access_.host = url->host;
    access_.port = url->port;
    access_.path = url->path;
    access_.server_name = text(at, "tls-server-name");
    if (access_.server_name.empty()) access_.server_name = url->host;
    access_.authorities = material(at, "certificate-authority");
    access_.insecure = flag(at, "insecure-skip-tls-verify");
    if (access_.insecure && !access_.authorities.empty()) {
      report(at, "insecure-skip-tls-verify", at.tree.find("insecure-skip-tls-verify"),
             "a certificate authority is given, and none is to be looked at", "leave out one of them");
    }
    const std::string proxy = text(at, "proxy-url");
    if (!proxy.empty()) read_proxy(at, proxy);
  }

  void read_proxy(const Section& at, const std::string& proxy) {
    const std::optional<Url> url = parse_url(proxy);
    const Tree* const node = at.tree.find("proxy-url");
    if (!url || url->tls) {
      return report(at, "proxy-url", node, "only proxies of http can be asked to connect",
                    "a URL as http://proxy.example.com:3128");
    }
    if (!access_.tls)
      return report(at, "proxy-url", node, "a server without TLS is not reached through a proxy");
    access_.proxy = Proxy{.host = url->host, .port = url->port, .authorization = {}};
    if (url->user.empty()) return;
    const std::optional<std::string> user = percent_decoded(url->user);
    if (!user) return report(at, "proxy-url", node, "the user in this URL is not written as in URLs");
    access_.proxy->authorization = "Basic " + encode_base64(*user);
  }

  void read_user(const Section& at) {
    for (const std::string_view field : {"auth-provider", "username", "password"}) {
      const Tree* const node = at.tree.find(field);
      if (node == nullptr || node->is_null()) continue;
      report(at, field, node,
             fmt::format("`{}` is not supported: API servers and client libraries have dropped it", field),
             "use a token, a client certificate or `exec`");
    }
    access_.token = file_of(at, "tokenFile");
    if (access_.token.empty()) access_.token.value = text(at, "token");
    access_.certificate = material(at, "client-certificate");
    access_.key = material(at, "client-key");
    if (access_.certificate.empty() != access_.key.empty()) {
      report(at, access_.key.empty() ? "client-certificate" : "client-key", nullptr,
             "a client certificate and its key go together, and one of them is missing");
    }
    if (const std::string as = text(at, "as"); !as.empty())
      access_.headers.emplace_back("Impersonate-User", as);
    if (const std::string uid = text(at, "as-uid"); !uid.empty()) {
      access_.headers.emplace_back("Impersonate-Uid", uid);
    }
    if (const Tree* const groups = at.tree.find("as-groups"); groups != nullptr && groups->is_list()) {
      for (const Tree& group : groups->items()) {
        if (group.is_string()) access_.headers.emplace_back("Impersonate-Group", group.as_string());
      }
    }
    for (const auto& [name, value] : access_.headers) {
      if (std::ranges::any_of(value, [](unsigned char c) { return c < ' ' || c == 0x7f; })) {
        report(at, "as", at.tree.find("as"), "who is impersonated cannot be written in a header");
      }
    }
    if (const Tree* const extra = at.tree.find("as-user-extra"); extra != nullptr && !extra->is_null()) {
      report(at, "as-user-extra", extra, "`as-user-extra` is not supported");
    }
    const Section exec = inner(at, "exec");
    if (exec.tree.is_map()) read_exec(exec);
  }

  void read_exec(const Section& at) {
    ExecPlugin plugin{.api_version = text(at, "apiVersion"),
                      .command = text(at, "command"),
                      .arguments = {},
                      .environment = {},
                      .install_hint = text(at, "installHint"),
                      .wants_cluster = flag(at, "provideClusterInfo")};
    if (plugin.api_version != "client.authentication.k8s.io/v1" &&
        plugin.api_version != "client.authentication.k8s.io/v1beta1") {
      report(at, "apiVersion", at.tree.find("apiVersion"), "plug-ins of this version are not supported",
             "client.authentication.k8s.io/v1 and v1beta1 are: update the plug-in and the kubeconfig");
    }
    if (plugin.command.empty()) {
      report(at, "command", nullptr, "the plug-in has no command");
      return;
    }
    // A name with a slash in it is relative to the kubeconfig, as in client-go.
    if (plugin.command.contains('/')) {
      plugin.command = (std::filesystem::path(at.file).parent_path() / plugin.command).string();
    }
    if (text(at, "interactiveMode") == "Always") {
      report(at, "interactiveMode", at.tree.find("interactiveMode"),
             "the plug-in wants to ask somebody, and nobody is there to answer");
    }
    if (const Tree* const arguments = at.tree.find("args"); arguments != nullptr && arguments->is_list()) {
      for (const Tree& each : arguments->items()) {
        if (each.is_string()) {
          plugin.arguments.push_back(each.as_string());
        } else {
          report(at, "args", &each, "arguments are strings", "put it into quotes");
        }
      }
    }
    if (const Tree* const env = at.tree.find("env"); env != nullptr && env->is_list()) {
      for (const Tree& each : env->items()) {
        const Tree* const name = each.find("name");
        const Tree* const value = each.find("value");
        if (name != nullptr && value != nullptr && name->is_string() && value->is_string()) {
          plugin.environment.emplace_back(name->as_string(), value->as_string());
        } else {
          report(at, "env", &each, "each item of `env` has `name` and `value`, both strings");
        }
      }
    }
    access_.exec = std::move(plugin);
  }

  std::vector<Section> files_;
  std::vector<Problem> problems_;
  Access access_;
};

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string trimmed(std::string text) {
  const auto blank = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!text.empty() && blank(text.back())) text.pop_back();
  return text;
}

}  // namespace

std::expected<std::string, std::string> Text::read() const {
  if (file.empty()) return value;
  if (std::optional<std::string> text = read_file(file)) return *std::move(text);
  return std::unexpected(fmt::format("cannot read {}", quote(file)));
}

std::string Access::url() const {
  return fmt::format("{}://{}{}", tls ? "https" : "http", host_and_port(host, port), path);
}

std::vector<std::string> default_kubeconfigs() {
  std::vector<std::string> files;
  const std::string listed = environment("KUBECONFIG");
  for (std::string_view rest = listed; !rest.empty();) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) files.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  const std::string home = environment("HOME");
  if (files.empty() && !home.empty()) files.push_back(home + "/.kube/config");
  return files;
}

std::expected<Access, std::vector<Problem>> read_kubeconfig(const std::vector<std::string>& files,
                                                            std::string_view context) {
  return Reader().read(files, context);
}

ServiceAccount ServiceAccount::of_this_pod() {
  return {.host = environment("KUBERNETES_SERVICE_HOST"),
          .port = environment("KUBERNETES_SERVICE_PORT"),
          .folder = "/var/run/secrets/kubernetes.io/serviceaccount"};
}

std::expected<Access, Problem> in_cluster(const ServiceAccount& account) {
  const auto fault = [](std::string message, std::string suggestion = {}) {
    return std::unexpected(Problem{
        .code = "value/service-account", .message = std::move(message), .suggestion = std::move(suggestion)});
  };
  if (account.host.empty() || account.port.empty()) {
    return fault("this is no pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set",
                 "name a kubeconfig with --kubeconfig");
  }
  Access access{.host = account.host,
                .server_name = account.host,
                .authorities = {.file = account.folder + "/ca.crt"},
                .token = {.file = account.folder + "/token"}};
  const char* const end = account.port.data() + account.port.size();
  const auto parsed = std::from_chars(account.port.data(), end, access.port);
  if (parsed.ec != std::errc() || parsed.ptr != end || access.port == 0) {
    return fault(fmt::format("KUBERNETES_SERVICE_PORT is {}, which is no port", quote(account.port)));
  }
  for (const Text* each : {&access.token, &access.authorities}) {
    if (const auto text = each->read(); !text) {
      return fault(text.error(), "mount the service account's token: automountServiceAccountToken: true");
    }
  }
  if (const auto name = read_file(account.folder + "/namespace")) access.name_space = trimmed(*name);
  return access;
}

}  // namespace sluice::kube
