"""Choose an access path for a dense leaf in one segment: ask each index for offers, take the best that may serve.

A pure function of offers; nothing here knows an index kind. The order of the other offers is the ladder that the run
climbs when the chosen path found too few; its last step is always an exact one.
"""

from __future__ import annotations

from collections.abc import Sequence

from chroma_search.indexes.base import Offer, VectorIndex, VectorRequest
from chroma_search.record import record

SURE_WORTH = 1.25
"""A path that misses nothing may cost so many times the cheapest one: and it needs no probe."""


@record()
class Choice:
    """One access path.

    Attributes:
        kind: index kind, such as `flat`.
        offer: strategy, cost and reason.
    """

    kind: str
    offer: Offer


@record()
class Ladder:
    """The chosen path first, then the ones to climb to.

    Attributes:
        steps: chosen, then those that miss nothing; the last is exact.
        rejected: other offers with the reason, for EXPLAIN.
        probes: True when the choice hangs on whether the filter avoids the query: a probe decides before the run.
    """

    steps: tuple[Choice, ...]
    rejected: tuple[tuple[Choice, str], ...] = ()
    probes: bool = False

    @property
    def chosen(self) -> Choice:
        """The path to try first."""
        return self.steps[0]


def choose(
    indexes: Sequence[VectorIndex], request: VectorRequest, *, exact: bool = False, force: str | None = None
) -> Ladder:
    """Return the ladder for a request.

    Args:
        indexes: the segment's indexes; one of them offers an exact path.
        request: what is known of the mask.
        exact: only exact paths may serve.
        force: name of the strategy to take when it is offered (tests).
    """
    offered = [Choice(index.kind, offer) for index in indexes for offer in index.offers(request)]
    offered.sort(key=lambda choice: choice.offer.cost_us)
    if force is not None and any(choice.offer.strategy == force for choice in offered):
        first = [choice for choice in offered if choice.offer.strategy == force]
        rest = [choice for choice in offered if choice.offer.exact and choice not in first]
        return Ladder((*first, *rest))
    if exact:
        steps = tuple(choice for choice in offered if choice.offer.exact)
        rejected = tuple((choice, "exact=True") for choice in offered if not choice.offer.exact)
        return Ladder(steps, rejected)
    chosen = next(
        (
            each
            for each in offered
            if each.offer.is_sure and each.offer.cost_us <= SURE_WORTH * offered[0].offer.cost_us
        ),
        offered[0],
    )
    others = [choice for choice in offered if choice is not chosen]
    rejected = tuple((choice, f"{choice.offer.cost_us:.0f} us expected") for choice in others)
    if chosen.offer.exact:
        return Ladder((chosen,), rejected)
    # An approximate path that failed is followed by the sure ones only: trying another approximate one would cost
    # more than it saves, since the failure says that matches are far from the query.
    sure_steps = tuple(choice for choice in others if choice.offer.is_sure)
    far_us = chosen.offer.far_us
    probes = far_us is not None and not request.is_far and any(each.offer.cost_us < far_us for each in sure_steps)
    return Ladder((chosen, *sure_steps), rejected, probes)
