"""Names of collections, databases and tenants: which are allowed.

Not for: metadata keys (`collection_metadata.py` and the engine's record checks), uniqueness (the catalog knows it).
A collection or database name is 3-512 characters of `[a-zA-Z0-9._-]`, begins and ends with a letter or digit, holds no
`..` and is no IP address; `topology+name` joins two such names with one `+`. An IPv6 address needs no rule of its own:
its colons are not allowed. A tenant name is any text of three characters or more.
"""

from __future__ import annotations

import re

from chroma_search.errors import InvalidArgumentError, WrongTypeError

MIN_NAME_LENGTH = 3
MAX_NAME_LENGTH = 512

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,510}[a-zA-Z0-9]")
_SHOWN = 80  # characters of a refused name that an error message repeats


def validate_collection_name(name: object) -> str:
    """Return the name when a collection may have it.

    Raises:
        WrongTypeError: not a string.
        InvalidArgumentError: too short or long, a character that is not allowed, `..`, an IP address, two `+`.
    """
    return _checked_name(name, "collection name")


def validate_database_name(name: object) -> str:
    """Return the name when a database may have it; rules and errors as for collections."""
    return _checked_name(name, "database name")


def validate_tenant_name(name: object) -> str:
    """Return the name when a tenant may have it.

    Raises:
        WrongTypeError: not a string.
        InvalidArgumentError: shorter than three characters, or not encodable as UTF-8 (a lone surrogate).
    """
    text = _checked_text(name, "tenant name")
    if len(text) < MIN_NAME_LENGTH:
        raise InvalidArgumentError(f"Expected a tenant name of at least {MIN_NAME_LENGTH} characters. Got: {text}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidArgumentError(f"Expected a tenant name that is valid Unicode. Got: {text!r}") from None
    return text


def _checked_text(name: object, kind: str) -> str:
    if not isinstance(name, str):
        raise WrongTypeError(f"Expected the {kind} to be a str, got {type(name).__name__}")
    return name


def _checked_name(name: object, kind: str) -> str:
    text = _checked_text(name, kind)
    parts = text.split("+")
    if len(parts) > 2:
        raise InvalidArgumentError(
            f"Expected a {kind} with at most one '+' (topology+name), got {len(parts) - 1}: {_shown(text)}"
        )
    for part in parts:
        _check_part(part, kind)
    return text


def _check_part(part: str, kind: str) -> None:
    if _NAME.fullmatch(part) is None:
        raise InvalidArgumentError(
            f"Expected a {kind} containing {MIN_NAME_LENGTH}-{MAX_NAME_LENGTH} characters from [a-zA-Z0-9._-], "
            f"starting and ending with a character in [a-zA-Z0-9]. Got: {_shown(part)}"
        )
    if ".." in part:
        raise InvalidArgumentError(f"Expected a {kind} without two consecutive periods (..). Got: {_shown(part)}")
    if _is_ip_v4(part):
        raise InvalidArgumentError(f"Expected a {kind} that is not a valid ip address. Got: {part}")


def _is_ip_v4(text: str) -> bool:
    """Tell whether the text is a dotted quad; a leading zero makes it none, as in upstream's parser."""
    octets = text.split(".")
    return len(octets) == 4 and all(
        octet.isdecimal() and len(octet) <= 3 and str(int(octet)) == octet and int(octet) <= 255 for octet in octets
    )


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text)} characters)"
