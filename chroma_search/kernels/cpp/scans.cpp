// Scans over all rows or some, without the GIL: one core reads memory at its full speed (60,000 x 784 in 17 ms, a gather of
// 600 such rows in 0.08 ms; 2026-11).
#include "scans.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "codes.h"
#include "simd.h"

namespace {

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

void products_of(const Rows<float>& vectors, const int64_t* rows, size_t n, const float* query, Product product,
                 float* to) {
  const size_t dim = vectors.width(), ahead = rows_ahead(dim * sizeof(float));
  for (size_t i = 0; i < std::min(ahead, n); ++i) vectors.prefetch_row(rows[i]);
  for (size_t i = 0; i < n; ++i) {
    if (i + ahead < n) vectors.prefetch_row(rows[i + ahead]);
    to[i] = product(vectors[rows[i]], query, dim);
  }
}

py::array_t<float> of_some(py::handle of, const Array<int64_t>& rows, const Array<float>& query, Product product) {
  const Rows<float> vectors(of);
  if (query.size() != static_cast<py::ssize_t>(vectors.width())) throw py::value_error("the query has another dimension");
  const size_t n = static_cast<size_t>(rows.size());
  py::array_t<float> out(static_cast<py::ssize_t>(n));
  float* const to = out.mutable_data();
  const float* const point = query.data();
  const int64_t* const which = rows.data();
  py::gil_scoped_release free;
  products_of(vectors, which, n, point, product, to);
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

  // Of rows that were checked, as their errors are:
  void check_rows(const int64_t* rows, size_t n) const { codes.values.check_rows(rows, n), residuals.check_rows(rows, n); }

  float estimate(int64_t row, int32_t product) const {
    return *codes.offsets[row] - factor * *codes.scales[row] * static_cast<float>(product);
  }
  float error(int64_t row) const { return *residuals.unchecked(static_cast<size_t>(row)) * slope + slack; }

  Codes codes;
  Rows<float> residuals;
  Rows<int16_t> code_of;
  const int16_t* code;
  float factor, slope, slack;
};

// What kernels/sketch_scan.py calls Measure.
struct Measure {
  explicit Measure(const py::tuple& of)
      : vectors(of[0]), inverse(of[1]), query_of(of[2]), space(of[3].cast<int>()), growth(of[4].cast<double>()),
        shift(of[5].cast<double>()) {
    if (query_of.size() != vectors.width()) throw py::value_error("the query has another dimension");
  }

  // The largest estimate that the k-th nearest of some rows can have, by their vectors.
  float largest_estimate(const std::vector<int64_t>& rows, size_t k) const {
    std::vector<float> distances(rows.size());
    products_of(vectors, rows.data(), rows.size(), query_of[0], space == L2 ? simd.l2 : simd.dot, distances.data());
    for (size_t i = 0; space != L2 && i < rows.size(); ++i)
      distances[i] = 1.0f - (space == COSINE ? distances[i] * *inverse[rows[i]] : distances[i]);
    std::nth_element(distances.begin(), distances.begin() + static_cast<int64_t>(k - 1), distances.end());
    const double limit = static_cast<double>(distances[k - 1]) * growth + shift;
    return std::nextafter(static_cast<float>(limit), std::numeric_limits<float>::infinity());
  }

  Rows<float> vectors, inverse, query_of;
  int space;
  double growth, shift;
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

// The rows that a scan looks at, block by block: those asked for, or all.
class Blocks {
 public:
  Blocks(const Array<int64_t>& rows, size_t n_all)
      : asked_(rows.size() ? rows.data() : nullptr), n_(rows.size() ? static_cast<size_t>(rows.size()) : n_all) {}

  size_t size() const { return n_; }
  size_t stop(size_t start) const { return std::min(start + BLOCK, n_); }
  size_t n_ahead(size_t stop) const { return std::min(ROWS_AHEAD, n_ - stop); }

  int64_t row(size_t at) const { return asked_ ? asked_[at] : static_cast<int64_t>(at); }

  // The numbers from `start` on: of a block and of what comes behind it.
  const int64_t* from(size_t start) {
    if (asked_) return asked_ + start;
    for (size_t i = 0; i < BLOCK + ROWS_AHEAD; ++i) counted_[i] = static_cast<int64_t>(start + i);
    return counted_;
  }

 private:
  const int64_t* asked_;
  size_t n_;
  int64_t counted_[BLOCK + ROWS_AHEAD];
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

py::array_t<int64_t> in_reach(const py::tuple& coded, const py::tuple& target, const Array<int64_t>& asked, size_t k,
                              float within) {
  const CodedScan scan(coded, target);
  Blocks blocks(asked, scan.codes.size());
  const size_t n = blocks.size();
  Scratch<int64_t> kept(n);
  Scratch<float> least(n);
  size_t n_near = 0;
  {
    py::gil_scoped_release free;
    Smallest nearest(k, within);  // the largest possible estimates of the k best rows so far
    size_t n_kept = 0;
    int32_t products[BLOCK];
    for (size_t start = 0; start < n; start = blocks.stop(start)) {
      const size_t stop = blocks.stop(start);
      const int64_t* const rows = blocks.from(start);
      scan.check_rows(rows, stop - start);
      simd.code_products(scan.codes.values.unchecked(0), scan.codes.values.width(), rows, stop - start,
                         blocks.n_ahead(stop), scan.code, products);
      for (size_t i = 0; i < stop - start; ++i) {
        const float estimate = scan.estimate(rows[i], products[i]), error = scan.error(rows[i]);
        nearest.offer(estimate + error);
        if (estimate - error <= nearest.kth()) {
          kept[n_kept] = rows[i];
          least[n_kept++] = estimate - error;
        }
      }
    }
    for (size_t i = 0; i < n_kept; ++i)
      if (least[i] <= nearest.kth()) kept[n_near++] = kept[i];
  }
  return to_array(kept.data(), n_near);
}

py::tuple not_ruled_out(const py::tuple& sketched, const py::tuple& sketch, const py::tuple& measure,
                        const Array<int64_t>& asked, size_t k, float within) {
  constexpr size_t SEEDS_PER_ROW = 4;  // see kernels/sketch_scan.py
  const Rows<int8_t> first(sketched[0]), second(sketched[2]);
  const Rows<float> first_terms(sketched[1]), second_terms(sketched[3]);
  const Rows<int16_t> code_of(sketch[0]);
  const Rows<float> first_slopes_of(sketch[2]), slopes_of(sketch[3]);
  const float factor = sketch[1].cast<float>();
  const Measure exact(measure);
  if (first.width() != HALF || second.width() != HALF || code_of.size() != 2 * HALF || first_terms.width() != 4 ||
      second_terms.width() != 2 || first_slopes_of.size() != 3 || slopes_of.size() != 3)
    throw py::value_error("a sketch has another shape");
  const int16_t* const code = code_of[0];
  const float *const first_slopes = first_slopes_of[0], *const slopes = slopes_of[0];
  Blocks blocks(asked, first.size());
  const size_t n = blocks.size(), n_seeds = std::min(SEEDS_PER_ROW * k, n);
  Scratch<float> least(n);
  Scratch<float, 1> estimates(n);
  Scratch<int64_t> kept(n);
  size_t n_kept = 0, n_left = 0;
  float limit;
  {
    py::gil_scoped_release free;
    // By the first half: the estimate and the least possible one of each row, and the rows of the smallest estimates.
    std::vector<float> smallest(n_seeds);
    std::vector<int64_t> seeds(n_seeds);
    int32_t products[BLOCK];
    for (size_t start = 0; start < n; start = blocks.stop(start)) {
      const size_t stop = blocks.stop(start);
      const int64_t* const rows = blocks.from(start);
      first.check_rows(rows, stop - start), first_terms.check_rows(rows, stop - start);
      simd.half_products(first.unchecked(0), rows, stop - start, blocks.n_ahead(stop), code, products);
      simd.sketch_estimates(first_terms.unchecked(0), rows, stop - start, products, factor, first_slopes,
                            &estimates[start], &least[start]);
      for (size_t i = start; i < stop; ++i) {
        const float estimate = estimates[i];
        if (i < n_seeds || estimate < smallest[n_seeds - 1]) {
          size_t at = std::min(i, n_seeds - 1);
          for (; at > 0 && smallest[at - 1] > estimate; --at) smallest[at] = smallest[at - 1], seeds[at] = seeds[at - 1];
          smallest[at] = estimate;
          seeds[at] = rows[i - start];
        }
      }
    }
    limit = std::min(exact.largest_estimate(seeds, k), within);
    for (size_t i = 0; i < n; ++i) {  // without a branch: they come in no order
      kept[n_kept] = static_cast<int64_t>(i);
      n_kept += least[i] <= limit;
    }
    // By the whole sketch.
    int64_t rows[BLOCK + ROWS_AHEAD];
    for (size_t start = 0; start < n_kept; start += BLOCK) {
      const size_t count = std::min(BLOCK, n_kept - start), n_ahead = std::min(ROWS_AHEAD, n_kept - start - count);
      for (size_t i = 0; i < count + n_ahead; ++i) {
        rows[i] = blocks.row(static_cast<size_t>(kept[start + i]));
        second_terms.prefetch_row(rows[i]);
      }
      second.check_rows(rows, count), second_terms.check_rows(rows, count);
      simd.half_products(second.unchecked(0), rows, count, n_ahead, code + HALF, products);
      for (size_t i = 0; i < count; ++i) {
        const auto row = static_cast<size_t>(rows[i]);
        const float step = first_terms.unchecked(row)[1], *const terms = second_terms.unchecked(row);
        const float of_first = estimates[static_cast<size_t>(kept[start + i])];
        const float estimate = of_first - factor * step * static_cast<float>(products[i]);
        kept[n_left] = rows[i];
        n_left += estimate - (terms[0] * slopes[0] + terms[1] * slopes[1] + slopes[2]) <= limit;
      }
    }
  }
  return py::make_tuple(to_array(kept.data(), n_left), limit);
}
