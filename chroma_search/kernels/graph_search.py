"""Beam search over a navigable graph, with and without a mask: the numpy reference.

The plain search is that of HNSW (Y. Malkov, D. Yashunin, Efficient and robust approximate nearest neighbor search using
hierarchical navigable small world graphs, 2018, algorithms 2 and 5). The masked one walks the graph of the allowed rows
in the manner of ACORN-1 (L. Patel et al., ACORN: performant and predicate-agnostic search over vector embeddings and
structured data, 2024): only allowed rows are measured and kept, and the links of rows that are not allowed are followed
as if they were links of the row they were reached from. Differences: ACORN-1 looks two links far; here a breadth-first
walk over hidden rows goes on until `degree` allowed rows were seen or `budget` hidden rows passed (recall at 1 % random
selectivity 0.57 -> 0.91), and the search also starts from rows spread over the mask, because the neighbourhood of the
entry may hold none (recall of a filter far from the query 0.12 -> 0.93).

Rows come out in ascending order of estimated distance, equal ones in ascending order of row, NaN last.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Links = NDArray[np.int32]
Floats = NDArray[np.float32]
Bits = NDArray[np.bool_]
Marks = NDArray[np.uint8]

L2, COSINE, IP = 0, 1, 2
SPACE_CODES = {"l2": L2, "cosine": COSINE, "ip": IP}


class Graph(NamedTuple):
    """A graph over the rows of a matrix, as the kernels read it.

    Attributes:
        vectors: float32, shape (n, dim), as stored.
        inverse: float32, shape (n,): 1 / norm of each row (cosine), or empty.
        links: int32, shape (n, width): neighbours on the lowest layer, filled up with -1.
        upper_links: int32, shape (m, width / 2): neighbours on the upper layers, layer by layer, row after row.
        upper_start: int32, shape (n,): where a row's layer 1 stands in `upper_links`.
    """

    vectors: Floats
    inverse: Floats
    links: Links
    upper_links: Links
    upper_start: Links


class Found(NamedTuple):
    """Result of a beam search: rows, estimated distances (float32), and how many rows were measured."""

    rows: Rows
    distances: Floats
    n_measured: int


def descend(graph: Graph, query: Floats, space: int, entry: int, n_layers: int) -> tuple[int, int]:
    """Walk greedily from `entry` down the upper layers; return the row reached and how many rows were measured."""
    nearest, distance, n_measured = entry, _distances(graph, query, space, np.array([entry]))[0], 1
    for layer in range(n_layers, 0, -1):
        improved = True
        while improved:
            improved = False
            around = _linked(graph.upper_links[graph.upper_start[nearest] + layer - 1])
            for row, measured in zip(around.tolist(), _distances(graph, query, space, around), strict=True):
                n_measured += 1
                if measured < distance:
                    nearest, distance, improved = row, measured, True
    return nearest, n_measured


def share_around(links: Links, bits: Bits, row: int) -> float:
    """Return the share of allowed rows among the neighbours of `row` and their neighbours (1.0 when it has none)."""
    near = _linked(links[row])
    around = np.concatenate([near, *(_linked(links[each]) for each in near)])
    return np.count_nonzero(bits[around]) / len(around) if len(around) else 1.0


def search(graph: Graph, query: Floats, space: int, starts: Rows, width: int, marks: Marks, mark: int) -> Found:
    """Search with a beam of `width` rows from `starts`.

    Args:
        graph: what to search.
        query: float32, shape (dim,); of unit length in the cosine space.
        space: L2, COSINE or IP.
        starts: int64: rows to begin from.
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

    return _beam(graph, query, space, starts, width, marks, mark, expand)


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
        bits: bool, shape (n,): allowed rows. A start that is not allowed is walked from but not returned.
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
    beam: list[tuple[bool, float, int]] = []  # is NaN, distance, row: ascending
    done: set[int] = set()
    new: NDArray[np.signedinteger] = np.unique(starts)
    marks[new] = mark
    n_measured = 0
    while True:
        for row, distance in zip(new.tolist(), _distances(graph, query, space, new).tolist(), strict=True):
            n_measured += 1
            insort(beam, (math.isnan(distance), distance, row))
            del beam[width:]
        next_row = next((row for _, _, row in beam if row not in done), None)
        if next_row is None:
            rows, distances = [row for _, _, row in beam], [distance for _, distance, _ in beam]
            return Found(np.array(rows, np.int64), np.array(distances, np.float32), n_measured)
        done.add(next_row)
        new = expand(next_row)


def _linked(links: Links) -> Links:
    return links[links >= 0]


def _distances(graph: Graph, query: Floats, space: int, rows: NDArray[np.signedinteger]) -> Floats:
    taken = graph.vectors[rows]
    with np.errstate(over="ignore", invalid="ignore"):
        if space == L2:
            taken -= query
            return np.einsum("ij,ij->i", taken, taken)
        products = np.einsum("ij,j->i", taken, query)
        return np.float32(1.0) - (products * graph.inverse[rows] if space == COSINE else products)
