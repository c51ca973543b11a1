"""The registry names kinds and imports them only when asked."""

import numpy as np
import pytest

from chroma_search.errors import CorruptionError, InvalidConfigError
from chroma_search.indexes.registry import VECTOR_INDEX_KINDS, vector_index


def test_each_kind_carries_its_own_name():
    assert {kind: vector_index(kind).kind for kind in VECTOR_INDEX_KINDS} == {kind: kind for kind in VECTOR_INDEX_KINDS}


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(InvalidConfigError, match=r"'ivf'.*flat.*hnsw.*spann"):
        vector_index("ivf")


@pytest.mark.parametrize("kind", ["coded", "hnsw", "spann"])
def test_arrays_of_other_vectors_are_refused(kind):
    vectors = np.random.default_rng(0).normal(size=(100, 64)).astype(np.float32)
    arrays = vector_index(kind).build(vectors, "l2", {}).to_arrays()
    for n in (0, 99):
        with pytest.raises(CorruptionError, match=f"{n} vectors"):
            vector_index(kind).from_arrays(vectors[:n], "l2", {}, arrays)
