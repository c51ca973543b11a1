"""Our Schema, index configurations and collection configuration against those of the installed chromadb.

The same random calls go to both; each step must give equal JSON, or an error of the same built-in class in both.
Left out, because we go beyond upstream on purpose: a second sparse key, `FtsIndexConfig(algorithm=..)`, a schema beside
a configuration, and legacy metadata beside a function whose default space is not l2 (upstream then forgets them,
where we rank what the user wrote above what the function prefers).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import chroma_search.schema as ours
from chroma_search.dsl.key import Key as OurKey
from chroma_search.embeddings.registry import register_embedding_function, register_sparse_embedding_function
from chroma_search.errors import ChromaSearchError, InvalidArgumentError
from chroma_search.schema.configuration import CollectionConfig, create_configuration, updated_configuration
from chroma_search.schema.index_rules import IndexRules
from chroma_search.schema.reconcile import resolve_configuration
from chroma_search.schema.schema_form import complete_form
from chroma_search.schema.schema_validation import checked_form

chromadb = pytest.importorskip("chromadb")
types = pytest.importorskip("chromadb.api.types")
theirs_functions = pytest.importorskip("chromadb.utils.embedding_functions")
TheirKey = pytest.importorskip("chromadb.execution.expression.operator").Key

pytestmark = pytest.mark.filterwarnings("ignore")
runs = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],  # a busy machine is no bug
)


class Duck:
    """A dense function that fits both packages without subclassing either."""

    def __init__(self, size: int = 2) -> None:
        self.size = size

    def __call__(self, input: list[str]) -> Any:
        return [[float(len(text))] * self.size for text in input]

    @staticmethod
    def name() -> str:
        return "conformance_duck"

    def get_config(self) -> dict[str, Any]:
        return {"size": self.size}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Duck:
        return Duck(**config)

    def default_space(self) -> str:
        return "cosine"

    def supported_spaces(self) -> list[str]:
        return ["cosine", "ip"]

    def is_legacy(self) -> bool:
        return False

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None: ...

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        if new_config["size"] < old_config["size"]:
            raise ValueError("cannot shrink")


class LegacyDuck(Duck):
    def is_legacy(self) -> bool:
        return True


class SparseDuck(Duck):
    @staticmethod
    def name() -> str:
        return "conformance_sparse_duck"

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> SparseDuck:
        return SparseDuck(**config)


register_embedding_function(Duck)
register_sparse_embedding_function(SparseDuck)
theirs_functions.known_embedding_functions[Duck.name()] = Duck
theirs_functions.sparse_known_embedding_functions[SparseDuck.name()] = SparseDuck

# --- calls as data: (class name, keyword arguments); keys and functions are made per side ----------------------------

KEYS = [None, "body", "title", "", "a#b", "$x", "#document", "#embedding", "#id", "#score", "#", "chroma:document"]
SMALL = st.integers(0, 300)
HNSW = st.fixed_dictionaries(
    {}, optional={"ef_search": SMALL, "max_neighbors": SMALL, "resize_factor": st.floats(1, 5), "num_threads": SMALL}
)
SPANN = st.fixed_dictionaries({}, optional={"search_nprobe": SMALL, "ef_search": SMALL, "quantize": st.just("x")})
VECTOR = st.fixed_dictionaries(
    {},
    optional={
        "space": st.sampled_from([None, "cosine", "l2", "ip"]),
        "hnsw": HNSW,
        "spann": SPANN,
        "embedding_function": st.sampled_from([None, "duck", "legacy"]),
        "source_key": st.sampled_from([None, "#document", "body", ("key", "#document"), ("key", "body")]),
    },
)
SPARSE = st.fixed_dictionaries(
    {},
    optional={
        "embedding_function": st.sampled_from([None, "sparse"]),
        "source_key": st.sampled_from([None, "#document", "body", ("key", "#document")]),
        "bm25": st.booleans() | st.none(),
        "algorithm": st.just("wand"),
    },
)
PLAIN = ["FtsIndexConfig", "StringInvertedIndexConfig", "IntInvertedIndexConfig"]
PLAIN += ["FloatInvertedIndexConfig", "BoolInvertedIndexConfig"]
CONFIGS = st.one_of(
    st.none(),
    st.sampled_from(PLAIN).map(lambda name: (name, {})),
    VECTOR.map(lambda fields: ("VectorIndexConfig", fields)),
    SPARSE.map(lambda fields: ("SparseVectorIndexConfig", fields)),
)


def call_lists(configs: Any) -> Any:
    """Return lists of (verb, configuration, key, whether the key is given as a Key)."""
    verbs = st.sampled_from(["create", "create", "delete"])
    return st.lists(st.tuples(verbs, configs, st.sampled_from(KEYS), st.booleans()), max_size=8)


CALLS = call_lists(CONFIGS)
FUNCTIONS = {"duck": Duck(3), "legacy": LegacyDuck(), "sparse": SparseDuck(4)}


def made(module: Any, key_class: Any, spec: tuple[str, dict[str, Any]] | None) -> Any:
    """Build a configuration in one of the two packages."""
    if spec is None:
        return None
    name, fields = spec
    built = dict(fields)
    for field, value in fields.items():
        if field == "hnsw":
            built[field] = module.HnswIndexConfig(**value)
        elif field == "spann":
            built[field] = module.SpannIndexConfig(**value)
        elif field == "embedding_function" and isinstance(value, str):
            built[field] = FUNCTIONS[value]
        elif isinstance(value, tuple):
            built[field] = key_class(value[1])
    return getattr(module, name)(**built)


def outcome(call: Any) -> Any:
    """Return the result, or the built-in class of the error."""
    try:
        return call()
    except Exception as error:
        return next(each for each in type(error).__mro__ if each.__module__ == "builtins")


def has_other_sparse_key(schema: Any, key: str | None) -> bool:
    return any(
        entry.sparse_vector is not None and entry.sparse_vector.sparse_vector_index.enabled
        for name, entry in schema.keys.items()
        if name != key
    )


def applied(calls: Any) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Send each call to both schemas; yield both schemas and both outcomes after each."""
    our, their = ours.Schema(), types.Schema()
    for verb, spec, key, as_key in calls:
        if verb == "create" and spec and spec[0] == "SparseVectorIndexConfig" and has_other_sparse_key(their, key):
            continue
        results = []
        for schema, module, key_class in ((our, ours, OurKey), (their, types, TheirKey)):
            target = key_class(key) if as_key and key is not None else key
            config = made(module, key_class, spec)
            method = schema.create_index if verb == "create" else schema.delete_index
            results.append(outcome(lambda call=method, c=config, t=target: call(c, t)))
        yield our, their, results[0], results[1]


@settings(runs, max_examples=150)
@given(CALLS)
def test_the_same_calls_give_the_same_json_or_the_same_error(calls: Any) -> None:
    for our, their, our_result, their_result in applied(calls):
        if their_result is their:
            assert our_result is our
        else:
            assert our_result is their_result
        assert our.serialize_to_json() == their.serialize_to_json()


@settings(runs, max_examples=100)
@given(CALLS)
def test_reading_json_back_gives_the_same_schema_on_both_sides(calls: Any) -> None:
    for _, their, _, _ in applied(calls):
        form = their.serialize_to_json()
        assert (
            ours.Schema.deserialize_from_json(form).serialize_to_json()
            == types.Schema.deserialize_from_json(form).serialize_to_json()
        )


@settings(runs, max_examples=150)
@given(CALLS, st.lists(st.integers(0, 10**6), min_size=1, max_size=4))
def test_reading_json_with_parts_missing_gives_the_same_schema_on_both_sides(calls: Any, cuts: list[int]) -> None:
    form = types.Schema().serialize_to_json()
    for _, their, _, _ in applied(calls):
        form = their.serialize_to_json()
    for cut in cuts:
        paths = [(node, name) for node in walk(form) for name in node]
        if paths:
            node, name = paths[cut % len(paths)]
            del node[name]
    ours_read, theirs_read = (
        module.Schema.deserialize_from_json(deepcopy(form)).serialize_to_json() for module in (ours, types)
    )
    assert ours_read == theirs_read


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict) and node:
        yield node
        for name, child in node.items():
            if name != "embedding_function":  # goes as a whole: upstream wants each part of it, we do without "config"
                yield from walk(child)


ANY_FIELD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.floats(allow_nan=False),
    st.sampled_from(["7", "1.5", "cosine", "x", ""]),
)
NAMES = ["ef_construction", "ef_search", "max_neighbors", "search_nprobe", "split_threshold", "quantize", "space"]
NAMES += ["resize_factor", "num_threads", "batch_size", "sync_threshold", "source_key", "bm25", "foo", "enabled"]


@settings(runs, max_examples=250)
@given(
    st.sampled_from(
        [*PLAIN[1:], "HnswIndexConfig", "SpannIndexConfig", "VectorIndexConfig", "SparseVectorIndexConfig"]
    ),
    st.dictionaries(st.sampled_from(NAMES), ANY_FIELD, max_size=3),
)
def test_a_configuration_takes_and_refuses_the_same_fields(name: str, fields: dict[str, Any]) -> None:
    results = []
    for module in (ours, types):
        try:
            results.append(getattr(module, name)(**fields).model_dump(exclude={"embedding_function"}))
        except ValidationError:
            results.append(ValidationError)
    assert results[0] == results[1]


@pytest.mark.parametrize("function", [5, "x", lambda input: input, Duck], ids=["int", "str", "lambda", "class"])
@pytest.mark.parametrize("name", ["VectorIndexConfig", "SparseVectorIndexConfig"])
def test_what_is_no_embedding_function_is_refused_by_both(name: str, function: Any) -> None:
    for module in (ours, types):
        with pytest.raises(ValidationError):
            getattr(module, name)(embedding_function=function)


@pytest.mark.parametrize("source", ["#id", "#embedding", "#", "#documents", 5, ["body"]])
@pytest.mark.parametrize("name", ["VectorIndexConfig", "SparseVectorIndexConfig"])
def test_a_reserved_or_mistyped_source_key_is_refused_by_both(name: str, source: Any) -> None:
    for module in (ours, types):
        with pytest.raises(ValidationError):
            getattr(module, name)(source_key=source)


def test_cmek_has_the_same_json_and_the_same_pattern() -> None:
    for resource in ("projects/p/locations/l/keyRings/r/cryptoKeys/k", "projects/p", "", "x/projects/a/locations/b"):
        our, their = ours.Cmek.gcp(resource), types.Cmek.gcp(resource)
        assert our.validate_pattern() == their.validate_pattern()
        assert ours.Schema().set_cmek(our).serialize_to_json() == types.Schema().set_cmek(their).serialize_to_json()
        assert ours.Cmek.from_dict(their.to_dict()) == our


# --- against upstream's engine --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> Any:
    settings = chromadb.config.Settings(anonymized_telemetry=False)
    return chromadb.EphemeralClient(settings=settings)


counter = itertools.count()
BIG = st.integers(1, 500)
HNSW_CONFIGURATION = st.fixed_dictionaries(
    {},
    optional={
        "space": st.sampled_from(["l2", "cosine", "ip"]),
        "ef_construction": BIG | st.just(100),
        "ef_search": BIG | st.just(100),
        "max_neighbors": BIG | st.just(16),
        "sync_threshold": st.integers(2, 5000),
        "resize_factor": st.sampled_from([1.2, 2.0, 3]),
    },
)
METADATA = st.fixed_dictionaries(
    {"title": st.just("x")},
    optional={
        "hnsw:space": st.sampled_from(["l2", "cosine", "ip"]),
        "hnsw:M": BIG,
        "hnsw:search_ef": BIG,
        "hnsw:construction_ef": BIG,
        "hnsw:sync_threshold": st.integers(2, 5000),
        "hnsw:resize_factor": st.sampled_from([1.2, 2.0]),
    },
)


@settings(runs, max_examples=80)
@given(st.none() | HNSW_CONFIGURATION, st.none() | METADATA, st.sampled_from([None, "duck", "legacy"]))
def test_a_configuration_reads_back_as_from_upstreams_engine(
    engine: Any, hnsw: dict[str, Any] | None, metadata: dict[str, Any] | None, function: str | None
) -> None:
    legacy = {name for name in metadata or {} if name.startswith("hnsw:")}
    is_said = bool((hnsw or {}).get("space")) or (hnsw is None and "hnsw:space" in legacy)
    assume(function != "duck" or not legacy or is_said)  # else upstream's function hides the metadata
    given_configuration: dict[str, Any] = {} if hnsw is None else {"hnsw": hnsw}
    if function is not None:
        given_configuration["embedding_function"] = FUNCTIONS[function]
    our = create_configuration(deepcopy(given_configuration), metadata)
    collection = engine.create_collection(
        f"conformance-configured-{next(counter)}",
        configuration=deepcopy(given_configuration),
        metadata=metadata,
        embedding_function=None,
    )
    assert our.to_json() == collection.configuration_json
    theirs_form = collection._model.serialized_schema
    assert complete_form(None, our) == theirs_form
    assert CollectionConfig.from_stored(our.to_stored()) == our


# Upstream's single node refuses sparse indexes and turns SPANN into HNSW; it takes zeros, and then finds nothing.
LOCAL_VECTOR = st.fixed_dictionaries(
    {},
    optional={
        "space": st.sampled_from([None, "cosine", "l2", "ip"]),
        "hnsw": st.fixed_dictionaries({}, optional={"ef_search": BIG, "max_neighbors": BIG, "batch_size": SMALL}),
        "embedding_function": st.sampled_from([None, "duck", "legacy"]),
    },
)
LOCAL_CONFIGS = st.one_of(
    st.sampled_from(PLAIN).map(lambda name: (name, {})),
    LOCAL_VECTOR.map(lambda fields: ("VectorIndexConfig", fields)),
)


@settings(runs, max_examples=60)
@given(call_lists(LOCAL_CONFIGS))
def test_a_schema_is_accepted_and_completed_as_by_upstreams_engine(engine: Any, calls: Any) -> None:
    our, their, _, _ = [(ours.Schema(), types.Schema(), None, None), *applied(calls)][-1]
    form, name = our.serialize_to_json(), f"conformance-schema-{next(counter)}"
    try:
        collection = engine.create_collection(name, schema=their, embedding_function=None)
    except chromadb.errors.InvalidArgumentError:
        with pytest.raises(InvalidArgumentError):
            resolve_configuration(None, None, checked_form(form))
        return
    config = resolve_configuration(None, None, checked_form(form))
    expected = dict(collection.configuration_json)
    completed, expected_form = complete_form(checked_form(form), config), collection._model.serialized_schema
    if expected["embedding_function"] is None:  # upstream forgets the function of a schema of mere defaults
        expected["embedding_function"] = config.embedding_function
        for each in (completed, expected_form):
            for place in (each["defaults"], each["keys"]["#embedding"]):
                place["float_list"]["vector_index"]["config"].pop("embedding_function", None)
    assert config.to_json() == expected
    assert completed == expected_form


GATES = [
    ({"s": "x"}, "s", "x"),
    ({"n": 1}, "n", 1),
    ({"n": 1.0}, "n", 1.0),
    ({"n": {"$in": [1, 2]}}, "n", [1, 2]),
    ({"f": {"$gt": 1.5}}, "f", 1.5),
    ({"b": True}, "b", True),
    ({"tags": {"$contains": "x"}}, "tags", "x"),
    ({"n": {"$ne": 1}}, "n", 1),
    ({"other": "x"}, "other", "x"),
    ({"#document": "x"}, "#document", "x"),
    ({"#document": 1}, "#document", 1),
]


@pytest.mark.parametrize("deleted", [None, *PLAIN[1:]])
@pytest.mark.parametrize("key", [None, "s", "n", "tags"])
def test_filters_are_refused_with_upstreams_message_when_their_index_is_off(
    engine: Any, deleted: str | None, key: str | None
) -> None:
    our, their = ours.Schema(), types.Schema()
    if deleted is not None:
        our.delete_index(getattr(ours, deleted)(), key)
        their.delete_index(getattr(types, deleted)(), key)
    collection = engine.create_collection(f"conformance-gates-{next(counter)}", schema=their, embedding_function=None)
    collection.add(ids=["1"], embeddings=[[1.0]], metadatas=[{"s": "x", "n": 1, "f": 2.0, "b": True, "tags": ["x"]}])
    rules = IndexRules(checked_form(our.serialize_to_json()))
    for where, field, operand in GATES:
        refusal = None
        try:
            collection.get(where=where)
        except chromadb.errors.InvalidArgumentError as error:
            refusal = str(error)
        if refusal is None:
            rules.check_filter(field, operand)
        else:
            with pytest.raises(InvalidArgumentError) as caught:
                rules.check_filter(field, operand)
            assert str(caught.value) == refusal


def test_full_text_filters_are_refused_with_upstreams_message_when_it_is_off(engine: Any) -> None:
    our = ours.Schema().delete_index(ours.FtsIndexConfig(), "#document")
    their = types.Schema().delete_index(types.FtsIndexConfig(), "#document")
    collection = engine.create_collection(f"conformance-gates-{next(counter)}", schema=their, embedding_function=None)
    with pytest.raises(chromadb.errors.InvalidArgumentError) as theirs:
        collection.get(where_document={"$contains": "x"})
    with pytest.raises(InvalidArgumentError) as mine:
        IndexRules(checked_form(our.serialize_to_json())).check_text_filter()
    assert str(mine.value) == str(theirs.value)


UPDATES = st.fixed_dictionaries(
    {},
    optional={
        "ef_search": BIG,
        "num_threads": BIG,
        "batch_size": st.integers(2, 90),
        "sync_threshold": st.integers(2, 9),
    },
)


@settings(runs, max_examples=30)
@given(HNSW_CONFIGURATION, UPDATES)
def test_an_update_reads_back_as_from_upstreams_engine(engine: Any, hnsw: Any, update: Any) -> None:
    name = f"conformance-updated-{next(counter)}"
    collection = engine.create_collection(name, configuration={"hnsw": dict(hnsw)}, embedding_function=None)
    collection.modify(configuration={"hnsw": dict(update)})
    stored = engine.get_collection(name, embedding_function=None)
    our = updated_configuration(create_configuration({"hnsw": hnsw}), {"hnsw": update})
    assert our.to_json() == stored.configuration_json
    assert complete_form(None, our) == stored._model.serialized_schema


@pytest.mark.parametrize(
    "update",
    [
        {"hnsw": {"space": "ip"}},
        {"hnsw": {"ef_construction": 5}},
        {"hnsw": {"ef_search": -1}},
        {"hnsw": {"ef_search": "7"}},
        {"spann": {"ef_search": 5}},
        {"spann": {"foo": 5}},
        {"spann": {"ef_search": 5}, "hnsw": {}},
    ],
    ids=str,
)
def test_an_update_that_upstream_refuses_is_refused(engine: Any, update: Any) -> None:
    collection = engine.create_collection(f"conformance-refused-{next(counter)}", embedding_function=None)
    with pytest.raises((ValueError, chromadb.errors.ChromaError)):
        collection.modify(configuration=deepcopy(update))
    with pytest.raises(ValueError) as caught:
        updated_configuration(CollectionConfig(), update)
    assert isinstance(caught.value, ChromaSearchError)


def test_a_function_of_another_name_is_refused_by_both(engine: Any) -> None:
    configuration = {"embedding_function": Duck(2)}
    collection = engine.create_collection("conformance-function", configuration=configuration, embedding_function=None)
    other = types.DefaultEmbeddingFunction()
    with pytest.raises(ValueError):
        collection.modify(configuration={"embedding_function": other})
    with pytest.raises(ValueError):
        updated_configuration(create_configuration({"embedding_function": Duck(2)}), {"embedding_function": other})
