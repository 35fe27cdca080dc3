#include "picker/work.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sluice::picker {

FadingLine::FadingLine(double intercept, double slope, double far, double weight, double memory)
    : keep_(1 - 1 / memory), intercept_(intercept), slope_(slope) {
  n_ = 2 * weight;
  x_ = weight * far;
  y_ = weight * (2 * intercept + slope * far);
  xx_ = weight * far * far;
  xy_ = weight * far * (intercept + slope * far);
}

void FadingLine::add(double x, double y) {
  n_ = n_ * keep_ + 1;
  x_ = x_ * keep_ + x;
  y_ = y_ * keep_ + y;
  xx_ = xx_ * keep_ + x * x;
  xy_ = xy_ * keep_ + x * y;
  solve();
}

void FadingLine::solve() {
  const double spread = n_ * xx_ - x_ * x_;
  // All observations of one size say nothing of the slope: it stays, and the line goes through their mean.
  if (spread > 1e-9 * n_ * xx_) slope_ = std::max(0.0, (n_ * xy_ - x_ * y_) / spread);
  intercept_ = (y_ - slope_ * x_) / n_;
  if (intercept_ < 0) {
    intercept_ = 0;
    slope_ = xx_ > 0 ? std::max(0.0, xy_ / xx_) : slope_;
  }
}

std::uint64_t name_hash(std::string_view name) { return XXH64(name.data(), name.size(), 0); }

double rendezvous(std::uint64_t key, std::uint64_t member) {
  std::uint64_t x = key ^ (member * 0x9e3779b97f4a7c15);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  x ^= x >> 31;
  return static_cast<double>(x >> 11) * 0x1p-53;
}

}  // namespace sluice::picker
