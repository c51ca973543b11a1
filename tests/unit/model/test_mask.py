"""A mask is a set of rows: every operation agrees with Python's sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroma_search.errors import InternalError
from chroma_search.model.mask import Mask

N = 12
rows_of = st.sets(st.integers(0, N - 1))


@st.composite
def masks(draw):
    """A mask in any of its three forms, with the set it stands for."""
    chosen = draw(rows_of)
    form = draw(st.sampled_from(["bits", "rows", "exclude"]))
    everyone = set(range(N))
    if form == "bits":
        return Mask.of_bits(np.array([row in chosen for row in range(N)])), chosen
    if form == "rows":
        return Mask.of_rows(N, np.array(sorted(chosen), np.int64)), chosen
    return Mask(N, rows=np.array(sorted(everyone - chosen), np.int64), exclude=True), chosen


@given(masks())
def test_all_readings_of_a_mask_agree_with_its_set(pair):
    mask, chosen = pair
    assert mask.to_rows().tolist() == sorted(chosen)
    assert np.flatnonzero(mask.to_bits()).tolist() == sorted(chosen)
    assert mask.count() == len(chosen)
    assert mask.test(np.arange(N)).tolist() == [row in chosen for row in range(N)]
    assert not mask.is_all or chosen == set(range(N))
    assert not mask.is_none or not chosen


@given(masks(), masks())
def test_and_or_and_complement_agree_with_sets(left, right):
    (a, a_set), (b, b_set) = left, right
    assert (a & b).to_rows().tolist() == sorted(a_set & b_set)
    assert (a | b).to_rows().tolist() == sorted(a_set | b_set)
    assert a.invert().to_rows().tolist() == sorted(set(range(N)) - a_set)


@given(masks(), masks())
def test_a_superset_stays_marked_unless_an_exact_empty_side_settles_it(left, right):
    a = Mask(N, left[0].bits, left[0].rows, left[0].exclude, exact=False)
    both = a & right[0]
    assert not both.exact or not right[1] or not left[1]


def test_the_complement_of_a_superset_is_refused():
    with pytest.raises(InternalError, match="complemented"):
        Mask.of_rows(4, np.array([1]), exact=False).invert()


def test_masks_of_no_rows_work():
    assert Mask.all(0).count() == Mask.none(0).count() == 0
    assert Mask.all(0).to_rows().tolist() == []
