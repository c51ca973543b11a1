"""Checks of single values: what may stand as an operand, a name, a number, wherever a search holds one.

Shared by the checks of filters, ranks and pages. No message repeats more than the type of a refused object: it may be
huge, nested without end, or the content of a record.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from chroma_search.errors import InvalidArgumentError, InvalidFilterError, InvalidRankError, WrongTypeError
from chroma_search.model.values import MAX_INT, MIN_INT

RegexCheck: TypeAlias = Callable[[str], object]
"""Compiles a pattern, and raises InvalidArgumentError when it is none. `indexes` knows the dialect, we do not."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a search is checked.

    Attributes:
        strict: refuse whatever goes beyond Chroma's own Search API.
        regex_check: called with every pattern, or None to leave patterns alone.
    """

    strict: bool = False
    regex_check: RegexCheck | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a search we are: the JSON path, and the class of errors there."""

    path: str
    error: type[InvalidFilterError | InvalidRankError] | None = None

    def at(self, part: str) -> Place:
        """Return the place below, such as `.$and[1]`."""
        return Place(self.path + part, self.error)

    def refuse(self, message: str) -> NoReturn:
        """Raise the error of a value without meaning."""
        if self.error is None:
            raise InvalidArgumentError(f"{message} (at {self.path})")
        raise self.error(message, path=self.path)

    def refuse_type(self, what: str, wanted: str, value: object) -> NoReturn:
        """Raise the error of a value of the wrong type."""
        raise WrongTypeError(f"{what} must be {wanted}, got {type(value).__name__}{mending(value)} (at {self.path})")

    def refuse_ours(self, feature: str, rules: Rules) -> None:
        """Refuse `feature`, one of ours, under `strict`."""
        if rules.strict:
            self.refuse(
                f"{feature} goes beyond Chroma's Search API: strict=True refuses it, leave strict out to use it"
            )


def check_text(value: Any, what: str, place: Place) -> str:
    """Return a string that can be stored: no lone surrogate, which no UTF-8 text holds."""
    if not isinstance(value, str):
        place.refuse_type(what, "a string", value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            at = error.start
            place.refuse(f"{what} is no Unicode text: lone surrogate U+{ord(value[at]):04X} at character {at}")
    return value


def check_scalar(value: Any, what: str, place: Place) -> None:
    """Refuse what is no str, bool, finite float or 64-bit int."""
    if isinstance(value, bool):
        return
    if isinstance(value, str):
        check_text(value, what, place)
    elif isinstance(value, int):
        if not MIN_INT <= value <= MAX_INT:
            place.refuse(f"{what} must fit in 64 bits (-2^63 .. 2^63 - 1)")
    elif isinstance(value, float):
        if not math.isfinite(value):
            place.refuse(f"{what} must be a finite number, got {float(value)}")
    elif value is None:
        place.refuse(f'{what} is null: to find records without the key, use {{"$exists": false}} (IS MISSING)')
    else:
        place.refuse_type(what, "a str, int, float or bool", value)


def check_number(value: Any, what: str, place: Place, *, is_finite: bool = False) -> float:
    """Return a number (no bool) as float64; `is_finite` refuses infinities and NaN as well."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        place.refuse_type(what, "a number", value)
    try:
        number = float(value)
    except OverflowError:
        place.refuse(f"{what} is too large for a 64-bit float")
    if is_finite and not math.isfinite(number):
        place.refuse(f"{what} must be finite, got {number}")
    return number


def check_count(value: Any, what: str, place: Place, *, least: int) -> int:
    """Return an int (no bool) between `least` and 2^63 - 1."""
    if not isinstance(value, int) or isinstance(value, bool):
        place.refuse_type(what, "an integer", value)
    if value < least:
        # A huge int is not printed: Python refuses to print one of over 4300 digits.
        shown = value if value >= MIN_INT else "a number below -2^63"
        place.refuse(f"{what} must be {'positive' if least else 'non-negative'}, got {shown}")
    if value > MAX_INT:
        place.refuse(f"{what} must be below 2^63")
    return value


def check_flag(value: Any, what: str, place: Place) -> None:
    """Refuse what is no bool."""
    if not isinstance(value, bool):
        place.refuse_type(what, "true or false", value)


def mending(value: object) -> str:
    """Return how to make a plain value of one of numpy's: the end of a message."""
    if type(value).__module__ != "numpy":
        return ""
    return ": convert it with .item()" if getattr(value, "ndim", None) == 0 else ": convert it with .tolist()"
