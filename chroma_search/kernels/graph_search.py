"""Beam search over a navigable graph, with and without a mask: the numpy reference.

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

import math
from bisect import insort
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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

    Vectors, links and codes may be of a file: this reference checks the rows it visits, the compiled twin all of them.

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
    nothing = np.empty(0, np.int16), np.float32(0.0)
    if not len(centre):
        return nothing
    centred = query - centre if space == L2 else query
    longest = np.abs(centred).max(initial=np.float32(0.0))
    if not longest <= LARGEST_ELEMENT:
        return nothing
    steps = min(2**15 - 1, (2**31 - 1) // (LARGEST_CODE * len(query)))
    size = longest / np.float32(steps) if longest > 0 else np.float32(1.0)
    return np.rint(centred / size).astype(np.int16), size * np.float32(2.0 if space == L2 else 1.0)


def descend(graph: Graph, query: Floats, space: int) -> tuple[int, int]:
    """Walk greedily from the entry down the upper layers; return the row reached and how many rows were measured."""
    target = _Target(query, *coded_query(query, graph.centre, space))
    nearest, n_measured = graph.entry, 1
    distance = _estimates(graph, target, space, np.array([nearest]))[0]
    for layer in range(graph.n_layers, 0, -1):
        improved = True
        while improved:
            improved = False
            around = _linked(graph.upper_links[graph.upper_start[nearest] + layer - 1])
            for row, measured in zip(around.tolist(), _estimates(graph, target, space, around), strict=True):
                n_measured += 1
                if measured < distance:
                    nearest, distance, improved = row, measured, True
    return nearest, n_measured


class _Target(NamedTuple):
    query: Floats
    code: Code
    factor: np.float32


def share_around(links: RowsOf[np.int32], bits: Bits, row: int) -> float:
    """Return the share of allowed rows among the neighbours of `row` and their neighbours (1.0 when it has none)."""
    near = _linked(links[row])
    around = np.concatenate([near, *(_linked(links[each]) for each in near)])
    return np.count_nonzero(bits[around]) / len(around) if len(around) else 1.0


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

    def expand(row: int) -> Links:
        around = _linked(graph.links[row])
        new = around[marks[around] != mark]
        marks[new] = mark
        return new

    near, n_passed = descend(graph, query, space)
    found = _beam(graph, query, space, np.array([near]), width, marks, mark, expand)
    return Found(found.rows, found.distances, found.n_measured + n_passed)


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

    def expand(row: int) -> Links:
        found: list[Links] = []
        n_seen, queue = 0, [row]
        for at in queue:  # grows while it is walked
            around = _linked(graph.links[at])
            is_allowed, is_new = bits[around], marks[around] != mark
            n_seen += int(np.count_nonzero(is_allowed))
            new, hidden = around[is_allowed & is_new], around[~is_allowed & is_new][: budget + 1 - len(queue)]
            marks[new] = mark
            marks[hidden] = mark
            found.append(new)
            queue.extend(hidden.tolist())
            if n_seen >= degree:
                break
        return np.concatenate(found)

    result = _beam(graph, query, space, starts, width, marks, mark, expand)
    is_allowed = bits[result.rows]
    return Found(result.rows[is_allowed], result.distances[is_allowed], result.n_measured)


def _beam(
    graph: Graph,
    query: Floats,
    space: int,
    starts: Rows,
    width: int,
    marks: Marks,
    mark: int,
    expand: Callable[[int], Links],
) -> Found:
    target = _Target(query, *coded_query(query, graph.centre, space))
    beam: list[tuple[bool, float, int]] = []  # is NaN, distance, row: ascending
    done: set[int] = set()
    new: NDArray[np.signedinteger] = np.array(sorted(set(starts.tolist())), np.int64)
    marks[new] = mark
    n_measured = 0
    while True:
        for row, distance in zip(new.tolist(), _estimates(graph, target, space, new).tolist(), strict=True):
            n_measured += 1
            insort(beam, (math.isnan(distance), distance, row))
            del beam[width:]
        next_row = next((row for _, _, row in beam if row not in done), None)
        if next_row is None:
            rows, distances = [row for _, _, row in beam], [distance for _, distance, _ in beam]
            found = Found(np.array(rows, np.int64), np.array(distances, np.float32), n_measured)
            return _measured(graph, query, space, found) if len(target.code) else found
        done.add(next_row)
        new = expand(next_row)


def _linked(links: Links) -> Links:
    return links[links >= 0]


def _measured(graph: Graph, query: Floats, space: int, found: Found) -> Found:
    """Measure rows that were compared by code."""
    distances = _distances(graph, query, space, found.rows)
    order = np.lexsort((found.rows, distances))
    return Found(found.rows[order], distances[order], found.n_measured)


def _estimates(graph: Graph, target: _Target, space: int, rows: NDArray[np.signedinteger]) -> Floats:
    if not len(target.code):
        return _distances(graph, target.query, space, rows)
    products = np.einsum("ij,j->i", graph.codes[rows].astype(np.int32), target.code.astype(np.int32))
    return graph.offsets[rows] - target.factor * graph.scales[rows] * products.astype(np.float32)


def _distances(graph: Graph, query: Floats, space: int, rows: NDArray[np.signedinteger]) -> Floats:
    taken = graph.vectors[rows]
    with np.errstate(over="ignore", invalid="ignore"):
        if space == L2:
            taken -= query
            return np.einsum("ij,ij->i", taken, taken)
        products = np.einsum("ij,j->i", taken, query)
        return np.float32(1.0) - (products * graph.inverse[rows] if space == COSINE else products)
