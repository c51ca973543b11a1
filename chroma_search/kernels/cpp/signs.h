// Signs of rows turned at random: what kernels/signs.py describes.
#pragma once

#include <vector>

#include "rows.h"

// A rotation of vectors of up to `width` elements, a power of two from 256 on: the same for every process and machine.
class Rotation {
 public:
  explicit Rotation(size_t width);

  size_t width() const { return width_; }

  // Turn a vector of `dim` elements; what stands in `turned`, of `width` elements, afterwards is as long as it.
  void turn(const float* vector, size_t dim, float* turned);

 private:
  size_t width_;
  const float* flips_;
  std::vector<float> spare_;
};

constexpr double ROUNDED_UP = 1.0 + 1.0 / (1 << 22);  // a float64 norm, once it is float32, is no smaller than it was

// Signs of a row of so many bytes: they stand behind the size of one and the norm of what they leave out, two floats.
constexpr size_t SIGNS_FROM = 2 * sizeof(float);
constexpr size_t signs_in(size_t bytes) { return 8 * (bytes - SIGNS_FROM); }

py::array_t<float> turned(const Array<float>& vector, size_t width);
py::array_t<uint8_t> signs_of(const Array<float>& rows, size_t width);
