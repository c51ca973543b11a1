// Rows: an array of numpy as the kernels read it, row by row.
//
// Rows of a file come as CheckedRows (kernels/checked_rows.py): a byte per block says whether the block was checked. A row
// whose blocks were not is handed to Python to be checked before its first byte is read; that takes the GIL, once a block.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "simd.h"

namespace py = pybind11;

template <typename T>
using Array = py::array_t<T, py::array::c_style>;

template <typename T>
class Rows {
 public:
  // Take an array or CheckedRows; needs the GIL. Throws TypeError for another dtype, or rows that are not C-contiguous.
  explicit Rows(py::handle source) {
    if (!py::isinstance<py::array>(source)) {
      py::tuple parts = source.attr("unchecked")();  // array, flags or None, bytes per block
      if (!parts[1].is_none()) {
        checker_ = source;
        flags_ = reinterpret_cast<const volatile uint8_t*>(PyByteArray_AsString(parts[1].ptr()));
        block_bytes_ = parts[2].cast<size_t>();
      }
      array_ = parts[0];
    } else {
      array_ = py::reinterpret_borrow<py::object>(source);
    }
    if (!Array<T>::check_(array_))
      throw py::type_error("a C-contiguous array of " + py::str(py::dtype::of<T>()).template cast<std::string>() +
                           " is needed");
    auto array = py::reinterpret_borrow<Array<T>>(array_);
    data_ = array.data();
    n_ = array.ndim() ? static_cast<size_t>(array.shape(0)) : 1;
    width_ = n_ ? static_cast<size_t>(array.size()) / n_ : (array.ndim() > 1 ? static_cast<size_t>(array.shape(1)) : 1);
    row_bytes_ = width_ * sizeof(T);
  }

  size_t size() const { return n_; }
  size_t width() const { return width_; }

  const T* operator[](int64_t row) const {
    if (flags_) check(static_cast<size_t>(row), static_cast<size_t>(row) + 1);
    return data_ + static_cast<size_t>(row) * width_;
  }

  // What stands at a row, which the caller has checked.
  const T* unchecked(size_t row) const { return data_ + row * width_; }

  // Check rows `begin` to `end` - 1; the GIL need not be held.
  void check(size_t begin, size_t end) const {
    if (!flags_ || begin >= end || !row_bytes_) return;
    const size_t first = begin * row_bytes_ / block_bytes_, last = (end * row_bytes_ - 1) / block_bytes_;
    for (size_t block = first; block <= last; ++block) {
      if (flags_[block]) continue;
      py::gil_scoped_acquire held;
      py::reinterpret_borrow<py::object>(checker_).attr("check_blocks")(first, last + 1);
      return;
    }
  }

  // Check these rows; neighbours cost one look at a mark per block.
  void check_rows(const int64_t* rows, size_t n) const {
    if (!flags_ || !row_bytes_) return;
    size_t low = 0, high = 0;  // rows from low to high - 1 lie in blocks that were checked
    for (size_t i = 0; i < n; ++i) {
      const size_t row = static_cast<size_t>(rows[i]);
      if (row >= low && row < high) continue;
      check(row, row + 1);
      const size_t first = row * row_bytes_ / block_bytes_, last = ((row + 1) * row_bytes_ - 1) / block_bytes_;
      low = (first * block_bytes_ + row_bytes_ - 1) / row_bytes_;
      high = (last + 1) * block_bytes_ / row_bytes_;
    }
  }

  void prefetch_row(int64_t row) const { prefetch(data_ + static_cast<size_t>(row) * width_, row_bytes_); }

 private:
  py::object array_;
  py::handle checker_;  // the caller's argument: it outlives the call
  const volatile uint8_t* flags_ = nullptr;
  const T* data_ = nullptr;
  size_t n_ = 0, width_ = 0, row_bytes_ = 0, block_bytes_ = 1;
};

// A new array of numpy with these elements; needs the GIL.
template <typename T>
py::array_t<T> to_array(const T* elements, size_t n) {
  py::array_t<T> made(static_cast<py::ssize_t>(n));
  std::copy(elements, elements + n, made.mutable_data());
  return made;
}
