from __future__ import annotations

import pytest
from pydantic import ValidationError

from chroma_search.dsl.key import Key
from chroma_search.schema import (
    FtsIndexConfig,
    HnswIndexConfig,
    IndexConfig,
    SpannIndexConfig,
    SparseVectorIndexConfig,
    VectorIndexConfig,
)
from chroma_search.schema.index_params import HNSW_PARAMS, SPANN_INTERNALS, SPANN_PARAMS
from tests.unit.schema.schema_functions import Lengths, Letters

ALL = [*IndexConfig.__args__, HnswIndexConfig, SpannIndexConfig]  # type: ignore[attr-defined]


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.__name__)
def test_an_unknown_field_is_refused_by_name_and_the_valid_ones_are_listed(config) -> None:
    with pytest.raises(ValidationError, match=f"'foo', 'bar' is not a valid field for {config.__name__}; valid are: "):
        config(foo=1, bar=2)


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.__name__)
def test_untouched_configurations_are_equal(config) -> None:
    assert config() == config()


def test_the_fields_are_those_that_the_engine_knows() -> None:
    assert list(HnswIndexConfig.model_fields) == list(HNSW_PARAMS)
    assert list(SpannIndexConfig.model_fields) == list(SPANN_PARAMS)
    assert all(value is None for config in (HnswIndexConfig(), SpannIndexConfig()) for _, value in config)


def test_names_of_upstreams_engine_are_accepted_and_dropped() -> None:
    assert SpannIndexConfig(ef_search=5, **dict.fromkeys(SPANN_INTERNALS, 1)) == SpannIndexConfig(ef_search=5)
    assert SparseVectorIndexConfig(algorithm="max_score") == SparseVectorIndexConfig()  # type: ignore[call-arg]
    assert FtsIndexConfig(algorithm="token_bitmap") == FtsIndexConfig()  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        HnswIndexConfig(nreplica_count=8)  # type: ignore[call-arg]


def test_bounds_are_left_to_the_creation_of_a_collection() -> None:
    assert SpannIndexConfig(search_nprobe=100_000).search_nprobe == 100_000
    assert HnswIndexConfig(batch_size=1).batch_size == 1


def test_vectors_have_the_default_function_unless_none_is_said() -> None:
    default = VectorIndexConfig().embedding_function
    assert default is not None
    assert default.name() == "default"
    assert VectorIndexConfig(embedding_function=None).embedding_function is None
    function = Lengths()
    assert VectorIndexConfig(embedding_function=function).embedding_function is function


def test_a_space_is_one_of_three() -> None:
    with pytest.raises(ValidationError, match="space"):
        VectorIndexConfig(space="euclid")  # type: ignore[arg-type]


@pytest.mark.parametrize("config", [VectorIndexConfig, SparseVectorIndexConfig])
def test_a_source_key_is_a_str_or_a_key_and_reserved_only_for_the_document(config) -> None:
    for given, name in (("body", "body"), (Key("body"), "body"), (Key.DOCUMENT, "#document"), (None, None), ("", "")):
        assert config(source_key=given).source_key == name
    for wrong in ("#id", Key.EMBEDDING, "#", "#documents"):
        with pytest.raises(ValidationError, match="source_key cannot begin with '#'"):
            config(source_key=wrong)
    for wrong in (5, ["body"], b"body"):
        with pytest.raises(ValidationError, match="source_key must be str or Key"):
            config(source_key=wrong)


@pytest.mark.parametrize("config", [VectorIndexConfig, SparseVectorIndexConfig])
def test_a_function_must_be_an_object_that_takes_input(config) -> None:
    with pytest.raises(ValidationError, match="must be callable or None, got str"):
        config(embedding_function="openai")
    for wrong in (Letters, lambda texts: texts):
        with pytest.raises(ValidationError, match="signature"):
            config(embedding_function=wrong)
