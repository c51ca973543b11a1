// Scans over all rows or some, without the GIL: one core reads memory at its full speed (60,000 x 784 in 17 ms, a gather of
// 600 such rows in 0.08 ms; 2026-11, benchmarks/kernels).
#include "scans.h"

#include <algorithm>

#include "codes.h"
#include "simd.h"

namespace {

constexpr size_t AHEAD = 4;  // rows fetched before they are read: 60,000 x 784 codes in 5 ms, 9 ms with none (2026-11)
constexpr size_t BLOCK = 256;  // rows whose products are made together: they stay in the nearest cache

using Product = float (*)(const float*, const float*, size_t);

py::array_t<float> of_all(py::handle of, const Array<float>& query, Product product) {
  const Rows<float> vectors(of);
  if (query.size() != static_cast<py::ssize_t>(vectors.width())) throw py::value_error("the query has another dimension");
  const size_t n = vectors.size(), dim = vectors.width();
  py::array_t<float> out(static_cast<py::ssize_t>(n));
  float* const to = out.mutable_data();
  const float* const point = query.data();
  py::gil_scoped_release free;
  vectors.check(0, n);
  for (size_t row = 0; row < n; ++row) to[row] = product(vectors[static_cast<int64_t>(row)], point, dim);
  return out;
}

py::array_t<float> of_some(py::handle of, const Array<int64_t>& rows, const Array<float>& query, Product product) {
  const Rows<float> vectors(of);
  if (query.size() != static_cast<py::ssize_t>(vectors.width())) throw py::value_error("the query has another dimension");
  const size_t n = static_cast<size_t>(rows.size()), dim = vectors.width();
  py::array_t<float> out(static_cast<py::ssize_t>(n));
  float* const to = out.mutable_data();
  const float* const point = query.data();
  const int64_t* const which = rows.data();
  py::gil_scoped_release free;
  for (size_t i = 0; i < n; ++i) {
    if (i + 1 < n) vectors.prefetch_row(which[i + 1]);
    to[i] = product(vectors[which[i]], point, dim);
  }
  return out;
}

// What kernels/coded_scan.py calls CodedRows and CodedTarget.
struct CodedScan {
  CodedScan(const py::tuple& of, const py::tuple& target)
      : codes{Rows<int8_t>(of[0]), Rows<float>(of[1]), Rows<float>(of[2])},
        residuals(of[3]),
        code_of(target[0]),
        code(code_of[0]),
        factor(target[1].cast<float>()),
        slope(target[2].cast<float>()),
        slack(target[3].cast<float>()) {
    if (code_of.size() != codes.values.width()) throw py::value_error("the query has another dimension");
  }

  // The codes alone: their scales and offsets fetched ahead as well made a scan of some rows take half as long again.
  void prefetch_row(int64_t row) const { codes.prefetch_row(row); }

  float estimate(int64_t row) const { return codes.estimate(row, code, factor); }
  float error(int64_t row) const { return *residuals[row] * slope + slack; }

  Codes codes;
  Rows<float> residuals;
  Rows<int16_t> code_of;
  const int16_t* code;
  float factor, slope, slack;
};

// Memory for n elements, not cleared, that a thread keeps from scan to scan unless it is large: fresh pages would cost as
// much as what is written to them. One at a time per T and kind.
template <typename T, int kind = 0>
class Scratch {
 public:
  explicit Scratch(size_t n) {
    thread_local std::vector<T> kept;
    if (n > MOST_KEPT) own_.reset(new T[n]);
    if (!own_ && kept.size() < n) kept.resize(n);
    data_ = own_ ? own_.get() : kept.data();
  }

  T& operator[](size_t at) { return data_[at]; }
  const T* data() const { return data_; }

 private:
  static constexpr size_t MOST_KEPT = size_t{1} << 20;
  std::unique_ptr<T[]> own_;
  T* data_;
};

// The k smallest of the numbers offered, ascending.
class Smallest {
 public:
  Smallest(size_t k, float limit) : k_(k), kept_(k, limit) {}

  float kth() const { return kept_[k_ - 1]; }

  void offer(float value) {
    if (!(value < kept_[k_ - 1])) return;
    size_t at = k_ - 1;
    for (; at > 0 && kept_[at - 1] > value; --at) kept_[at] = kept_[at - 1];
    kept_[at] = value;
  }

 private:
  size_t k_;
  std::vector<float> kept_;
};

}  // namespace

py::array_t<float> l2_all(py::handle vectors, const Array<float>& query) { return of_all(vectors, query, simd.l2); }
py::array_t<float> dot_all(py::handle vectors, const Array<float>& query) { return of_all(vectors, query, simd.dot); }

py::array_t<float> l2_rows(py::handle vectors, const Array<int64_t>& rows, const Array<float>& query) {
  return of_some(vectors, rows, query, simd.l2);
}

py::array_t<float> dot_rows(py::handle vectors, const Array<int64_t>& rows, const Array<float>& query) {
  return of_some(vectors, rows, query, simd.dot);
}

py::array_t<int64_t> in_reach(const py::tuple& coded, const py::tuple& target, const Array<int64_t>& rows_of, size_t k,
                              float within) {
  const CodedScan scan(coded, target);
  const size_t n_asked = static_cast<size_t>(rows_of.size()), n = n_asked ? n_asked : scan.codes.size();
  const int64_t* const rows = n_asked ? rows_of.data() : nullptr;
  Scratch<int64_t> kept(n);
  Scratch<float> least(n);
  size_t n_near = 0;
  {
    py::gil_scoped_release free;
    Smallest nearest(k, within);  // the largest possible estimates of the k best rows so far
    size_t n_kept = 0;
    for (size_t i = 0; i < n; ++i) {
      if (i + AHEAD < n) scan.prefetch_row(rows ? rows[i + AHEAD] : static_cast<int64_t>(i + AHEAD));
      const int64_t row = rows ? rows[i] : static_cast<int64_t>(i);
      const float estimate = scan.estimate(row), error = scan.error(row);
      nearest.offer(estimate + error);
      if (estimate - error <= nearest.kth()) {
        kept[n_kept] = row;
        least[n_kept++] = estimate - error;
      }
    }
    for (size_t i = 0; i < n_kept; ++i)
      if (least[i] <= nearest.kth()) kept[n_near++] = kept[i];
  }
  return to_array(kept.data(), n_near);
}

py::array_t<int64_t> not_ruled_out(const py::tuple& sketched, const py::tuple& sketch, const py::tuple& coded,
                                   const py::tuple& target, const Array<int64_t>& rows_of, size_t k, float within) {
  constexpr size_t SEEDS_PER_ROW = 4;  // see kernels/sketch_scan.py
  const Rows<int8_t> first(sketched[0]), second(sketched[2]);
  const Rows<float> first_terms(sketched[1]), second_terms(sketched[3]);
  const Rows<int16_t> code_of(sketch[0]);
  const Rows<float> first_slopes_of(sketch[2]), slopes_of(sketch[3]);
  const float factor = sketch[1].cast<float>();
  const CodedScan scan(coded, target);
  if (first.width() != HALF || second.width() != HALF || code_of.size() != 2 * HALF || first_terms.width() != 4 ||
      second_terms.width() != 2 || first_slopes_of.size() != 3 || slopes_of.size() != 3)
    throw py::value_error("a sketch has another shape");
  const int16_t* const code = code_of[0];
  const float *const first_slopes = first_slopes_of[0], *const slopes = slopes_of[0];
  const size_t n_asked = static_cast<size_t>(rows_of.size()), n = n_asked ? n_asked : first.size();
  const int64_t* const rows = n_asked ? rows_of.data() : nullptr;
  const size_t n_seeds = std::min(SEEDS_PER_ROW * k, n);
  Scratch<float> least(n);
  Scratch<float, 1> estimates(n);
  Scratch<int64_t> kept(n);
  size_t n_left = 0;
  {
    py::gil_scoped_release free;
    // By the first half: the estimate and the least possible one of each row, and the rows of the smallest estimates.
    std::vector<float> smallest(n_seeds);
    std::vector<int64_t> seeds(n_seeds);
    int32_t products[BLOCK];
    for (size_t start = 0; start < n; start += BLOCK) {
      const size_t stop = std::min(start + BLOCK, n);
      if (rows) {
        for (size_t i = start; i < stop; ++i) first.check(static_cast<size_t>(rows[i]), static_cast<size_t>(rows[i]) + 1);
        simd.half_products(first.unchecked(0), rows + start, stop - start, code, products);
      } else {
        first.check(start, stop);
        simd.half_products(first.unchecked(start), nullptr, stop - start, code, products);
      }
      for (size_t i = start; i < stop; ++i) {
        const int64_t row = rows ? rows[i] : static_cast<int64_t>(i);
        const float* const terms = first_terms[row];
        const float estimate = terms[0] - factor * terms[1] * static_cast<float>(products[i - start]);
        estimates[i] = estimate;
        least[i] = estimate - (terms[2] * first_slopes[0] + terms[3] * first_slopes[1] + first_slopes[2]);
        if (i < n_seeds || estimate < smallest[n_seeds - 1]) {
          size_t at = std::min(i, n_seeds - 1);
          for (; at > 0 && smallest[at - 1] > estimate; --at) smallest[at] = smallest[at - 1], seeds[at] = seeds[at - 1];
          smallest[at] = estimate;
          seeds[at] = row;
        }
      }
    }
    // The k-th smallest of the largest possible estimates of those, by their codes.
    std::vector<float> largest;
    for (size_t i = 0; i < n_seeds; ++i) largest.push_back(scan.estimate(seeds[i]) + scan.error(seeds[i]));
    std::nth_element(largest.begin(), largest.begin() + static_cast<int64_t>(k - 1), largest.end());
    const float limit = std::min(largest[k - 1], within);
    // By the whole sketch.
    size_t n_kept = 0;
    for (size_t i = 0; i < n; ++i) {  // without a branch: they come in no order
      kept[n_kept] = static_cast<int64_t>(i);
      n_kept += least[i] <= limit;
    }
    for (size_t at = 0; at < n_kept; ++at) {
      const size_t i = static_cast<size_t>(kept[at]);
      const int64_t row = rows ? rows[i] : static_cast<int64_t>(i);
      int32_t product;
      simd.half_products(second[row], nullptr, 1, code + HALF, &product);
      const float estimate = estimates[i] - factor * first_terms[row][1] * static_cast<float>(product);
      const float* const terms = second_terms[row];
      kept[n_left] = row;
      n_left += estimate - (terms[0] * slopes[0] + terms[1] * slopes[1] + slopes[2]) <= limit;
    }
  }
  return to_array(kept.data(), n_left);
}
