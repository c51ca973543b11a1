from __future__ import annotations

import os

import pytest

from chroma_search.errors import InvalidConfigError
from chroma_search.schema.index_params import INDEX_KINDS, PARAMS, complete_params, default_params


def test_hnsw_defaults_are_chromas() -> None:
    assert default_params("hnsw") == {
        "ef_construction": 100,
        "max_neighbors": 16,
        "ef_search": 100,
        "num_threads": os.cpu_count(),
        "batch_size": 100,
        "sync_threshold": 1000,
        "resize_factor": 1.2,
    }


def test_spann_defaults_are_chromas_and_flat_has_none() -> None:
    assert default_params("spann") == {
        "search_nprobe": 64,
        "write_nprobe": 32,
        "ef_construction": 200,
        "ef_search": 200,
        "max_neighbors": 64,
        "reassign_neighbor_count": 64,
        "split_threshold": 50,
        "merge_threshold": 25,
    }
    assert default_params("flat") == {}


CASES = [(kind, name) for kind in INDEX_KINDS for name in PARAMS[kind]]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_both_bounds_are_allowed_and_one_step_beyond_is_not(kind, name: str) -> None:
    param = PARAMS[kind][name]
    for value in (param.least, param.most):
        assert complete_params(kind, {name: value}, kind)[name] == value
    for value in (param.least - 1, param.most + 1):
        with pytest.raises(InvalidConfigError, match=rf"`{name}` must be between .*, got .*\(at here.{name}\)"):
            complete_params(kind, {name: value}, "here")


@pytest.mark.parametrize(("kind", "name"), CASES)
@pytest.mark.parametrize("value", ["7", True, [1], float("nan"), float("inf"), 10**400, -(10**400)], ids=repr)
def test_another_type_or_no_number_is_refused(kind, name: str, value: object) -> None:
    with pytest.raises(InvalidConfigError, match=f"`{name}` must be"):
        complete_params(kind, {name: value}, kind)


def test_fractions_are_for_floats_only_and_ints_become_floats_there() -> None:
    with pytest.raises(InvalidConfigError, match=r"must be an integer, got 7\.0"):
        complete_params("hnsw", {"ef_search": 7.0}, "hnsw")
    factor = complete_params("hnsw", {"resize_factor": 2}, "hnsw")["resize_factor"]
    assert isinstance(factor, float)
    assert factor == 2.0


def test_none_counts_as_absent() -> None:
    assert complete_params("hnsw", dict.fromkeys(PARAMS["hnsw"]), "hnsw") == default_params("hnsw")


@pytest.mark.parametrize("kind", INDEX_KINDS)
def test_an_unknown_name_is_refused_and_the_known_ones_are_named(kind) -> None:
    with pytest.raises(InvalidConfigError, match="unknown field `ef`, expected"):
        complete_params(kind, {"ef": 1}, kind)


def test_internal_spann_names_are_dropped_for_spann_alone() -> None:
    assert complete_params("spann", {"nreplica_count": 8}, "spann") == default_params("spann")
    with pytest.raises(InvalidConfigError, match="nreplica_count"):
        complete_params("hnsw", {"nreplica_count": 8}, "hnsw")
