// How scans go through many rows: block by block, in memory that a thread keeps.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "rows.h"
#include "simd.h"

constexpr size_t BLOCK = 256;  // rows whose products are made together: they stay in the nearest cache

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
  T* data() { return data_; }

 private:
  static constexpr size_t MOST_KEPT = size_t{1} << 20;
  std::unique_ptr<T[]> own_;
  T* data_;
};

// The rows that a scan looks at: those asked for, or all.
class Blocks {
 public:
  Blocks(const int64_t* asked, size_t n) : asked_(asked), n_(n) {}

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
  const int64_t* asked_;  // null: all rows, by their numbers
  size_t n_;
  int64_t counted_[BLOCK + ROWS_AHEAD];
};
