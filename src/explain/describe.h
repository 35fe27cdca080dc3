// Rows in words, for people: no names of xDS, no stops, lower case.
//
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "explain/explain.h"
#include "explain/request.h"
#include "ir/ir.h"
#include "translate/rows.h"

namespace sluice::explain {

// "listener http of Gateway default/web, port 8080 (HTTP)".
std::string describe_listener(const translate::ListenerPlan& listener);

// "10 %", "0.01 %".
std::string share(std::uint64_t part, std::uint64_t whole);

// "HTTP/2 over TLS".
std::string describe_protocol(const ir::Cluster& cluster);

// Of an extension of a policy: "lua/default/p/0".
std::string short_name(const std::string& extension);
std::vector<std::string> extension_names(const std::vector<ir::ExtensionUse>& uses);

// "127.0.0.1:8080", "[::1]:80", "/run/app.sock".
std::string describe_endpoint(const ir::Endpoint& endpoint);

// "1.5s", "250ms", "2h".
std::string describe_duration(ir::Duration duration);

// How a service is asked whether requests may pass: "by HTTP, path behind /check, bodies of up to 100 bytes".
std::string describe_auth(const ir::ExtAuthz& auth);

// One step for each of set, add and remove. `kind` is "request-headers" or "response-headers".
void add_header_steps(std::string_view kind, const ir::HeaderChanges& changes, std::vector<Step>& steps);
// One for each credential and endpoint picker among the filters; returns the others, which are users' code.
std::vector<ir::ExtensionUse> add_own_steps(const std::vector<ir::ExtensionUse>& uses,
                                            std::vector<Step>& steps);
// What the request's host and path become.
void add_rewrite_steps(const ir::Rewrite& rewrite, const ir::PathMatch& match, const Arrival& arrival,
                       std::vector<Step>& steps);
// Timeouts and retries.
void add_limit_steps(const ir::Forward& forward, std::vector<Step>& steps);

// Nearest to the wanted one first: by the parts of the name that they share from the end, then by name.
void sort_by_nearness(std::string_view wanted, std::vector<std::string>& hosts);

}  // namespace sluice::explain
