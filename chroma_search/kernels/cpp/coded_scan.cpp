// The scan that reads sketches before codes, and codes before vectors, without the GIL.
#include "coded_scan.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "blocks.h"
#include "coded_target.h"
#include "scans.h"
#include "signs.h"

namespace {

constexpr size_t SEEDS_PER_ROW = 4;  // rows measured per row wanted, to bound the k-th: 16 ruled out 1 % more (2026-11)
constexpr size_t FEW = 200;          // rows whose codes are read before a query is made ready for their sketches (14 us)
constexpr float LARGEST = 1e38f;     // of a limit: beyond it no estimate is left out, short of it none can be

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

// The n rows of the smallest estimates of a scan, ascending.
class Seeds {
 public:
  explicit Seeds(size_t n) : n_(n) { estimates_.reserve(n), rows_.reserve(n); }

  void offer(float estimate, int64_t row) {
    if (rows_.size() == n_) {
      if (!(estimate < estimates_.back())) return;
      estimates_.pop_back(), rows_.pop_back();
    }
    const auto at = std::upper_bound(estimates_.begin(), estimates_.end(), estimate) - estimates_.begin();
    estimates_.insert(estimates_.begin() + at, estimate);
    rows_.insert(rows_.begin() + at, row);
  }

  const std::vector<int64_t>& rows() const { return rows_; }

 private:
  size_t n_;
  std::vector<float> estimates_;
  std::vector<int64_t> rows_;
};

// Distances of rows, by their vectors.
std::vector<float> measured_at(const MeasuredRows& of, const float* point, const int64_t* rows, size_t n) {
  std::vector<float> distances(n);
  products_of(of.vectors, rows, n, point, of.space == L2 ? simd.l2 : simd.dot, distances.data());
  for (size_t i = 0; of.space != L2 && i < n; ++i)
    distances[i] = 1.0f - (of.space == COSINE ? distances[i] * *of.inverse[rows[i]] : distances[i]);
  return distances;
}

// The largest estimate that the k-th nearest of rows at these distances can have.
float largest_estimate(const CodedTarget& target, std::vector<float> distances, size_t k) {
  std::nth_element(distances.begin(), distances.begin() + static_cast<int64_t>(k - 1), distances.end());
  return target.largest_at(distances[k - 1]);
}

// Write the rows that their sketches do not rule out to `left`; return how many. The limit is lowered.
size_t by_sketches(const MeasuredRows& measured, const CodedTarget& target, const float* point, const SketchedRows& of,
                   Blocks& blocks, size_t k, double unlikely, float& limit, int64_t* left, size_t& n_by_axes) {
  const SketchedTarget aim(target, of, unlikely);
  const size_t n = blocks.size();
  Scratch<float> least(n);
  Seeds seeds(std::min(SEEDS_PER_ROW * k, n));
  int32_t products[BLOCK];
  float estimates[BLOCK];
  for (size_t start = 0; start < n; start = blocks.stop(start)) {
    const size_t stop = blocks.stop(start);
    const int64_t* const rows = blocks.from(start);
    of.values.check_rows(rows, stop - start);
    simd.sketch_products(of.values.unchecked(0), rows, stop - start, blocks.n_ahead(stop), aim.code, products);
    simd.sketch_estimates(of.values.unchecked(0), rows, stop - start, products, aim.factor, aim.shift, aim.slopes,
                          estimates, &least[start]);
    for (size_t i = 0; i < stop - start; ++i) seeds.offer(estimates[i], rows[i]);
  }
  const auto& seed = seeds.rows();
  limit = std::min(limit, largest_estimate(target, measured_at(measured, point, seed.data(), seed.size()), k));
  const size_t n_kept = n_by_axes = simd.positions_within(&least[0], n, limit, left);
  size_t n_left = 0;
  int64_t rows[BLOCK + ROWS_AHEAD];
  float by_axes[BLOCK], steps[BLOCK], sizes[BLOCK], lost[BLOCK], lowest[BLOCK];
  for (size_t start = 0; start < n_kept; start += BLOCK) {
    const size_t count = std::min(BLOCK, n_kept - start), n_ahead = std::min(ROWS_AHEAD, n_kept - start - count);
    for (size_t i = 0; i < count + n_ahead; ++i) rows[i] = blocks.row(static_cast<size_t>(left[start + i]));
    of.signs.check_rows(rows, count);
    simd.signs_products(of.signs.unchecked(0), of.signs.width(), rows, count, n_ahead, aim.signs.data(),
                        aim.total_of_signs, products);
    for (size_t i = 0; i < count; ++i) {
      const auto row = static_cast<size_t>(rows[i]);
      std::memcpy(&sizes[i], of.signs.unchecked(row), sizeof sizes[i]);
      std::memcpy(&lost[i], of.signs.unchecked(row) + sizeof sizes[i], sizeof lost[i]);
      const SketchHead head(of.values.unchecked(row));
      steps[i] = head.step;
      by_axes[i] = least[static_cast<size_t>(left[start + i])] + aim.error_by_axes(head);
    }
    simd.least_by_signs(aim.by_signs, count, by_axes, steps, sizes, lost, products, lowest);
    for (size_t i = 0; i < count; ++i) {
      left[n_left] = rows[i];
      n_left += lowest[i] <= limit;
    }
  }
  return n_left;
}

// The same by their codes; with the least estimate that each row can have.
size_t by_codes(const CodedTarget& target, const CodedRows& of, Blocks& blocks, size_t k, float limit, int64_t* left,
                Scratch<float>& least) {
  const size_t n = blocks.size();
  Smallest nearest(k, limit);  // the largest possible estimates of the k best rows so far
  size_t n_kept = 0, n_left = 0;
  int32_t products[BLOCK];
  for (size_t start = 0; start < n; start = blocks.stop(start)) {
    const size_t stop = blocks.stop(start);
    const int64_t* const rows = blocks.from(start);
    of.values.check_rows(rows, stop - start), of.residuals.check_rows(rows, stop - start);
    for (size_t i = 0; i < stop - start; ++i) of.scales.prefetch_row(rows[i]), of.offsets.prefetch_row(rows[i]);
    simd.code_products(of.values.unchecked(0), of.values.width(), rows, stop - start, blocks.n_ahead(stop),
                       target.code.data(), products);
    for (size_t i = 0; i < stop - start; ++i) {
      const auto row = static_cast<size_t>(rows[i]);
      const float scale = *of.scales.unchecked(row);
      const float product = static_cast<float>(products[i]) - target.shift;
      const float estimate = *of.offsets.unchecked(row) - target.factor * scale * product;
      const float error = *of.residuals.unchecked(row) * target.by_residual + scale * target.by_scale + target.slack;
      nearest.offer(estimate + error);
      if (estimate - error <= nearest.kth()) left[n_kept] = rows[i], least[n_kept++] = estimate - error;
    }
  }
  for (size_t i = 0; i < n_kept; ++i)
    if (least[i] <= nearest.kth()) left[n_left] = left[i], least[n_left++] = least[i];
  return n_left;
}

// Measure rows in the order of their least estimates, until these are above what the k-th nearest can have. Write those that
// could be among the k nearest to `left` again, ascending, and their distances.
size_t by_vectors(const MeasuredRows& of, const CodedTarget& target, const float* point, size_t k, float limit, size_t n,
                  int64_t* left, Scratch<float>& least, std::vector<float>& distances) {
  std::vector<std::pair<float, int64_t>> waiting(n), found;
  for (size_t i = 0; i < n; ++i) waiting[i] = {least[i], left[i]};
  std::sort(waiting.begin(), waiting.end());
  Smallest nearest(k, limit);
  const size_t together = std::max<size_t>(2 * k, 16);
  std::vector<int64_t> rows;
  for (size_t start = 0; start < n && waiting[start].first <= nearest.kth(); start += together) {
    rows.clear();
    for (size_t i = start; i < std::min(start + together, n); ++i) rows.push_back(waiting[i].second);
    const std::vector<float> measured = measured_at(of, point, rows.data(), rows.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      nearest.offer(target.largest_at(measured[i]));
      found.emplace_back(measured[i], rows[i]);
    }
  }
  const auto is_far = [&](const auto& each) { return target.least_at(each.first) > nearest.kth(); };
  found.erase(std::remove_if(found.begin(), found.end(), is_far), found.end());
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  distances.resize(found.size());
  for (size_t i = 0; i < found.size(); ++i) distances[i] = found[i].first, left[i] = found[i].second;
  return found.size();
}

void need(bool fits) {
  if (!fits) throw py::value_error("the query, codes or sketches have another dimension");
}

}  // namespace

py::object in_reach(const py::tuple& measured_of, const py::tuple& coded_of, const py::tuple& sketched_of,
                    const Array<float>& point, const Array<int64_t>& rows, const Array<bool>& bits, size_t k,
                    double within, double unlikely) {
  const MeasuredRows measured(measured_of);
  const CodedRows coded(coded_of);
  const SketchedRows sketched(sketched_of);
  const size_t dim = coded.values.width(), n_all = coded.values.size();
  need(static_cast<size_t>(point.size()) == dim && measured.vectors.width() == dim && coded.centre.size() == dim);
  need(coded.scales.size() == n_all && coded.offsets.size() == n_all && coded.residuals.size() == n_all);
  need(coded.dither.size() == 0 || coded.dither.size() == dim);
  need(!sketched.values.size() ||
       (sketched.values.size() == n_all && sketched.values.width() == SKETCH && sketched.signs.size() == n_all &&
        sketched.signs.width() > SIGNS_FROM && sketched.axes.size() == dim && sketched.axes.width() == SKETCH &&
        sketched.dither.size() == SKETCH));
  need(bits.size() == 0 || static_cast<size_t>(bits.size()) == n_all);
  need(static_cast<size_t>(rows.size()) <= n_all);
  Scratch<int64_t, 1> set(bits.size() ? n_all + 8 : 0);
  Scratch<int64_t> left(n_all + 8);
  std::vector<float> distances;
  size_t n_left = 0, n_by_axes = 0, n_by_signs = 0, n_by_codes = 0;
  bool is_fit;
  {
    py::gil_scoped_release free;
    Blocks blocks(rows.size() ? rows.data() : nullptr, rows.size() ? static_cast<size_t>(rows.size()) : n_all);
    if (bits.size()) {
      const auto* const bytes = reinterpret_cast<const uint8_t*>(bits.data());
      blocks = Blocks(set.data(), simd.positions_set(bytes, n_all, set.data()));
    }
    if (blocks.size() <= k) throw py::value_error("more rows than are wanted are needed");
    const CodedTarget target(measured, coded, point.data(), unlikely);
    is_fit = target.is_fit();
    if (is_fit) {
      const double largest = target.estimate_at(within) + target.rounding;
      float limit = std::isinf(within) ? std::numeric_limits<float>::infinity()
                                       : static_cast<float>(std::clamp<double>(largest, -LARGEST, LARGEST));
      const bool is_sketched = sketched.values.size() > 0 && blocks.size() > FEW;
      if (is_sketched) {
        n_left = by_sketches(measured, target, point.data(), sketched, blocks, k, unlikely, limit, left.data(), n_by_axes);
        n_by_signs = n_left;
        blocks = Blocks(left.data(), n_left);
      }
      Scratch<float> least(blocks.size());
      if (n_left > k || !is_sketched) n_left = by_codes(target, coded, blocks, k, limit, left.data(), least);
      else std::fill(&least[0], &least[0] + n_left, -LARGEST);
      n_by_codes = n_left;
      n_left = by_vectors(measured, target, point.data(), k, limit, n_left, left.data(), least, distances);
    }
  }
  if (!is_fit) return py::none();
  const auto counts = py::make_tuple(n_by_axes, n_by_signs, n_by_codes);
  return py::make_tuple(to_array(left.data(), n_left), to_array(distances.data(), n_left), counts);
}
