#include "translate/header_changes.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "translate/header_value.h"

namespace sluice::translate {
namespace {

const std::string* unchangeable(const api::HTTPHeaderFilter& filter) {
  for (const auto* list : {&filter.add, &filter.set}) {
    for (const api::HTTPHeader& h : *list) {
      if (!may_change(h.name)) return &h.name;
    }
  }
  for (const std::string& name : filter.remove) {
    if (!may_change(name)) return &name;
  }
  return nullptr;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool may_change(std::string_view header) {
  return !same_name(header, "host") && header.find_first_of(":/") == std::string_view::npos;
}

std::optional<HeaderChangeFault> fault_of_header_changes(const api::HTTPHeaderFilter& filter) {
  if (const std::string* name = unchangeable(filter)) {
    return HeaderChangeFault{
        .field = {},
        .message = fmt::format("the header `{}` cannot be changed by a filter", *name),
        .suggestion = same_name(*name, "host") ? "use a filter URLRewrite with a hostname" : ""};
  }
  const std::pair<std::string_view, const std::vector<api::HTTPHeader>*> lists[] = {{"set", &filter.set},
                                                                                    {"add", &filter.add}};
  for (const auto& [name, headers] : lists) {
    for (std::size_t i = 0; i < headers->size(); ++i) {
      auto fault = fault_of_header_value((*headers)[i].value);
      if (!fault) continue;
      return HeaderChangeFault{.field = fmt::format("{}[{}].value", name, i),
                               .message = std::move(fault->message),
                               .suggestion = std::move(fault->suggestion)};
    }
  }
  return std::nullopt;
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
