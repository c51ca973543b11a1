// See kernels/graph_search.py, which describes each of these.
#pragma once

#include "rows.h"

py::tuple coded_query_of(const Array<float>& query, const Array<float>& centre, int space);
py::tuple descend(const py::tuple& graph, const Array<float>& query, int space);
double share_around(py::handle links, const Array<bool>& bits, int64_t row);
py::tuple search(const py::tuple& graph, const Array<float>& query, int space, size_t width, Array<uint8_t>& marks,
                 uint8_t mark);
py::tuple masked_search(const py::tuple& graph, const Array<float>& query, int space, const Array<bool>& bits,
                        const Array<int64_t>& starts, size_t width, int64_t degree, size_t budget, Array<uint8_t>& marks,
                        uint8_t mark);
