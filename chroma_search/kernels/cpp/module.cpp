// chroma_search.kernels.compiled: what Python calls. Signatures and types: compiled.pyi; meaning: the modules beside it.
#include <pybind11/pybind11.h>

#include "coded_scan.h"
#include "graph_build.h"
#include "graph_search.h"
#include "lists.h"
#include "scans.h"
#include "signs.h"
#include "simd.h"

// Arrays are taken as they are: a copy made on the way would cost more than the call, and lose what is written to it.
#define HERE(name) py::arg(name).noconvert()

PYBIND11_MODULE(compiled, m) {
  m.attr("INSTRUCTIONS") = simd.name;
  m.def("coded_query", coded_query_of, HERE("query"), HERE("centre"), py::arg("space"));
  m.def("descend", descend, py::arg("graph"), HERE("query"), py::arg("space"));
  m.def("share_around", share_around, py::arg("links"), HERE("bits"), py::arg("row"));
  m.def("search", search, py::arg("graph"), HERE("query"), py::arg("space"), py::arg("width"), HERE("marks"),
        py::arg("mark"));
  m.def("masked_search", masked_search, py::arg("graph"), HERE("query"), py::arg("space"), HERE("bits"), HERE("starts"),
        py::arg("width"), py::arg("degree"), py::arg("budget"), HERE("marks"), py::arg("mark"));
  py::class_<GraphBuilder>(m, "GraphBuilder")
      .def(py::init<const py::tuple&, Array<int32_t>, Array<int32_t>, const Array<int32_t>&, int64_t, size_t>(),
           py::arg("points"), HERE("links"), HERE("upper_links"), HERE("levels"), py::arg("entry"), py::arg("ef_construction"))
      .def("insert", py::overload_cast<const Array<int64_t>&>(&GraphBuilder::insert), HERE("rows"))
      .def_property_readonly("entry", &GraphBuilder::entry);
  m.def("l2_all", l2_all, py::arg("vectors"), HERE("query"));
  m.def("l2_rows", l2_rows, py::arg("vectors"), HERE("rows"), HERE("query"));
  m.def("dot_all", dot_all, py::arg("vectors"), HERE("query"));
  m.def("dot_rows", dot_rows, py::arg("vectors"), HERE("rows"), HERE("query"));
  m.def("exact_distances", exact_distances, HERE("vectors"), HERE("query"), py::arg("space"));
  m.def("in_reach", in_reach, py::arg("measured"), py::arg("coded"), py::arg("sketched"), HERE("point"), HERE("rows"),
        HERE("bits"), py::arg("k"), py::arg("within"), py::arg("unlikely"));
  m.def("turned", turned, HERE("vector"), py::arg("width"));
  m.def("signs_of", signs_of, HERE("rows"), py::arg("width"));
  m.def("weighted_sums", weighted_sums, HERE("starts"), HERE("ends"), HERE("rows"), HERE("weights"), HERE("factors"),
        py::arg("n_rows"));
  m.def("bm25_scores", bm25_scores, py::arg("lists"), HERE("norms"), py::arg("k1"));
  m.def("lists_with_match", lists_with_match, HERE("offsets"), HERE("rows"), HERE("bits"));
  m.def("rows_in_lists", rows_in_lists, HERE("offsets"), HERE("rows"), HERE("lists"), HERE("bits"), HERE("marks"),
        py::arg("mark"));
  m.def("replicas", replicas, HERE("near"), HERE("distances"), HERE("centroids"), py::arg("count"), py::arg("reach"),
        py::arg("factor"));
}
