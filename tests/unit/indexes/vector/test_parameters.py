"""Parameters: Chroma's names, defaults and bounds."""

import pytest

from chroma_search.errors import InvalidConfigError
from chroma_search.indexes.vector.parameters import HnswParameters, SpannParameters


def test_defaults_are_upstreams():
    assert HnswParameters.of({}) == HnswParameters(max_neighbors=16, ef_construction=100, ef_search=100)
    spann = SpannParameters.of({"search_nprobe": None})
    assert (spann.search_nprobe, spann.split_threshold, spann.nreplica_count, spann.max_neighbors) == (64, 50, 8, 64)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (HnswParameters, "ef_construction", 0),
        (HnswParameters, "ef_search", -1),
        (HnswParameters, "max_neighbors", 1.5),
        (HnswParameters, "max_neighbors", 10**6),
        (HnswParameters, "num_threads", 0),
        (HnswParameters, "batch_size", 1),
        (HnswParameters, "sync_threshold", 1),
        (HnswParameters, "resize_factor", float("nan")),
        (HnswParameters, "ef_search", True),
        (HnswParameters, "ef_search", "100"),
        (SpannParameters, "search_nprobe", 129),
        (SpannParameters, "write_nprobe", 65),
        (SpannParameters, "ef_construction", 201),
        (SpannParameters, "ef_search", 201),
        (SpannParameters, "max_neighbors", 65),
        (SpannParameters, "reassign_neighbor_count", 65),
        (SpannParameters, "split_threshold", 24),
        (SpannParameters, "split_threshold", 201),
        (SpannParameters, "merge_threshold", 11),
        (SpannParameters, "merge_threshold", 101),
        (SpannParameters, "nreplica_count", 0),
        (SpannParameters, "write_rng_epsilon", -1.0),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(kind, field, value):
    with pytest.raises(InvalidConfigError, match=field) as caught:
        kind.of({field: value})
    assert caught.value.path.endswith(field)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (HnswParameters, "batch_size", 2),
        (HnswParameters, "max_neighbors", 1),
        (SpannParameters, "search_nprobe", 128),
        (SpannParameters, "split_threshold", 25),
        (SpannParameters, "merge_threshold", 12),
        (SpannParameters, "write_rng_epsilon", 0),
    ],
)
def test_the_bounds_themselves_are_allowed(kind, field, value):
    kind.of({field: value, "not_a_field": object()})


def test_one_neighbour_is_taken_as_two():
    assert HnswParameters.of({"max_neighbors": 1}).max_neighbors == 2
