// How long work takes, learned from how long it took.
//
// A straight line of seconds over size (tokens of a prefill, requests in a batch) by least squares, in which
// old observations fade. It begins as a guess that counts as a few observations, so that the first decisions
// are sane and a hundred requests later the guess is gone.
//
// Threads: as the Picker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "picker/request.h"

namespace sluice::picker {

class FadingLine {
 public:
  // The guess: two observations of weight `weight` on the line, at 0 and at `far`.
  FadingLine(double intercept, double slope, double far, double weight, double memory);

  void add(double x, double y);
  double at(double x) const { return intercept_ + slope_ * x; }
  double intercept() const { return intercept_; }  // never below zero, the slope neither
  double slope() const { return slope_; }

 private:
  void solve();

  double keep_;  // what is left of a sum after one more observation
  double n_ = 0, x_ = 0, y_ = 0, xx_ = 0, xy_ = 0;
  double intercept_, slope_;
};

// A mean in which old values fade; the guess counts as `weight` values.
class FadingMean {
 public:
  FadingMean(double guess, double weight, double memory)
      : keep_(1 - 1 / memory), n_(weight), sum_(guess * weight) {}

  void add(double value, double weight = 1) {
    n_ = n_ * keep_ + weight;
    sum_ = sum_ * keep_ + value;
  }
  double value() const { return sum_ / n_; }

 private:
  double keep_, n_, sum_;
};

// Stable over processes and machines: replicas that share nothing agree on who is home for what.
std::uint64_t name_hash(std::string_view name);

// 0…1: the place of `member` in the order of `key` (rendezvous hashing: the lowest is first).
double rendezvous(std::uint64_t key, std::uint64_t member);

}  // namespace sluice::picker
