"""Embedding functions for the tests of this folder."""

from __future__ import annotations

from typing import Any

from chroma_search.embeddings.protocol import EmbeddingFunction, SparseEmbeddingFunction
from chroma_search.model.sparse_vector import SparseVector


class Lengths(EmbeddingFunction[list[str]]):
    """A described dense function whose vectors belong into cosine or ip."""

    def __init__(self, size: int = 2) -> None:
        self.size = size

    def __call__(self, input: list[str]) -> Any:
        return [[float(len(text))] * self.size for text in input]

    @staticmethod
    def name() -> str:
        return "schema_test_lengths"

    def default_space(self) -> Any:
        return "cosine"

    def supported_spaces(self) -> Any:
        return ["cosine", "ip"]

    def get_config(self) -> dict[str, Any]:
        return {"size": self.size}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Lengths:
        return Lengths(**config)

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        if new_config["size"] < old_config["size"]:
            raise ValueError("cannot shrink")


class Nameless(EmbeddingFunction[list[str]]):
    """A legacy function: it cannot be stored with a collection."""

    def __init__(self) -> None: ...

    def __call__(self, input: list[str]) -> Any:
        return [[1.0] for _ in input]

    def default_space(self) -> Any:
        return "ip"


class Letters(SparseEmbeddingFunction[list[str]]):
    """A sparse function: one dimension per letter."""

    def __init__(self) -> None: ...

    def __call__(self, input: list[str]) -> Any:
        return [SparseVector(sorted({ord(c) for c in text}), [1.0] * len(set(text))) for text in input]

    @staticmethod
    def name() -> str:
        return "schema_test_letters"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Letters:
        return Letters()


LENGTHS_FORM = {"type": "known", "name": "schema_test_lengths", "config": {"size": 2}}
LETTERS_FORM = {"type": "known", "name": "schema_test_letters", "config": {}}
LEGACY = {"type": "legacy"}
