#include "coded_target.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "signs.h"
#include "simd.h"

namespace {

constexpr double UNIT_ROUNDOFF = 1.0 / (1 << 24), SMALLEST_NORMAL = std::numeric_limits<float>::min();
constexpr double ROUNDINGS = 64;  // units of the last place: centring, coding, the estimate, the exact measure (about 20)
constexpr double SPARE_ROUNDINGS = 16;  // see indexes/vector/exact_scan.py
constexpr double LARGEST_SQUARE = 1.329227995784916e36;  // 2^120: sum of norms, squared, above which float32 may not do
constexpr float LARGEST_STEP = 32767.0f, LARGEST_SIGN = 127.0f;

double length_of(const float* vector, size_t n) {
  double squares = 0;
  for (size_t i = 0; i < n; ++i) squares += static_cast<double>(vector[i]) * vector[i];
  return std::sqrt(squares);
}

double product_of(const float* a, const float* b, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// The relative error of a float32 sum of `n` products, in any order.
double error_factor(size_t n) {
  const double share = (static_cast<double>(n) + SPARE_ROUNDINGS) * UNIT_ROUNDOFF;
  return share < 0.5 ? 1.01 * share / (1.0 - share) : std::numeric_limits<double>::infinity();
}

// What codes leave out at most, half a step of each of n elements; the division is rounded.
double half_steps(size_t n, double step) { return 0.51 * std::sqrt(static_cast<double>(n)) * step; }

template <typename Code>
float shift_of(const Rows<float>& dither, const Code* code, size_t n) {
  if (!dither.size()) return 0;
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<double>(*dither.unchecked(i)) * code[i];
  return static_cast<float>(sum);
}

float largest_of(const float* elements, size_t n) {
  float largest = 0;
  for (size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(elements[i]));
  return largest;
}

}  // namespace

CodedTarget::CodedTarget(const MeasuredRows& measured, const CodedRows& coded, const float* point, double unlikely)
    : target(point, point + coded.values.width()), weight(measured.space == L2 ? 2 : 1), longest(coded.longest),
      space_(measured.space) {
  const size_t dim = target.size();
  const float* const centre = coded.centre.unchecked(0);
  CodedQuery query = coded_query(point, centre, dim, space_);
  if (query.code.empty()) return;
  for (size_t i = 0; space_ == L2 && i < dim; ++i) target[i] -= centre[i];
  length = length_of(target.data(), dim);
  product_with_centre_ = space_ == L2 ? 0 : product_of(target.data(), centre, dim);
  const double lost = length > 0 ? half_steps(dim, query.factor / weight) : 0;
  const double sum = 2 * longest + length + lost + (space_ == L2 ? 0 : coded.centre_length), square = sum * sum;
  if (!(square <= LARGEST_SQUARE)) return;
  const double unit = space_ == L2 ? 0 : 1;  // the measure itself is 1 - product, and rounded
  rounding = ROUNDINGS * UNIT_ROUNDOFF * (square + unit) + static_cast<double>(dim) * SMALLEST_NORMAL;
  slack = static_cast<float>(weight * longest * lost + rounding);
  // Errors of dithered codes are uniform, independent of each other and of the query: their deviation is step / sqrt(12).
  const bool is_chance = unlikely > 0 && coded.dither.size() && unlikely * unlikely < static_cast<double>(dim);
  if (is_chance) by_scale = static_cast<float>(weight * (length + lost) * unlikely / std::sqrt(12.0));
  else by_residual = static_cast<float>(weight * (length + lost));
  factor = query.factor;
  shift = shift_of(coded.dither, query.code.data(), dim);
  added_ = rounding;
  if (space_ == L2) share_ = error_factor(dim);
  else added_ += error_factor(dim) * (longest + coded.centre_length) * length_of(point, dim);
  code = std::move(query.code);
}

double CodedTarget::estimate_at(double distance) const {
  return space_ == L2 ? distance - length * length : distance - 1 + product_with_centre_;
}

float CodedTarget::largest_at(float distance) const {
  const auto largest = static_cast<float>(estimate_at(distance / (1 - share_)) + added_);
  return std::nextafter(largest, std::numeric_limits<float>::infinity());
}

float CodedTarget::least_at(float distance) const {
  const auto least = static_cast<float>(estimate_at(distance / (1 + share_)) - added_);
  return std::nextafter(least, -std::numeric_limits<float>::infinity());
}

SketchedTarget::SketchedTarget(const CodedTarget& of, const SketchedRows& sketched, double unlikely)
    : signs(signs_in(sketched.signs.width())) {
  const bool is_proven = !(unlikely > 0);
  const size_t dim = of.target.size(), width = 8 * sketched.signs.width();
  const double weight = of.weight;
  float along[SKETCH];
  std::vector<float> rest(dim), turned(width);
  simd.along_axes(of.target.data(), sketched.axes.unchecked(0), dim, along);
  simd.off_axes(of.target.data(), sketched.axes.unchecked(0), dim, along, rest.data());
  Rotation(width).turn(rest.data(), dim, turned.data());

  const float largest = largest_of(along, SKETCH), step = largest > 0 ? largest / LARGEST_STEP : 1;
  for (size_t i = 0; i < SKETCH; ++i) code[i] = static_cast<int16_t>(std::lrintf(along[i] / step));
  factor = static_cast<float>(weight) * step;
  shift = shift_of(sketched.dither, code, SKETCH);

  const float most = largest_of(turned.data(), signs.size()), sign_step = most > 0 ? most / LARGEST_SIGN : 1;
  double squares_left = 0;
  for (size_t i = 0; i < signs.size(); ++i) {
    signs[i] = static_cast<int8_t>(std::lrintf(turned[i] / sign_step));
    total_of_signs += signs[i];
    const double left = turned[i] - static_cast<double>(signs[i]) * sign_step;
    squares_left += left * left;
  }

  // Rounding: proven for sums in any order; by chance it grows with the root of their length (N. Higham, T. Mary, A new
  // approach to probabilistic rounding error analysis, 2019).
  const double chance = is_proven ? 1 : std::min(1.0, unlikely / std::sqrt(static_cast<double>(dim)));
  constexpr size_t n_axes = SKETCH - SKETCH_HEAD;
  const double blur = sketched.skew + error_factor(dim) * std::sqrt(static_cast<double>(n_axes)) * chance;
  const double lost = half_steps(n_axes, step), reached = length_of(along, SKETCH) + lost;
  const double off = length_of(rest.data(), dim) * ROUNDED_UP;
  const double by_chance = unlikely / std::sqrt(12.0), by_step = half_steps(n_axes, 1);
  slopes[0] = static_cast<float>(weight * reached * (is_proven ? by_step : std::min(by_chance, by_step)));
  slopes[1] = static_cast<float>(weight * off);
  slopes[2] = static_cast<float>(weight * of.longest * (1.02 * lost + 4 * blur * of.length) + of.rounding);  // 1.02: coded
  const double n_signs = static_cast<double>(signs.size()), share = unlikely / std::sqrt(static_cast<double>(width) - 1);
  by_signs.is_proven = is_proven;
  by_signs.factor = static_cast<float>(weight) * sign_step;
  by_signs.by_step = slopes[0];
  by_signs.by_size = static_cast<float>(weight * std::sqrt(squares_left * n_signs) * ROUNDED_UP);
  by_signs.by_lost = static_cast<float>(weight * off * (is_proven ? 1 : std::min(1.0, share)));
  by_signs.slack = slopes[2];
  by_signs.n_signs = static_cast<float>(n_signs);
}
