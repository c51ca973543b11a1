"""Checks the stored configuration of a built-in embedding function: which keys, of which types.

Not for: the meaning of the values, which the function's constructor checks.
"""

from __future__ import annotations

from collections.abc import Mapping

from chroma_search.errors import InvalidConfigError

NUMBER = (int, float)
OPTIONAL_LIST = (list, tuple, type(None))


def check_config(
    config: Mapping[str, object],
    allowed: Mapping[str, tuple[type, ...]],
    *,
    function_name: str,
    required: tuple[str, ...] = (),
) -> None:
    """Check the keys and types of a configuration; a bool is no number.

    Raises:
        InvalidConfigError: an unknown or missing key, or a value of another type; it names the key.
    """
    for key, value in config.items():
        types = allowed.get(key)
        if types is None:
            raise InvalidConfigError(
                f"Embedding function {function_name!r} has no setting {key!r}, only {', '.join(sorted(allowed))}",
                path=f"config.{key}",
            )
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = " or ".join("null" if each is type(None) else each.__name__ for each in types)
            raise InvalidConfigError(
                f"Setting {key!r} of embedding function {function_name!r} must be {names}, got {value!r}",
                path=f"config.{key}",
            )
    missing = [key for key in required if key not in config]
    if missing:
        raise InvalidConfigError(
            f"Embedding function {function_name!r} needs the settings {', '.join(missing)}", path=f"config.{missing[0]}"
        )
