// A query as codes and sketches are compared with it, and how far what they tell may be off. Proofs and chances are told
// in indexes/vector/coded_scan.py; tests/reference/coded_scan.py is the same in numpy.
#pragma once

#include <cstdint>
#include <vector>

#include "codes.h"
#include "rows.h"

// What kernels/coded_scan.py calls MeasuredRows, CodedRows and SketchedRows.
struct MeasuredRows {
  explicit MeasuredRows(const py::tuple& of) : vectors(of[0]), inverse(of[1]), space(of[2].cast<int>()) {}

  Rows<float> vectors, inverse;
  int space;
};

struct CodedRows {
  explicit CodedRows(const py::tuple& of)
      : values(of[0]), scales(of[1]), offsets(of[2]), residuals(of[3]), centre(of[4]), dither(of[5]),
        longest(of[6].cast<double>()), centre_length(of[7].cast<double>()) {}

  Rows<int8_t> values;
  Rows<float> scales, offsets, residuals, centre, dither;
  double longest, centre_length;
};

struct SketchedRows {
  explicit SketchedRows(const py::tuple& of)
      : values(of[0]), signs(of[1]), axes(of[2]), dither(of[3]), skew(of[4].cast<double>()) {}

  Rows<int8_t> values;
  Rows<uint8_t> signs;
  Rows<float> axes, dither;
  double skew;
};

// A query beside codes: an estimate is `offset - factor * scale * (product - shift)`, and off by
// `residual * by_residual + scale * by_scale + slack` at most.
struct CodedTarget {
  // Needs no GIL. `unlikely`: standard deviations that errors of codes are bounded by; 0 for what is proven.
  CodedTarget(const MeasuredRows& measured, const CodedRows& coded, const float* point, double unlikely);

  bool is_fit() const { return !code.empty(); }  // false: float32 could not hold what is estimated

  // The estimate that a row at this distance has, but for errors: estimates leave out what all rows share.
  double estimate_at(double distance) const;

  // The largest and the least estimate that a row measured at this distance can have.
  float largest_at(float distance) const;
  float least_at(float distance) const;

  std::vector<float> target;  // centred in the l2 space
  std::vector<int16_t> code;
  float factor = 0, shift = 0, by_residual = 0, by_scale = 0, slack = 0;
  double weight, longest, length = 0, rounding = 0;

 private:
  int space_;
  double product_with_centre_ = 0, share_ = 0, added_ = 0;  // by which a measured distance may be off: of it, and besides
};

// The same beside sketches: first by the coordinates along the axes, then by the signs too.
struct SketchedTarget {
  SketchedTarget(const CodedTarget& of, const SketchedRows& sketched, double unlikely);

  // How far an estimate by the axes may be off.
  float error_by_axes(const SketchHead& head) const { return head.step * slopes[0] + head.rest * slopes[1] + slopes[2]; }

  int16_t code[SKETCH];
  float factor, shift, slopes[3];
  std::vector<int8_t> signs;
  int32_t total_of_signs = 0;
  SignSlopes by_signs;
};
