"""Metadata of a collection: which keys and values are allowed, at creation and in `modify`.

Not for: metadata of records (they may hold sparse vectors, and `update` merges them key by key). Collection metadata is
replaced as a whole. A value of None says "no such key" and is dropped. Beyond upstream's single node, homogeneous
lists are allowed; NaN, infinities and ints outside 64 bits are refused, where upstream stores another value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from chroma_search.errors import InvalidArgumentError, InvalidInputError, WrongTypeError
from chroma_search.model.values import MAX_INT, MIN_INT

SPACE_KEY = "hnsw:space"

_SCALARS = (bool, str, int, float)  # bool first: it is an int too, and an int list may hold none


def validate_collection_metadata(metadata: object) -> dict[str, Any] | None:
    """Return the metadata to store at creation, a copy without None values, or None.

    Raises:
        WrongTypeError: not a dict, a key that is no str, a value of a type that is not allowed.
        InvalidArgumentError: `{}`, a key that is empty or begins with `#` or `$`, NaN, an int outside 64 bits, an
            empty or mixed list.
    """
    if metadata is None:
        return None
    if not isinstance(metadata, Mapping):
        raise WrongTypeError(f"Expected metadata to be a dict or None, got {type(metadata).__name__}")
    given: Mapping[Any, Any] = metadata
    if not given:
        raise InvalidArgumentError("Metadata cannot be empty: pass None, or a non-empty dict")
    return {_checked_key(key): _checked_value(key, value) for key, value in given.items() if value is not None} or None


def validate_metadata_update(metadata: object) -> dict[str, Any] | None:
    """Return the metadata that `modify` puts in place of the old.

    Raises:
        InvalidArgumentError: as at creation, and when `hnsw:space` is named: the space of a collection never changes.
        WrongTypeError: as at creation.
    """
    if isinstance(metadata, Mapping) and SPACE_KEY in metadata:
        raise InvalidArgumentError(
            "Changing the distance function of a collection once it is created is not supported: "
            f"leave out '{SPACE_KEY}', or create another collection"
        )
    return validate_collection_metadata(metadata)


def _checked_key(key: object) -> str:
    if not isinstance(key, str):
        raise WrongTypeError(f"Expected metadata keys to be str, got {key!r} of type {type(key).__name__}")
    if not key:
        raise InvalidArgumentError("Metadata key cannot be empty")
    if key[0] in "#$":
        raise InvalidArgumentError(f"Metadata key cannot start with '#' or '$': {key}")
    _check_encodable(key, key)
    return key


def _checked_value(key: str, value: object) -> Any:
    if not isinstance(value, list):
        _check_scalar(key, value)
        return value
    items: list[Any] = value
    if not items:
        raise InvalidArgumentError(f"Empty lists are not allowed as metadata values, got [] for key '{key}'")
    for item in items:
        _check_scalar(key, item)
    if len({next(kind for kind in _SCALARS if isinstance(item, kind)) for item in items}) > 1:
        raise InvalidArgumentError(f"Expected a metadata list with values of one type for key '{key}', got {items!r}")
    return list(items)


def _check_scalar(key: str, value: object) -> None:
    if not isinstance(value, _SCALARS):
        raise WrongTypeError(
            f"Expected the metadata value of '{key}' to be a str, int, float, bool, a list of one of them, or None, "
            f"got {type(value).__name__}"
        )
    if isinstance(value, str):
        _check_encodable(key, value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidArgumentError(f"Expected the metadata value of '{key}' to be finite, got {value}")
    elif isinstance(value, int) and not MIN_INT <= value <= MAX_INT:
        raise InvalidArgumentError(f"Expected the metadata value of '{key}' to fit 64 bits, got {value}")


def _check_encodable(key: str, text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInputError(
            f"Expected valid Unicode in the metadata of key {key!r}, got a lone surrogate"
        ) from None
