"""What a refused argument could be turned into: the end of an error message, such as ": pass its .tolist()"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def is_several(value: object) -> bool:
    """Tell whether this holds several values, and is no list: a tuple, array, Series, generator, range, ..."""
    return isinstance(value, Iterable) and not isinstance(value, (list, str, bytes, bytearray, Mapping))


def to_list(value: object) -> str:
    """Return how to make a list of what holds several values.

    >>> to_list((1, 2))
    ': pass list(...) of it'
    """
    for method in ("tolist", "to_list", "to_numpy"):
        if hasattr(value, method):
            return f": pass its .{method}()"
    return ": pass list(...) of it" if is_several(value) else ""


def to_value(value: object) -> str:
    """Return how to make a plain value, or a list of them, of what is none."""
    if type(value).__module__ == "numpy":
        return ": convert it with .item()" if getattr(value, "ndim", None) == 0 else ": convert it with .tolist()"
    if hasattr(value, "isoformat"):
        return ": pass its .isoformat() as a text"
    if isinstance(value, Mapping):
        return ": give each of its entries a key of its own"
    return ": pass a list" if isinstance(value, (tuple, set)) else ""
