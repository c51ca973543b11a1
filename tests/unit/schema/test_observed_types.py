from chroma_search.model.sparse_vector import SparseVector
from chroma_search.schema.observed_types import joined_types, observed_types


def test_each_key_has_the_types_of_its_values():
    seen = observed_types([{"a": 1, "b": "x"}, None, {"a": 1.5, "c": True, "s": SparseVector([1], [2.0])}])
    assert seen == {"a": {"int", "float"}, "b": {"string"}, "c": {"bool"}, "s": {"sparse_vector"}}


def test_a_list_counts_as_its_elements():
    assert observed_types([{"a": ["x"], "b": [1, 2]}]) == {"a": {"string"}, "b": {"int"}}


def test_parts_join_by_key():
    assert joined_types([{"a": frozenset({"int"})}, {"a": frozenset({"bool"}), "b": frozenset()}]) == {
        "a": {"int", "bool"},
        "b": frozenset(),
    }
