// Which rows could be among the nearest, by sketches and codes: what kernels/coded_scan.py describes.
#pragma once

#include "rows.h"

py::object in_reach(const py::tuple& measured, const py::tuple& coded, const py::tuple& sketched, const Array<float>& point,
                    const Array<int64_t>& rows, const Array<bool>& bits, size_t k, double within, double unlikely);
