#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>

// The best rows so far, as one sorted array of keys: 32 bits that order as the distance does, 31 bits of the row, and a
// last bit that says whether the row was expanded. One array to shift instead of three made the work beside the distances
// a third.
class Beam {
 public:
  explicit Beam(size_t width) : keys_(new int64_t[width]), width_(width) {}

  size_t size() const { return size_; }
  bool is_full() const { return size_ == width_; }
  void clear() { size_ = 0; }
  static int64_t row_of(int64_t key) { return (key & 0xFFFFFFFF) >> 1; }
  int64_t row(size_t at) const { return row_of(keys_[at]); }
  bool is_expanded(size_t at) const { return keys_[at] & 1; }
  void expand(size_t at) { keys_[at] |= 1; }

  // Insert a row; return its place, or the width when it was not taken.
  size_t insert(float distance, int64_t row) {
    const int64_t key = key_of(distance, row);
    if (size_ == width_ && key >= keys_[size_ - 1]) return width_;
    int64_t* const place = std::lower_bound(keys_.get(), keys_.get() + size_, key);
    if (size_ < width_) ++size_;
    std::memmove(place + 1, place, static_cast<size_t>(keys_.get() + size_ - 1 - place) * sizeof(int64_t));
    *place = key;
    return static_cast<size_t>(place - keys_.get());
  }

  float distance(size_t at) const {
    int32_t order = static_cast<int32_t>(keys_[at] >> 32);
    if (order < 0) order ^= 0x7FFFFFFF;
    float found;
    std::memcpy(&found, &order, sizeof found);
    return found;
  }

  // Keep the rows that are allowed.
  void keep(const bool* bits) {
    int64_t* const end = std::remove_if(keys_.get(), keys_.get() + size_, [bits](int64_t key) { return !bits[row_of(key)]; });
    size_ = static_cast<size_t>(end - keys_.get());
  }

 private:
  static int64_t key_of(float distance, int64_t row) {
    int32_t order;
    std::memcpy(&order, &distance, sizeof order);
    if (std::isnan(distance))
      order = 0x7FFFFFFF;
    else if (order < 0)
      order ^= 0x7FFFFFFF;
    return (static_cast<int64_t>(order) << 32) | (row << 1);
  }

  std::unique_ptr<int64_t[]> keys_;
  size_t width_;
  size_t size_ = 0;
};
