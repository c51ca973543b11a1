"""`chroma_search/kernels/graph_build.py` as loops over sets: insertion into an HNSW graph, measured by vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

Links = dict[tuple[int, int], list[int]]
"""Neighbours by layer and row."""


class GraphBuilder:
    """A graph in which `links[layer, row]` are the neighbours of a row."""

    def __init__(
        self, between: Callable[[int, int], float], levels: Sequence[int], n_links: int, ef_construction: int
    ) -> None:
        self._between = between
        self._levels = levels
        self._n_links = n_links
        self._ef = max(ef_construction, n_links)
        self.links: Links = {}
        self.entry = -1

    def insert(self, row: int) -> None:
        if self.entry < 0:
            self.entry = row
            return
        top, level, near = self._levels[self.entry], self._levels[row], self.entry
        for layer in range(top, level, -1):
            near = self._walked_down(row, near, layer)
        for layer in range(min(level, top), -1, -1):
            beam = self._searched(row, near, layer)
            near = beam[0]
            chosen = self._chosen(row, beam, self._n_links)
            self.links[layer, row] = chosen
            for other in chosen:
                linked = [*self.links.get((layer, other), []), row]
                room = self._n_links * (2 if layer == 0 else 1)
                self.links[layer, other] = linked if len(linked) <= room else self._chosen(other, linked, room)
        if level > top:
            self.entry = row

    def _walked_down(self, row: int, near: int, layer: int) -> int:
        while True:
            nearer = near
            for other in self.links.get((layer, near), []):
                if self._between(row, other) < self._between(row, nearer):
                    nearer = other
            if nearer == near:
                return near
            near = nearer

    def _searched(self, row: int, start: int, layer: int) -> list[int]:
        beam, met, done = [start], {start, row}, set[int]()
        while left := [each for each in beam if each not in done]:
            done.add(left[0])
            new = [each for each in self.links.get((layer, left[0]), []) if each not in met]
            met.update(new)
            beam = self._sorted(row, [*beam, *new])[: self._ef]
        return beam

    def _chosen(self, row: int, candidates: list[int], room: int) -> list[int]:
        if len(candidates) < room:
            return candidates
        chosen: list[int] = []
        for each in self._sorted(row, candidates):
            if all(self._between(each, other) >= self._between(each, row) for other in chosen):
                chosen.append(each)
        return chosen[:room]

    def _sorted(self, row: int, rows: Iterable[int]) -> list[int]:
        return sorted(rows, key=lambda each: (self._between(row, each), each))
