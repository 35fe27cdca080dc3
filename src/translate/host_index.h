// Which of many hosts overlap: one covers the other (translate/hostname.h). The index answers in about the
// time that it takes to read a name. To ask covers() of every pair would take the square of what a
// certificate holds.
//
//   owner   whoever has a host, as a number; the smaller one comes first
//
// Threads: immutable once made. The texts of the hosts have to outlive it.
#pragma once

#include <cstddef>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace sluice::translate {

class HostIndex {
 public:
  // No answer.
  static constexpr std::size_t kNobody = std::numeric_limits<std::size_t>::max();

  explicit HostIndex(const std::vector<std::pair<std::string_view, std::size_t>>& hosts);

  // The first owner, other than `except`, of a host that overlaps this one. The host is one of the index.
  std::size_t first(std::string_view host, std::size_t except) const;

 private:
  // The two first of some owners: one of them is not `except`.
  struct Firsts {
    std::size_t first = kNobody;
    std::size_t second = kNobody;

    void add(std::size_t owner);
    std::size_t without(std::size_t except) const { return first == except ? second : first; }
  };
  struct Entry {
    Firsts owners;
    Firsts below;  // of the hosts that this one covers
  };

  // Calls f(entry) for every other host that covers this one.
  template <typename Entries, typename F>
  void each_wider(Entries& wildcards, std::string_view host, F f) const;

  absl::flat_hash_map<std::string_view, Entry> names_;
  absl::flat_hash_map<std::string_view, Entry> wildcards_;  // by what follows the `*`
  std::vector<std::size_t> suffix_sizes_;                   // of wildcards_, each once
};

}  // namespace sluice::translate
