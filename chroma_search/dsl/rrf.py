"""Rrf: reciprocal rank fusion of several rankings.

Score = -(w1 / (k + r1) + w2 / (k + r2) + ...), lower is better, where r is what the child gives: use
`Knn(..., return_rank=True)` for positions. A record must be in every child's list unless the children have defaults.
Source: Cormack, Clarke, Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual rank learning
methods" (SIGIR 2009); the weights and upstream's minus sign are additions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chroma_search.dsl.rank import Rank, Val, as_rank, decode_fields, decode_rank
from chroma_search.errors import InvalidRankError, WrongTypeError


@dataclass(frozen=True, eq=False, slots=True)
class Rrf(Rank):
    """Reciprocal rank fusion.

    Args:
        ranks: the rankings to fuse, at least one.
        k: constant that damps the first places, > 0.
        weights: one number >= 0 per rank, or None for 1.0 each.
        normalize: divide the weights by their sum.

    Raises:
        WrongTypeError: no list of ranks.
        InvalidRankError: when written or run (not when built): no ranks, k <= 0, weights of another length, negative,
            or with sum zero under `normalize`.
    """

    ranks: Sequence[Rank]
    k: float = 60
    weights: Sequence[float] | None = None
    normalize: bool = False
    op: ClassVar[str] = "$rrf"
    levels: ClassVar[int] = 5  # `expanded`: a product of a sum of quotients of sums

    def __post_init__(self) -> None:
        if not isinstance(self.ranks, Iterable) or isinstance(self.ranks, str):
            raise WrongTypeError(f"Rrf takes a list of ranks, got {type(self.ranks).__name__}: write Rrf([...])")
        object.__setattr__(self, "ranks", tuple(as_rank(each) for each in self.ranks))
        if self.weights is not None:
            object.__setattr__(self, "weights", tuple(self.weights))

    def expanded(self) -> Rank:
        """Return the same ranking in plain arithmetic, upstream's form."""
        weights = self.checked_weights()
        terms = [Val(weight) / (Val(self.k) + rank) for weight, rank in zip(weights, self.ranks, strict=True)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return -total

    def checked_weights(self) -> tuple[float, ...]:
        """Return one weight per rank, after all checks."""
        if not self.ranks:
            raise InvalidRankError("RRF requires at least one rank")
        if self.k <= 0:
            raise InvalidRankError(f"RRF k must be positive, got {self.k}")
        weights = tuple(self.weights) if self.weights is not None else (1.0,) * len(self.ranks)
        if len(weights) != len(self.ranks):
            raise InvalidRankError(
                f"RRF needs one weight per rank, got {len(weights)} weights for {len(self.ranks)} ranks"
            )
        if any(weight < 0 for weight in weights):
            raise InvalidRankError(f"RRF weights must be non-negative, got {list(weights)}")
        if not self.normalize:
            return weights
        total = sum(weights)
        if total == 0:
            raise InvalidRankError("RRF weights sum to 0: they cannot be normalised")
        return tuple(weight / total for weight in weights)

    def to_dict(self, *, expand_rrf: bool = True) -> dict[str, Any]:
        """Return the JSON form, as arithmetic (upstream) or as our `$rrf` node."""
        return self.expanded().to_dict() if expand_rrf else {self.op: self._body(expand_rrf)}

    def _body(self, expand_rrf: bool) -> Any:
        body: dict[str, Any] = {"ranks": [each.to_dict(expand_rrf=expand_rrf) for each in self.ranks], "k": self.k}
        if self.weights is not None:
            body["weights"] = list(self.weights)
        if self.normalize:
            body["normalize"] = True
        return body

    @classmethod
    def decode(cls, body: Any, path: str, depth: int) -> Rank:
        """Read `{"ranks": [rank, ...], "k": 60, "weights": [..], "normalize": false}`."""
        types = {"ranks": (list, tuple), "k": (int, float), "weights": (list, tuple), "normalize": bool}
        fields = decode_fields(body, cls.op, types, ("ranks",), path)
        ranks = [decode_rank(each, f"{path}.ranks[{at}]", depth + 1) for at, each in enumerate(fields.pop("ranks"))]
        for weight in fields.get("weights", ()):
            if not isinstance(weight, (int, float)) or isinstance(weight, bool):
                raise InvalidRankError(f"RRF weights must be numbers, got {type(weight).__name__}", path=path)
        node = cls(ranks, **fields)
        node.checked_weights()
        return node
