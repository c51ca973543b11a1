// A random rotation in O(width log width): signs flipped at random, then a Hadamard transform, three times (A. Andoni et
// al., Practical and optimal LSH for angular distance, 2015, section 4; three are as good as a rotation drawn from all).
#include "signs.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>

#include "simd.h"

namespace {

constexpr size_t TURNS = 3, LEAST_WIDTH = 256;
constexpr size_t LANES = 16;  // sums kept apart, for registers of any width: the same on every machine

// splitmix64 (S. Vigna): well-mixed bits of a number.
uint64_t mixed(uint64_t z) {
  z = (z + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// What elements are multiplied with before each transform, 1 or -1: TURNS times `width`. Made once per width, and kept.
// Without a lock, which a fork could find held: two threads may make the same, and one of them throws its own away.
const float* flips_of(size_t width) {
  static std::array<std::atomic<const float*>, 64> made{};
  size_t log = 0;
  while ((size_t{1} << log) < width) ++log;
  const float* known = made[log].load(std::memory_order_acquire);
  if (known) return known;
  std::unique_ptr<float[]> flips(new float[TURNS * width]);
  for (size_t i = 0; i < TURNS * width; ++i) flips[i] = mixed(i) >> 63 ? -1.0f : 1.0f;
  if (made[log].compare_exchange_strong(known, flips.get(), std::memory_order_acq_rel)) known = flips.release();
  return known;
}

}  // namespace

Rotation::Rotation(size_t width) : width_(width), spare_(width) {
  if (width < LEAST_WIDTH || (width & (width - 1))) throw py::value_error("a rotation has another width");
  flips_ = flips_of(width);
}

void Rotation::turn(const float* vector, size_t dim, float* turned) {
  std::copy(vector, vector + dim, turned);
  std::fill(turned + dim, turned + width_, 0.0f);
  for (size_t time = 0; time < TURNS; ++time) {
    const float* const flips = flips_ + time * width_;
    for (size_t i = 0; i < width_; ++i) turned[i] *= flips[i];
    simd.hadamard(turned, spare_.data(), width_);
  }
  const float scale = static_cast<float>(std::pow(static_cast<double>(width_), -0.5 * TURNS));
  for (size_t i = 0; i < width_; ++i) turned[i] *= scale;
}

py::array_t<float> turned(const Array<float>& vector, size_t width) {
  Rotation rotation(width);
  if (static_cast<size_t>(vector.size()) > width) throw py::value_error("a rotation has another width");
  py::array_t<float> made(static_cast<py::ssize_t>(width));
  rotation.turn(vector.data(), static_cast<size_t>(vector.size()), made.mutable_data());
  return made;
}

py::array_t<uint8_t> signs_of(const Array<float>& rows, size_t width) {
  Rotation rotation(width);
  if (rows.ndim() != 2 || static_cast<size_t>(rows.shape(1)) > width) throw py::value_error("a rotation has another width");
  const size_t n = static_cast<size_t>(rows.shape(0)), dim = static_cast<size_t>(rows.shape(1));
  const size_t n_signs = signs_in(width / 8);
  py::array_t<uint8_t> signs({n, width / 8});
  uint8_t* to = signs.mutable_data();
  const float* row = rows.data();
  py::gil_scoped_release free;
  std::vector<float> turned(width);
  for (size_t i = 0; i < n; ++i, row += dim) {
    rotation.turn(row, dim, turned.data());
    double sizes[LANES] = {}, squares[LANES] = {}, size = 0, square = 0;
    for (size_t j = 0; j < width; j += LANES)
      for (size_t lane = 0; lane < LANES; ++lane) {
        const double element = turned[j + lane];
        sizes[lane] += j < n_signs ? std::fabs(element) : 0, squares[lane] += element * element;
      }
    for (size_t lane = 0; lane < LANES; ++lane) size += sizes[lane], square += squares[lane];
    // With the mean size what is left out is square to the signs.
    const float mean = static_cast<float>(size / static_cast<double>(n_signs));
    const double left = square + (static_cast<double>(mean) * static_cast<double>(n_signs) - 2 * size) * mean;
    const float terms[2] = {mean, static_cast<float>(std::sqrt(std::max(left, 0.0)) * ROUNDED_UP)};
    std::memcpy(to, terms, sizeof terms);
    to += SIGNS_FROM;
    for (size_t j = 0; j < n_signs; j += 8) {
      unsigned bits = 0;
      for (unsigned bit = 0; bit < 8; ++bit) bits |= static_cast<unsigned>(turned[j + bit] > 0) << bit;
      *to++ = static_cast<uint8_t>(bits);
    }
  }
  return signs;
}
