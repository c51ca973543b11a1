"""Embedding functions and loaders for tests: tiny, offline, and they count their calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from chroma_search import EmbeddingFunction, SparseEmbeddingFunction, SparseVector

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Letters(EmbeddingFunction[list[str]]):
    """Counts the first letters of the alphabet; queries are marked by a last 1."""

    def __init__(self, size: int = 4) -> None:
        self.size = size
        self.calls: list[list[str]] = []

    def __call__(self, input: list[str]) -> Any:
        self.calls.append(list(input))
        return [[float(text.count(letter)) for letter in LETTERS[: self.size]] + [0.0] for text in input]

    def embed_query(self, input: list[str]) -> Any:
        return [np.array([*vector[:-1], 1.0]) for vector in self(input)]

    @staticmethod
    def name() -> str:
        return "client_test_letters"

    def get_config(self) -> dict[str, Any]:
        return {"size": self.size}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Letters:
        return Letters(**config)


class SparseLetters(SparseEmbeddingFunction[list[str]]):
    """Counts the letters of a text."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, input: list[str]) -> Any:
        self.calls.append(list(input))
        found: list[SparseVector] = []
        for text in input:
            counts = {LETTERS.index(letter): float(text.count(letter)) for letter in set(text) & set(LETTERS)}
            found.append(SparseVector(sorted(counts), [counts[each] for each in sorted(counts)]))
        return found

    @staticmethod
    def name() -> str:
        return "client_test_sparse_letters"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> SparseLetters:
        return SparseLetters()


class Nameless(EmbeddingFunction[list[str]]):
    """A function as small programs write it: no name, no configuration."""

    def __init__(self) -> None: ...

    def __call__(self, input: list[str]) -> Any:
        return [[float(len(text)), 1.0] for text in input]
