#include "translate/header_changes.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/letter_case.h"
#include "translate/header_value.h"

namespace sluice::translate {
namespace {

HeaderChangeFault unchangeable(const std::string& name, std::string field) {
  return {.field = std::move(field),
          .message = fmt::format("the header `{}` cannot be changed by a filter", name),
          .suggestion = same_name(name, "host") ? "use a filter URLRewrite with a hostname" : ""};
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) { return equal_but_for_case(a, b); }

bool is_header_name(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  const auto of_token = [kMarks](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kMarks.find(c) != std::string_view::npos;
  };
  return !name.empty() && std::ranges::all_of(name, of_token);
}

bool may_change(std::string_view header) {
  return !same_name(header, "host") && header.find_first_of(":/") == std::string_view::npos;
}

std::vector<HeaderChangeFault> faults_of_header_changes(const api::HTTPHeaderFilter& filter) {
  std::vector<HeaderChangeFault> faults;
  const std::pair<std::string_view, const std::vector<api::HTTPHeader>*> lists[] = {{"set", &filter.set},
                                                                                    {"add", &filter.add}};
  for (const auto& [list, headers] : lists) {
    for (std::size_t i = 0; i < headers->size(); ++i) {
      const api::HTTPHeader& header = (*headers)[i];
      if (!may_change(header.name)) {
        faults.push_back(unchangeable(header.name, fmt::format("{}[{}].name", list, i)));
      }
      if (auto fault = fault_of_header_value(header.value)) {
        faults.push_back({.field = fmt::format("{}[{}].value", list, i),
                          .message = std::move(fault->message),
                          .suggestion = std::move(fault->suggestion)});
      }
    }
  }
  for (std::size_t i = 0; i < filter.remove.size(); ++i) {
    if (!may_change(filter.remove[i])) {
      faults.push_back(unchangeable(filter.remove[i], fmt::format("remove[{}]", i)));
    }
  }
  return faults;
}

void add_header_changes(const api::HTTPHeaderFilter& filter, ir::HeaderChanges& changes) {
  const auto known = [&changes](const std::string& name) {
    const auto is_it = [&](const ir::Header& h) { return same_name(h.name, name); };
    return std::ranges::any_of(changes.add, is_it) || std::ranges::any_of(changes.set, is_it);
  };
  for (const api::HTTPHeader& h : filter.add) {
    if (!known(h.name)) changes.add.push_back({h.name, h.value});
  }
  for (const api::HTTPHeader& h : filter.set) {
    if (!known(h.name)) changes.set.push_back({h.name, h.value});
  }
  for (const std::string& name : filter.remove) {
    if (std::ranges::none_of(changes.remove, [&](const std::string& r) { return same_name(r, name); })) {
      changes.remove.push_back(name);
    }
  }
}

void append(const ir::HeaderChanges& more, ir::HeaderChanges& to) {
  to.set.insert(to.set.end(), more.set.begin(), more.set.end());
  to.add.insert(to.add.end(), more.add.begin(), more.add.end());
  to.remove.insert(to.remove.end(), more.remove.begin(), more.remove.end());
}

}  // namespace sluice::translate
