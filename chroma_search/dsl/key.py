"""Key (K): names a field, and builds filters and ranks with Python operators.

Beware: `Key == x` builds a filter and is always truthy. Nothing in this package compares keys with `==`; names are
compared instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from chroma_search.dsl import where as w
from chroma_search.dsl.node import Named
from chroma_search.dsl.page import SortKey
from chroma_search.dsl.rank import Field, Operand, Rank
from chroma_search.errors import WrongTypeError


class Key(Named):
    """A field of a record: a metadata name, or `K.ID K.DOCUMENT K.EMBEDDING K.METADATA K.SCORE`.

    In a filter: `== != > >= < <=`, `is_in not_in contains not_contains regex not_regex`; ours: `exists substring
    starts_with ends_with iequals`. In a rank (ours) the numbers under the field: `Knn(q) - 0.1 * K("views").log()`.

    >>> from chroma_search import K
    >>> (K("year") > 2020).to_dict()
    {'year': {'$gt': 2020}}
    """

    __slots__ = ()

    ID: ClassVar[Key]
    DOCUMENT: ClassVar[Key]
    EMBEDDING: ClassVar[Key]
    METADATA: ClassVar[Key]
    SCORE: ClassVar[Key]

    def __repr__(self) -> str:
        return f"Key({self.name!r})"

    def __hash__(self) -> int:
        return hash(self.name)

    def __eq__(self, value: Any) -> w.Eq:  # type: ignore[override]  # builds a filter, as upstream
        return w.Eq(self.name, value)

    def __ne__(self, value: Any) -> w.Ne:  # type: ignore[override]  # builds a filter, as upstream
        return w.Ne(self.name, value)

    def __gt__(self, value: Any) -> w.Gt:
        return w.Gt(self.name, value)

    def __ge__(self, value: Any) -> w.Gte:
        return w.Gte(self.name, value)

    def __lt__(self, value: Any) -> w.Lt:
        return w.Lt(self.name, value)

    def __le__(self, value: Any) -> w.Lte:
        return w.Lte(self.name, value)

    def is_in(self, values: Sequence[Any]) -> w.In:
        """The value equals one of `values`."""
        return w.In(self.name, values)

    def not_in(self, values: Sequence[Any]) -> w.Nin:
        """The value equals none of `values`, or is missing."""
        return w.Nin(self.name, values)

    def contains(self, value: Any) -> w.Contains:
        """On `#document` the text contains `value`; on metadata the array holds it."""
        self._check_contains(value, "$contains")
        return w.Contains(self.name, value)

    def not_contains(self, value: Any) -> w.NotContains:
        """The complement of `contains`."""
        self._check_contains(value, "$not_contains")
        return w.NotContains(self.name, value)

    def regex(self, pattern: str) -> w.Regex:
        """The pattern is found in the string."""
        return w.Regex(self.name, pattern)

    def not_regex(self, pattern: str) -> w.NotRegex:
        """The complement of `regex`."""
        return w.NotRegex(self.name, pattern)

    def exists(self, present: bool = True) -> w.Exists:
        """The key is present, or absent with `present=False` (ours)."""
        return w.Exists(self.name, present)

    def substring(self, text: str, *, ignore_case: bool = False) -> w.StringMatch:
        """The string contains `text` (ours)."""
        return (w.ISubstring if ignore_case else w.Substring)(self.name, text)

    def starts_with(self, text: str, *, ignore_case: bool = False) -> w.StringMatch:
        """The string begins with `text` (ours)."""
        return (w.IStartsWith if ignore_case else w.StartsWith)(self.name, text)

    def ends_with(self, text: str, *, ignore_case: bool = False) -> w.StringMatch:
        """The string ends with `text` (ours)."""
        return (w.IEndsWith if ignore_case else w.EndsWith)(self.name, text)

    def iequals(self, text: str) -> w.IEquals:
        """The string equals `text`, case ignored (ours)."""
        return w.IEquals(self.name, text)

    def asc(self) -> SortKey:
        """Order by this field, smallest first (ours)."""
        return SortKey(self.name)

    def desc(self) -> SortKey:
        """Order by this field, largest first (ours)."""
        return SortKey(self.name, descending=True)

    def rank(self, default: float | None = None) -> Field:
        """The number under this field as a rank; `default` for records without one (ours)."""
        return Field(self.name, default)

    def __add__(self, other: Operand) -> Rank:
        return self.rank() + other

    def __radd__(self, other: Operand) -> Rank:
        return other + self.rank()

    def __sub__(self, other: Operand) -> Rank:
        return self.rank() - other

    def __rsub__(self, other: Operand) -> Rank:
        return other - self.rank()

    def __mul__(self, other: Operand) -> Rank:
        return self.rank() * other

    def __rmul__(self, other: Operand) -> Rank:
        return other * self.rank()

    def __truediv__(self, other: Operand) -> Rank:
        return self.rank() / other

    def __rtruediv__(self, other: Operand) -> Rank:
        return other / self.rank()

    def __pow__(self, other: Operand) -> Rank:
        return self.rank() ** other

    def __neg__(self) -> Rank:
        return -self.rank()

    def __abs__(self) -> Rank:
        return abs(self.rank())

    def exp(self) -> Rank:
        """e to the number under this field (ours)."""
        return self.rank().exp()

    def log(self) -> Rank:
        """Natural logarithm of the number under this field (ours)."""
        return self.rank().log()

    def sqrt(self) -> Rank:
        """Square root of the number under this field (ours)."""
        return self.rank().sqrt()

    def max(self, other: Operand) -> Rank:
        """The larger of this field's number and `other` (ours)."""
        return self.rank().max(other)

    def min(self, other: Operand) -> Rank:
        """The smaller of this field's number and `other` (ours)."""
        return self.rank().min(other)

    def _check_contains(self, value: Any, op: str) -> None:
        if self.name == "#document" and not isinstance(value, str):
            raise WrongTypeError(f"{op} on #document requires a string pattern, got {type(value).__name__}")


Key.ID = Key("#id")
Key.DOCUMENT = Key("#document")
Key.EMBEDDING = Key("#embedding")
Key.METADATA = Key("#metadata")
Key.SCORE = Key("#score")

K = Key
