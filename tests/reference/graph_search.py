"""Beam search over a navigable graph in numpy: see `chroma_search/kernels/graph_search.py`."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chroma_search.kernels.checked_rows import RowsOf
from chroma_search.kernels.graph_search import (
    COSINE,
    L2,
    LARGEST_CODE,
    LARGEST_ELEMENT,
    Bits,
    Code,
    Floats,
    Found,
    Graph,
    Links,
    Marks,
    Rows,
)


def coded_query(query: Floats, centre: Floats, space: int) -> tuple[Code, np.float32]:
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
    near = _linked(links[row])
    around = np.concatenate([near, *(_linked(links[each]) for each in near)])
    return np.count_nonzero(bits[around]) / len(around) if len(around) else 1.0


def search(graph: Graph, query: Floats, space: int, width: int, marks: Marks, mark: int) -> Found:
    near, n_passed = descend(graph, query, space)

    def expand(row: int) -> Links:
        around = _linked(graph.links[row])
        new = around[marks[around] != mark]
        marks[new] = mark
        return new

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
