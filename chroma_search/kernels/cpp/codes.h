// Rows as codes of a byte per element, and what they estimate (indexes/vector/codes.py).
#pragma once

#include <cmath>
#include <vector>

#include "rows.h"
#include "simd.h"

enum Space : int { L2 = 0, COSINE = 1, IP = 2 };  // as in kernels/graph_search.py

struct CodedQuery {
  std::vector<int16_t> code;  // empty: the query cannot be coded
  float factor = 0;
};

CodedQuery coded_query(const float* query, const float* centre, size_t dim, int space);

// What orders rows as their distances do, nearly: offset - factor * scale * (row code @ query code).
struct Codes {
  Rows<int8_t> values;
  Rows<float> scales, offsets;

  size_t size() const { return values.size(); }

  void prefetch_row(int64_t row) const { values.prefetch_row(row); }

  float estimate(int64_t row, const int16_t* code, float factor) const {
    const int32_t product = simd.code_product(values[row], code, values.width());
    return *offsets[row] - factor * *scales[row] * static_cast<float>(product);
  }
};
