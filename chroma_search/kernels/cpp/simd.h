// The innermost loops, compiled for several instruction sets; the best that this processor has is chosen when loaded.
#pragma once

#include <cstddef>
#include <cstdint>

constexpr size_t HALF = 64;  // elements of half a sketch: one cache line (kernels/sketch_scan.py)

struct Simd {
  const char* name;
  float (*l2)(const float* a, const float* b, size_t n);   // sum of squared differences, in any order
  float (*dot)(const float* a, const float* b, size_t n);  // product, in any order
  int32_t (*code_product)(const int8_t* row, const int16_t* code, size_t n);
  int32_t (*codes_product)(const int8_t* a, const int8_t* b, size_t n);
  // Product of each of n rows of HALF elements with the code; `rows` null: the rows as they stand.
  void (*half_products)(const int8_t* codes, const int64_t* rows, size_t n, const int16_t* code, int32_t* out);
};

extern const Simd& simd;
