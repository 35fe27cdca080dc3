#include "explain/describe.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include "base/letter_case.h"
#include "base/socket_address.h"
#include "explain/rewrite.h"

namespace sluice::explain {

std::string describe_listener(const translate::ListenerPlan& listener) {
  std::string text = fmt::format("listener {} of {}, port {} ({})", listener.name, listener.owner.to_string(),
                                 listener.port, listener.protocol);
  if (!listener.hostname.empty()) text += ", " + listener.hostname;
  return text;
}

std::string share(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return "0 %";
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  return fmt::format("{:.4g} %", percent);
}

std::string describe_protocol(const ir::Cluster& cluster) {
  std::string text = cluster.protocol == ir::UpstreamProtocol::kHttp2 ? "HTTP/2" : "HTTP/1.1";
  if (cluster.tls) text += " over TLS";
  return text;
}

std::string short_name(const std::string& extension) {
  static const re2::RE2 kPolicy(R"(/envoyextensionpolicy/([^/]+/[^/]+)/[a-z]+/)");
  std::string name = ir::short_names({{.name = extension}}).front();
  re2::RE2::Replace(&name, kPolicy, R"(/\1/)");
  return name;
}

std::vector<std::string> extension_names(const std::vector<ir::ExtensionUse>& uses) {
  std::vector<std::string> names;
  names.reserve(uses.size());
  for (const ir::ExtensionUse& use : uses) names.push_back(short_name(use.name));
  return names;
}

std::string describe_endpoint(const ir::Endpoint& endpoint) {
  if (!endpoint.unix_path.empty()) return endpoint.unix_path;
  return host_and_port(endpoint.address, endpoint.port);
}

std::string describe_duration(ir::Duration duration) {
  using namespace std::chrono;  // NOLINT(google-build-using-namespace)
  if (duration % hours(1) == ir::Duration::zero() && duration.count() != 0) {
    return fmt::format("{}h", duration / hours(1));
  }
  if (duration % minutes(1) == ir::Duration::zero() && duration.count() != 0) {
    return fmt::format("{}m", duration / minutes(1));
  }
  if (duration % seconds(1) == ir::Duration::zero()) return fmt::format("{}s", duration / seconds(1));
  return fmt::format("{}ms", duration.count());
}

std::string describe_auth(const ir::ExtAuthz& auth) {
  std::vector<std::string> parts{auth.http ? "by HTTP" : "by gRPC"};
  const auto names = [](const std::vector<std::string>& headers) {
    return fmt::format("{}", fmt::join(headers, " "));
  };
  if (auth.http && !auth.http->path.empty()) parts.push_back("path behind " + auth.http->path);
  if (!auth.request_headers.empty()) parts.push_back("shown " + names(auth.request_headers));
  if (auth.http && !auth.http->response_headers.empty()) {
    parts.push_back("taken " + names(auth.http->response_headers));
  }
  if (auth.max_body > 0) parts.push_back(fmt::format("bodies of up to {} bytes", auth.max_body));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void add_header_steps(std::string_view kind, const ir::HeaderChanges& changes, std::vector<Step>& steps) {
  const std::string_view whose = kind.starts_with("response") ? "answer" : "request";
  for (const ir::Header& h : changes.add) {
    steps.push_back({std::string(kind), fmt::format("{} header {} gets `{}` added", whose, h.name, h.value)});
  }
  for (const ir::Header& h : changes.set) {
    steps.push_back({std::string(kind), fmt::format("{} header {} becomes `{}`", whose, h.name, h.value)});
  }
  for (const std::string& name : changes.remove) {
    steps.push_back({std::string(kind), fmt::format("{} header {} is removed", whose, name)});
  }
}

std::vector<ir::ExtensionUse> add_own_steps(const std::vector<ir::ExtensionUse>& uses,
                                            std::vector<Step>& steps) {
  constexpr std::string_view kFilter = "/httproutefilter/";
  std::vector<ir::ExtensionUse> code;
  for (const ir::ExtensionUse& use : uses) {
    if (use.name.starts_with(ir::kEndpointPicker)) {
      std::string_view pool = std::string_view(use.name).substr(ir::kEndpointPicker.size() + 1);
      pool = pool.substr(0, pool.find('/', pool.find('/') + 1));  // what follows is the module's
      steps.push_back(
          {"picker",
           fmt::format("the endpoint picker of InferencePool {} says which of its endpoints gets it, "
                       "or refuses it",
                       pool)});
      continue;
    }
    if (!use.name.starts_with(ir::kCredentialInjector)) {
      code.push_back(use);
      continue;
    }
    const std::string_view filter =
        std::string_view(use.name).substr(ir::kCredentialInjector.size() + kFilter.size());
    steps.push_back(
        {"credential", fmt::format("HTTPRouteFilter {} puts its credential into the request", filter)});
  }
  return code;
}

void add_rewrite_steps(const ir::Rewrite& rewrite, const ir::PathMatch& match, const Arrival& arrival,
                       std::vector<Step>& steps) {
  const auto host = [&](const std::string& becomes, std::string_view from) {
    steps.push_back({"rewrite-host", fmt::format("the host becomes {}{}", becomes, from), becomes});
  };
  if (rewrite.host) {
    host(*rewrite.host, "");
  } else if (rewrite.host_header) {
    const auto header = arrival.headers.find(lower_case(*rewrite.host_header));
    if (header != arrival.headers.end())
      host(header->second.front(), ", from header " + *rewrite.host_header);
  } else if (rewrite.host_of_endpoint) {
    steps.push_back({"rewrite-host", "the host becomes that of the endpoint"});
  } else if (rewrite.host_from_path) {
    const ir::PathRewrite as_path{.full = {}, .prefix = {}, .regex = rewrite.host_from_path};
    Arrival bare = arrival;
    bare.query.clear();
    host(rewritten_path(as_path, match, bare), ", from the path");
  }
  if (rewrite.path) {
    const std::string path = rewritten_path(*rewrite.path, match, arrival);
    steps.push_back({"rewrite-path", "the path becomes " + path, path});
  }
}

void add_limit_steps(const ir::Forward& forward, std::vector<Step>& steps) {
  if (forward.timeout) {
    steps.push_back({"timeout", forward.timeout->count() == 0
                                    ? std::string("the answer may take any time")
                                    : fmt::format("the answer has to be complete within {}",
                                                  describe_duration(*forward.timeout))});
  }
  if (!forward.retry) return;
  const ir::Retry& retry = *forward.retry;
  std::string text = fmt::format("{} are repeated up to {} time{}",
                                 retry.only_unsent ? "attempts that reach no endpoint" : "failed attempts",
                                 retry.attempts, retry.attempts == 1 ? "" : "s");
  if (!retry.codes.empty()) text += fmt::format(", on status {} too", fmt::join(retry.codes, ", "));
  if (retry.per_try_timeout)
    text += fmt::format(", each within {}", describe_duration(*retry.per_try_timeout));
  if (retry.backoff) text += fmt::format(", {} apart", describe_duration(*retry.backoff));
  steps.push_back({"retry", std::move(text)});
}

void sort_by_nearness(std::string_view wanted, std::vector<std::string>& hosts) {
  const auto common = [&](const std::string& host) {
    const auto [a, b] = std::mismatch(wanted.rbegin(), wanted.rend(), host.rbegin(), host.rend());
    return -(a - wanted.rbegin());
  };
  std::ranges::sort(hosts, [&](const std::string& a, const std::string& b) {
    return std::pair(common(a), std::string_view(a)) < std::pair(common(b), std::string_view(b));
  });
}

}  // namespace sluice::explain
