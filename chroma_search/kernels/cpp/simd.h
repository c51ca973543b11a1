// The innermost loops, compiled for several instruction sets; the best that this processor has is chosen when loaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

// A sketch takes one cache line: a head of 8 bytes, and coordinates along axes (kernels/coded_scan.py). The head of the axes
// and of a query's coordinates is zero, so that products may run over all of a line.
constexpr size_t SKETCH = 64, SKETCH_HEAD = 8;

constexpr size_t ROWS_AHEAD = 32, BYTES_AHEAD = 6144;  // fetched before they are read: so many at most

// How many rows of so many bytes are fetched ahead, 1 to ROWS_AHEAD.
inline size_t rows_ahead(size_t row_bytes) {
  if (row_bytes * ROWS_AHEAD <= BYTES_AHEAD) return ROWS_AHEAD;
  return row_bytes < BYTES_AHEAD ? BYTES_AHEAD / row_bytes : 1;
}

// Start fetching what is read later into the second-nearest cache: nearer there is room for two dozen requests at a time,
// which two rows take (2026-11, EPYC: 5,400 of 60,000 x 784 codes in 0.31 ms instead of 0.62, on small pages 0.45 of 0.72).
inline void prefetch(const void* start, size_t bytes) {
#if defined(__GNUC__)
  const char *at = static_cast<const char*>(start), *const stop = at + bytes;
  at -= reinterpret_cast<uintptr_t>(at) % 64;  // else the last line was missed where a row does not begin with one
  for (; at < stop; at += 64) __builtin_prefetch(at, 0, 2);
#endif
}

// The head of a sketch: the part of the distance that does not depend on the query, in float32; what a step is worth, and the
// norm of the row off the axes, each the upper half of a float32.
struct SketchHead {
  explicit SketchHead(const int8_t* sketch) {
    uint32_t words[2];
    std::memcpy(words, sketch, sizeof words);
    const uint32_t halves[2] = {words[1] << 16, words[1] & 0xFFFF0000};
    std::memcpy(&offset, words, sizeof offset);
    std::memcpy(&step, halves, sizeof step);
    std::memcpy(&rest, halves + 1, sizeof rest);
  }

  float offset, step, rest;
};

// What bounds the error of an estimate by signs. Proven ones add up; those of chance add up by squares.
struct SignSlopes {
  bool is_proven;
  float factor, by_step, by_size, by_lost, slack, n_signs;
};

struct Simd {
  const char* name;
  float (*l2)(const float* a, const float* b, size_t n);   // sum of squared differences, in any order
  float (*dot)(const float* a, const float* b, size_t n);  // product, in any order
  double (*exact_l2)(const float* a, const float* b, size_t n);   // the same in float64, in an order of its own
  double (*exact_dot)(const float* a, const float* b, size_t n);
  int32_t (*code_product)(const int8_t* row, const int16_t* code, size_t n);
  int32_t (*codes_product)(const int8_t* a, const int8_t* b, size_t n);
  // Product of each of n rows of `width` elements with the code. The next n_ahead numbers in `rows` are fetched ahead.
  void (*code_products)(const int8_t* codes, size_t width, const int64_t* rows, size_t n, size_t n_ahead,
                        const int16_t* code, int32_t* out);
  void (*sketch_products)(const int8_t* codes, const int64_t* rows, size_t n, size_t n_ahead, const int16_t* code,
                        int32_t* out);  // the same for a width of SKETCH
  // Estimates of n rows and the least possible ones, by the products, less `shift`, and the heads of their sketches.
  void (*sketch_estimates)(const int8_t* sketches, const int64_t* rows, size_t n, const int32_t* products, float factor,
                           float shift, const float* slopes, float* estimates, float* least);
  // Sums of the code's elements, each with the sign that n rows of `width` bytes have for it (a multiple of 8, signs.h).
  void (*signs_products)(const uint8_t* signs, size_t width, const int64_t* rows, size_t n, size_t n_ahead,
                         const int8_t* code, int32_t total_of_code, int32_t* out);
  // The least possible estimates of n rows: by their estimates by the axes, their steps, and their signs.
  void (*least_by_signs)(const SignSlopes& slopes, size_t n, const float* by_axes, const float* steps, const float* sizes,
                         const float* lost, const int32_t* products, float* least);
  void (*hadamard)(float* of, float* spare, size_t n);
  // Products of a vector of n elements with SKETCH axes, (n, SKETCH) row after row; and what is left of it off the axes.
  void (*along_axes)(const float* vector, const float* axes, size_t n, float* along);
  void (*off_axes)(const float* vector, const float* axes, size_t n, const float* along, float* rest);
  // Positions of n bytes that are not 0, and of n numbers within a limit; `out` has room for n + 8. How many there are.
  size_t (*positions_set)(const uint8_t* bytes, size_t n, int64_t* out);
  size_t (*positions_within)(const float* numbers, size_t n, float limit, int64_t* out);
};

extern const Simd& simd;
