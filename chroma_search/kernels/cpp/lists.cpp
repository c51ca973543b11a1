// Lists of rows, read one after the other without the GIL. Sums are float64 in strict order: this file is compiled so that
// no product is fused with a sum (-ffp-contract=off), and gives the bits of a plain loop.
#include "lists.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <vector>

#include "simd.h"

namespace {

struct Freed {
  void operator()(void* memory) const { std::free(memory); }
};

// Memory of zeros from fresh pages: only those touched are paid for.
template <typename T>
std::unique_ptr<T[], Freed> zeros(size_t n) {
  auto made = static_cast<T*>(std::calloc(n ? n : 1, sizeof(T)));
  if (!made) throw std::bad_alloc();
  return std::unique_ptr<T[], Freed>(made);
}

// With fewer postings than one per so many rows, sums are kept per row found instead of per row of the segment.
constexpr py::ssize_t SPARSE_SHARE = 16;

struct PostingList {
  Array<int32_t> rows, counts;
  double weight;

  double part(py::ssize_t i, const double* norms, double k1) const {
    const double count = counts.data()[i];
    return count * (k1 + 1.0) / (count + norms[rows.data()[i]]) * weight;
  }
};

}  // namespace

py::tuple weighted_sums(const Array<int64_t>& starts, const Array<int64_t>& ends, const Array<int32_t>& rows,
                        const Array<float>& weights, const Array<double>& factors, size_t n_rows) {
  std::vector<int64_t> found;
  std::vector<double> totals;
  {
    py::gil_scoped_release free;
    const auto sums = zeros<double>(n_rows);
    const auto seen = zeros<bool>(n_rows);
    for (py::ssize_t list = 0; list < starts.size(); ++list) {
      const double factor = factors.data()[list];
      for (int64_t p = starts.data()[list]; p < ends.data()[list]; ++p) {
        const int32_t row = rows.data()[p];
        if (!seen[static_cast<size_t>(row)]) {
          seen[static_cast<size_t>(row)] = true;
          found.push_back(row);
        }
        sums[static_cast<size_t>(row)] += static_cast<double>(weights.data()[p]) * factor;
      }
    }
    totals.reserve(found.size());
    for (const int64_t row : found) totals.push_back(sums[static_cast<size_t>(row)]);
  }
  return py::make_tuple(to_array(found.data(), found.size()), to_array(totals.data(), totals.size()));
}

// The sums of lists with few postings: kept per row found.
static void add_few(const std::vector<PostingList>& lists, const double* norms, double k1, std::vector<int64_t>& found,
                    std::vector<double>& totals) {
  std::vector<int64_t> merged;
  for (const PostingList& list : lists) {
    merged.clear();
    std::set_union(found.begin(), found.end(), list.rows.data(), list.rows.data() + list.rows.size(),
                   std::back_inserter(merged));
    found.swap(merged);
  }
  totals.assign(found.size(), 0.0);
  for (const PostingList& list : lists) {
    size_t at = 0;
    for (py::ssize_t i = 0; i < list.rows.size(); ++i) {
      while (found[at] != list.rows.data()[i]) ++at;
      totals[at] += list.part(i, norms, k1);
    }
  }
}

// The sums of lists with many: kept for every row.
static void add_many(const std::vector<PostingList>& lists, const double* norms, double k1, size_t n_rows,
                     std::vector<int64_t>& found, std::vector<double>& totals) {
  const auto sums = zeros<double>(n_rows);
  const auto seen = zeros<bool>(n_rows);
  size_t n_seen = 0;
  for (const PostingList& list : lists) {
    for (py::ssize_t i = 0; i < list.rows.size(); ++i) {
      const auto row = static_cast<size_t>(list.rows.data()[i]);
      sums[row] += list.part(i, norms, k1);
      n_seen += !seen[row];
      seen[row] = true;
    }
  }
  found.reserve(n_seen);
  totals.reserve(n_seen);
  for (size_t row = 0; row < n_rows; ++row) {
    if (!seen[row]) continue;
    found.push_back(static_cast<int64_t>(row));
    totals.push_back(sums[row]);
  }
}

py::tuple bm25_scores(const py::list& of, const Array<double>& norms, double k1) {
  std::vector<PostingList> lists;
  py::ssize_t n_postings = 0;
  for (const py::handle each : of) {
    const auto parts = py::cast<py::tuple>(each);
    if (!Array<int32_t>::check_(parts[0]) || !Array<int32_t>::check_(parts[1])) throw py::type_error("int32 arrays are needed");
    lists.push_back({parts[0].cast<Array<int32_t>>(), parts[1].cast<Array<int32_t>>(), parts[2].cast<double>()});
    n_postings += lists.back().rows.size();
  }
  std::vector<int64_t> found;
  std::vector<double> totals;
  {
    py::gil_scoped_release free;
    if (n_postings * SPARSE_SHARE < norms.size())
      add_few(lists, norms.data(), k1, found, totals);
    else
      add_many(lists, norms.data(), k1, static_cast<size_t>(norms.size()), found, totals);
  }
  return py::make_tuple(to_array(found.data(), found.size()), to_array(totals.data(), totals.size()));
}

py::array_t<bool> lists_with_match(const Array<int64_t>& offsets, const Array<int32_t>& rows, const Array<bool>& bits) {
  py::array_t<bool> has_match(offsets.size() - 1);
  bool* const to = has_match.mutable_data();
  py::gil_scoped_release free;
  for (py::ssize_t list = 0; list + 1 < offsets.size(); ++list) {
    to[list] = false;
    for (int64_t i = offsets.data()[list]; i < offsets.data()[list + 1]; ++i) {
      if (!bits.data()[rows.data()[i]]) continue;
      to[list] = true;
      break;
    }
  }
  return has_match;
}

py::array_t<int64_t> rows_in_lists(const Array<int64_t>& offsets, const Array<int32_t>& rows, const Array<int64_t>& lists,
                                   const Array<bool>& bits, Array<uint8_t>& marks_of, uint8_t mark) {
  std::vector<int64_t> met;
  uint8_t* const marks = marks_of.mutable_data();
  {
    py::gil_scoped_release free;
    for (py::ssize_t at = 0; at < lists.size(); ++at) {
      const int64_t list = lists.data()[at];
      for (int64_t i = offsets.data()[list]; i < offsets.data()[list + 1]; ++i) {
        const int32_t row = rows.data()[i];
        if (marks[row] == mark) continue;
        marks[row] = mark;
        if (!bits.size() || bits.data()[row]) met.push_back(row);
      }
    }
  }
  return to_array(met.data(), met.size());
}

py::array_t<int32_t> replicas(const Array<int64_t>& near, const Array<float>& distances, const Array<float>& centroids,
                              size_t count, double reach, double factor) {
  const auto n = static_cast<size_t>(near.shape(0)), n_near = static_cast<size_t>(near.shape(1));
  const auto dim = static_cast<size_t>(centroids.shape(1));
  py::array_t<int32_t> chosen_of({static_cast<py::ssize_t>(n), static_cast<py::ssize_t>(count)});
  int32_t* const all = chosen_of.mutable_data();
  py::gil_scoped_release free;
  std::fill(all, all + n * count, -1);
  for (size_t row = 0; row < n; ++row) {
    const int64_t* const lists = near.data() + row * n_near;
    const float* const away = distances.data() + row * n_near;
    int32_t* const chosen = all + row * count;
    size_t n_chosen = 0;
    for (size_t j = 0; j < n_near && n_chosen < count; ++j) {
      bool joins = j == 0 || away[j] <= reach * away[0];
      const float* const candidate = centroids.data() + static_cast<size_t>(lists[j]) * dim;
      for (size_t i = 0; joins && i < n_chosen; ++i)
        joins = factor * simd.l2(centroids.data() + static_cast<size_t>(chosen[i]) * dim, candidate, dim) > away[j];
      if (joins) chosen[n_chosen++] = static_cast<int32_t>(lists[j]);
    }
  }
  return chosen_of;
}
