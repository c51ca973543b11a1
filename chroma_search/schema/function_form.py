"""The JSON form of an embedding function as it arrives from outside: has it the right shape?

Not for: building the function (`embeddings/registry.py`); a form may well name one that this machine does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from chroma_search.errors import InvalidConfigError, WrongTypeError

FORM_TYPES = ("known", "legacy", "unknown")


def checked_function_form(form: object, path: str) -> dict[str, Any]:
    """Return a copy of `{"type": .., "name": .., "config": ..}`.

    Raises:
        WrongTypeError: not a dict.
        InvalidConfigError: another type than known, legacy or unknown, or a known function without a name.
    """
    if not isinstance(form, Mapping):
        raise WrongTypeError(f"Expected {path} to be a dict, got {type(form).__name__}")
    checked = dict(cast("Mapping[str, Any]", form))
    if checked.get("type") not in FORM_TYPES:
        raise InvalidConfigError(
            f"expected the type of an embedding function to be known, legacy or unknown, got {checked.get('type')!r}",
            path=path,
        )
    if checked["type"] == "known" and not isinstance(checked.get("name"), str):
        raise InvalidConfigError("a known embedding function needs a name", path=path)
    return checked
