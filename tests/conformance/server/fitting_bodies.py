"""Bodies of records whose columns fit together, made of those that Schemathesis makes.

JSON Schema cannot say that all columns have one length and all vectors of a collection one dimension, so of the bodies
that are made of it almost all are refused for that.
"""

from __future__ import annotations

from typing import Any

DIMENSION = 3
"""That of the examples in the document."""
BASE64 = "AACAPwAAAEAAAEBA"
COLUMNS = ("embeddings", "documents", "uris", "metadatas")


def fit_columns(body: dict[str, Any]) -> None:
    """Give all columns the length of the ids, by repeating or cutting; one that is empty is filled with null."""
    n_rows = len(body.get("ids") or ())
    for name in COLUMNS:
        column = body.get(name)
        if isinstance(column, list):
            longer = column * n_rows if column else [[] if name == "embeddings" else None] * n_rows
            body[name] = longer[:n_rows]
    if isinstance(body.get("embeddings"), list):
        body["embeddings"] = fitted_vectors(body["embeddings"])


def fitted_vectors(vectors: list[Any]) -> list[Any]:
    """Cut or fill vectors to the one dimension; a text becomes base64 of such a vector."""
    return [_fitted(vector) for vector in vectors]


def _fitted(vector: Any) -> Any:
    if isinstance(vector, str):
        return BASE64
    return [*vector, *[0.5] * DIMENSION][:DIMENSION] if isinstance(vector, list) else vector
