"""Beam search over a navigable graph, with and without a mask.

The plain search is that of HNSW (Y. Malkov, D. Yashunin, Efficient and robust approximate nearest neighbor search using
hierarchical navigable small world graphs, 2018, algorithms 2 and 5). The masked one walks the graph of the allowed rows
in the manner of ACORN-1 (L. Patel et al., ACORN: performant and predicate-agnostic search over vector embeddings and
structured data, 2024): only allowed rows are measured and kept, and the links of rows that are not allowed are followed
as if they were links of the row they were reached from. Differences: ACORN-1 looks two links far; here a breadth-first
walk over hidden rows goes on until `degree` allowed rows were seen or `budget` hidden rows passed (recall at 1 % random
selectivity 0.57 -> 0.91), and the search also starts from rows spread over the mask, because the neighbourhood of the
entry may hold none (recall of a filter far from the query 0.12 -> 0.93).

A graph may carry a code of one byte per element beside its vectors (see `indexes/vector/codes`). A walk then compares
codes, which is a quarter of the memory to wait for, and only the rows of the final beam are measured by their vectors.

Rows come out in ascending order of estimated distance, equal ones in ascending order of row, NaN last.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels import compiled
from chroma_search.kernels.checked_rows import RowsOf

Rows = NDArray[np.int64]
Links = NDArray[np.int32]
Floats = NDArray[np.float32]
Bits = NDArray[np.bool_]
Marks = NDArray[np.uint8]
Codes = NDArray[np.int8]
Code = NDArray[np.int16]

L2, COSINE, IP = 0, 1, 2
SPACE_CODES = {"l2": L2, "cosine": COSINE, "ip": IP}

LARGEST_CODE = 127
"""Elements of coded rows lie between this and its negative."""
LARGEST_ELEMENT = 2.0**60
"""A query with larger elements, or with NaN, is not coded: float32 could not hold its products."""


class Graph(NamedTuple):
    """A graph over the rows of a matrix, as the kernels read it.

    Each array may be of a file: a walk checks the rows that it visits. The compiled kernels go by the order of these.

    Attributes:
        vectors: float32, shape (n, dim), as stored.
        inverse: float32, shape (n,): 1 / norm of each row (cosine), or empty.
        links: int32, shape (n, width): neighbours on the lowest layer, filled up with -1.
        upper_links: int32, shape (m, width / 2): neighbours on the upper layers, layer by layer, row after row.
        upper_start: int32, shape (n,): where a row's layer 1 stands in `upper_links`.
        codes: int8, shape (n, dim): coded rows, or shape (0, dim).
        scales: float32, as long as `codes`: what one step of a row's code is worth.
        offsets: float32, as long as `codes`: the part of the distance that does not depend on the query.
        centre: float32, shape (dim,): what was taken from each row (and is taken from a query, l2) before coding.
        entry: row where a walk begins.
        n_layers: layers above the lowest.
    """

    vectors: RowsOf[np.float32]
    inverse: Floats
    links: RowsOf[np.int32]
    upper_links: Links
    upper_start: Links
    codes: RowsOf[np.int8]
    scales: Floats
    offsets: Floats
    centre: Floats
    entry: int
    n_layers: int


class Found(NamedTuple):
    """Result of a beam search: rows, estimated distances (float32), and how many rows were measured."""

    rows: Rows
    distances: Floats
    n_measured: int


def coded_query(query: Floats, centre: Floats, space: int) -> tuple[Code, np.float32]:
    """Return the code and the factor of a query, so that `offsets - factor * scales * (codes @ code)` orders the rows.

    The order is nearly that of their distances. The sums of products fit int32. The code is empty when there are no
    codes to compare it with (an empty centre) or the query cannot be coded.
    """
    code, factor = compiled.coded_query(query, centre, space)
    return code, np.float32(factor)


def descend(graph: Graph, query: Floats, space: int) -> tuple[int, int]:
    """Walk greedily from the entry down the upper layers; return the row reached and how many rows were measured."""
    return compiled.descend(graph, query, space)


def share_around(links: RowsOf[np.int32], bits: Bits, row: int) -> float:
    """Return the share of allowed rows among the neighbours of `row` and their neighbours (1.0 when it has none)."""
    return compiled.share_around(links, bits, row)


def search(graph: Graph, query: Floats, space: int, width: int, marks: Marks, mark: int) -> Found:
    """Search with a beam of `width` rows from where `descend` ends.

    Args:
        graph: what to search.
        query: float32, shape (dim,); of unit length in the cosine space.
        space: L2, COSINE or IP.
        width: rows kept.
        marks: uint8, shape (n,): scratch that no other search uses at the same time; no element equals `mark`.
        mark: what a row seen is marked with.

    Returns:
        up to `width` rows.
    """
    return Found(*compiled.search(graph, query, space, width, marks, mark))


def masked_search(
    graph: Graph,
    query: Floats,
    space: int,
    bits: Bits,
    starts: Rows,
    width: int,
    degree: int,
    budget: int,
    marks: Marks,
    mark: int,
) -> Found:
    """Search with a beam of `width` rows over the allowed rows; see `search` for the other arguments.

    Args:
        bits: bool, shape (n,): allowed rows.
        starts: int64: rows to begin from. A start that is not allowed is walked from but not returned.
        degree: allowed rows seen from one row at which its expansion ends.
        budget: hidden rows that one expansion may pass through.
    """
    return Found(*compiled.masked_search(graph, query, space, bits, starts, width, degree, budget, marks, mark))
