"""The registry names kinds and imports them only when asked."""

import pytest

from chroma_search.errors import InvalidConfigError
from chroma_search.indexes.registry import VECTOR_INDEX_KINDS, vector_index


def test_each_kind_carries_its_own_name():
    assert {kind: vector_index(kind).kind for kind in VECTOR_INDEX_KINDS} == {kind: kind for kind in VECTOR_INDEX_KINDS}


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(InvalidConfigError, match=r"'ivf'.*flat.*hnsw.*spann"):
        vector_index("ivf")
