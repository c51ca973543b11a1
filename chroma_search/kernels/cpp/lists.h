// Lists of rows: see kernels/posting.py, kernels/bm25.py and kernels/centroid_list.py.
#pragma once

#include "rows.h"

py::tuple weighted_sums(const Array<int64_t>& starts, const Array<int64_t>& ends, const Array<int32_t>& rows,
                        const Array<float>& weights, const Array<double>& factors, size_t n_rows);
py::tuple bm25_scores(const py::list& lists, const Array<double>& norms, double k1);
py::array_t<bool> lists_with_match(const Array<int64_t>& offsets, const Array<int32_t>& rows, const Array<bool>& bits);
py::array_t<int64_t> rows_in_lists(const Array<int64_t>& offsets, const Array<int32_t>& rows, const Array<int64_t>& lists,
                                   const Array<bool>& bits, Array<uint8_t>& marks, uint8_t mark);
py::array_t<int32_t> replicas(const Array<int64_t>& near, const Array<float>& distances, const Array<float>& centroids,
                              size_t count, double reach, double factor);
