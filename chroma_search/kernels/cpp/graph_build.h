// Inserting rows into an HNSW graph: see kernels/graph_build.py.
#pragma once

#include <memory>
#include <vector>

#include "beam.h"
#include "rows.h"
#include "simd.h"

// Points and how far they are from each other: codes of them, or floats. See BuildPoints in kernels/graph_build.py.
class Points {
 public:
  explicit Points(const py::tuple& of);

  size_t size() const { return n_; }

  float between(int64_t a, int64_t b) const {
    if (!is_coded_) return is_product_ ? -simd.dot(floats_[a], floats_[b], dim_) : simd.l2(floats_[a], floats_[b], dim_);
    const Code &one = code(a), &other = code(b);
    const auto product = static_cast<float>(simd.codes_product(one.values, other.values, dim_));
    return (one.offset + other.offset - 2.0f * one.scale * other.scale * product) * one.factor * other.factor;
  }

  void prefetch(int64_t row) const {
    if (is_coded_)
      ::prefetch(&code(row), stride_);
    else
      floats_.prefetch_row(row);
  }

 private:
  // A code and the numbers that go with it side by side: whoever waits for one gets the others too.
  struct Code {
    float offset, scale, factor;
    int8_t values[4];  // dim_ of them
  };

  const Code& code(int64_t row) const { return *reinterpret_cast<const Code*>(packed_ + static_cast<size_t>(row) * stride_); }

  bool is_coded_, is_product_;
  size_t n_, dim_, stride_ = 0;
  std::unique_ptr<uint8_t[]> memory_;
  uint8_t* packed_ = nullptr;  // where the first cache line in it begins
  Rows<float> floats_;
};

class GraphBuilder {
 public:
  GraphBuilder(const py::tuple& points, Array<int32_t> links, Array<int32_t> upper_links, const Array<int32_t>& levels,
               int64_t entry, size_t ef_construction);

  void insert(const Array<int64_t>& rows);
  int64_t entry() const { return entry_; }

 private:
  struct Near {
    int64_t row;
    float distance;
  };

  // The links of a row on one layer, and how long each is (NaN where that is not known yet).
  struct List {
    int32_t* rows;
    float* distances;
    int32_t* count;
    size_t room;
  };

  List list(int64_t row, int64_t layer);
  void insert(int64_t row);
  Near walk_down(int64_t row, Near from, int64_t layer);
  void search(int64_t row, Near from, int64_t layer);
  void choose(const std::vector<Near>& candidates, size_t room);
  void connect(int64_t row, Near to, int64_t layer);

  Points points_;
  Array<int32_t> links_of_, upper_links_of_;
  int32_t *links_, *upper_links_;
  std::vector<int32_t> levels_, counts_, upper_counts_;
  std::vector<int64_t> upper_start_;
  std::vector<float> distances_, upper_distances_;
  size_t width_, upper_width_;
  int64_t entry_;
  Beam beam_;
  std::vector<uint16_t> marks_;
  uint16_t mark_ = 0;
  std::vector<Near> candidates_, chosen_;
  std::vector<int64_t> met_;
};
