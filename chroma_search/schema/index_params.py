"""Parameters of the dense vector indexes: names, defaults, bounds (spec 11.2), one table per kind.

Configurations, schemas and legacy metadata all end here: `complete_params` turns what a user wrote into the full set
that an index is built with, or says which number is out of bounds. The names, defaults and upper bounds are Chroma's;
the lower bound 1 is ours (Chroma's single node takes 0 and builds a graph that finds nothing).
Not for: the space (`configuration.py`), how an index uses a parameter (`indexes/vector/`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from chroma_search.errors import InvalidConfigError
from chroma_search.record import record

IndexKind: TypeAlias = Literal["hnsw", "spann", "flat"]
INDEX_KINDS: tuple[IndexKind, ...] = ("hnsw", "spann", "flat")


@record()
class Param:
    """One number of an index.

    Attributes:
        default: value when absent or None; 0 for `num_threads` stands for the number of processors.
        least, most: bounds, both allowed.
        is_float: whether fractions are allowed.
    """

    default: int | float
    least: int = 1
    most: int | float = 2**31 - 1
    is_float: bool = False


HNSW_PARAMS: dict[str, Param] = {
    "ef_construction": Param(100),
    "max_neighbors": Param(16, most=10_000),
    "ef_search": Param(100),
    "num_threads": Param(0),
    "batch_size": Param(100, least=2),
    "sync_threshold": Param(1000, least=2),
    "resize_factor": Param(1.2, least=0, most=1e9, is_float=True),
}
SPANN_PARAMS: dict[str, Param] = {
    "search_nprobe": Param(64, most=128),
    "write_nprobe": Param(32, most=64),
    "ef_construction": Param(200, most=200),
    "ef_search": Param(200, most=200),
    "max_neighbors": Param(64, most=64),
    "reassign_neighbor_count": Param(64, most=64),
    "split_threshold": Param(50, least=25, most=200),
    "merge_threshold": Param(25, least=12, most=100),
}
PARAMS: dict[IndexKind, dict[str, Param]] = {"hnsw": HNSW_PARAMS, "spann": SPANN_PARAMS, "flat": {}}

# Names that Chroma's engine takes for SPANN beside the public ones; they steer its own construction, not ours.
SPANN_INTERNALS = frozenset(
    {
        "center_drift_threshold",
        "initial_lambda",
        "nreplica_count",
        "num_centers_to_merge_to",
        "num_samples_kmeans",
        "quantize",
        "search_rng_epsilon",
        "search_rng_factor",
        "write_rng_epsilon",
        "write_rng_factor",
    }
)

# What `modify` may change: the index goes on with the new number, nothing has to be built again.
UPDATABLE: dict[IndexKind, tuple[str, ...]] = {
    "hnsw": ("ef_search", "max_neighbors", "num_threads", "resize_factor", "sync_threshold", "batch_size"),
    "spann": ("search_nprobe", "ef_search"),
    "flat": (),
}


def complete_params(kind: IndexKind, given: Mapping[str, Any], path: str) -> dict[str, int | float]:
    """Return every parameter of a kind, checked, defaults filled in.

    Args:
        kind: index kind.
        given: parameters by name, without `space`; None counts as absent.
        path: where they stand, for error messages, such as `configuration.hnsw`.

    Raises:
        InvalidConfigError: an unknown name, a value of the wrong type or out of bounds.
    """
    table = PARAMS[kind]
    dropped = SPANN_INTERNALS if kind == "spann" else frozenset[str]()
    check_names(given, (*table, *dropped), path)
    return {name: _complete(name, param, given.get(name), path) for name, param in table.items()}


def check_names(given: Mapping[str, Any], allowed: tuple[str, ...], path: str) -> None:
    """Refuse names that are not allowed.

    Raises:
        InvalidConfigError: names the first unknown field and all that are allowed.
    """
    for name in given:
        if name not in allowed:
            choice = ", ".join(f"`{each}`" for each in allowed) or "no field"
            raise InvalidConfigError(f"unknown field `{name}`, expected one of {choice}", path=path)


def default_params(kind: IndexKind) -> dict[str, int | float]:
    """Return every parameter of a kind at its default."""
    return complete_params(kind, {}, kind)


def _complete(name: str, param: Param, value: Any, path: str) -> int | float:
    if value is None:
        return param.default if name != "num_threads" else os.cpu_count() or 1
    allowed = (int, float) if param.is_float else int
    if isinstance(value, bool) or not isinstance(value, allowed):
        wanted = "a number" if param.is_float else "an integer"
        raise InvalidConfigError(
            f"`{name}` must be {wanted}, got {value!r} of type {type(value).__name__}", path=f"{path}.{name}"
        )
    if not param.least <= value <= param.most or math.isnan(value):
        raise InvalidConfigError(
            f"`{name}` must be between {param.least} and {param.most}, got {value}", path=f"{path}.{name}"
        )
    return float(value) if param.is_float else value
