// Scans over all rows or some: see kernels/distance.py, kernels/coded_scan.py and kernels/sketch_scan.py.
#pragma once

#include "rows.h"

py::array_t<float> l2_all(py::handle vectors, const Array<float>& query);
py::array_t<float> l2_rows(py::handle vectors, const Array<int64_t>& rows, const Array<float>& query);
py::array_t<float> dot_all(py::handle vectors, const Array<float>& query);
py::array_t<float> dot_rows(py::handle vectors, const Array<int64_t>& rows, const Array<float>& query);
py::array_t<int64_t> in_reach(const py::tuple& coded, const py::tuple& target, const Array<int64_t>& rows, size_t k,
                              float within);
py::tuple not_ruled_out(const py::tuple& sketched, const py::tuple& sketch, const py::tuple& measure,
                        const Array<int64_t>& rows, size_t k, float within);
