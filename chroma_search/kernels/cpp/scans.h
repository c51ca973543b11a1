// Scans over all rows or some: see kernels/distance.py.
#pragma once

#include "rows.h"

using Product = float (*)(const float*, const float*, size_t);

// The product of each of n rows with a query; needs no GIL.
void products_of(const Rows<float>& vectors, const int64_t* rows, size_t n, const float* query, Product product, float* to);

py::array_t<float> l2_all(py::handle vectors, const Array<float>& query);
py::array_t<float> l2_rows(py::handle vectors, const Array<int64_t>& rows, const Array<float>& query);
py::array_t<float> dot_all(py::handle vectors, const Array<float>& query);
py::array_t<float> dot_rows(py::handle vectors, const Array<int64_t>& rows, const Array<float>& query);

// What indexes/vector/exact_distances.py gives.
py::array_t<double> exact_distances(const Array<float>& vectors, const Array<float>& query, int space);
