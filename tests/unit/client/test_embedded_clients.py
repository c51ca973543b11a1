"""Clients in the user's own process: what they share, and how collections come and go."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

import chroma_search
from chroma_search import (
    AdminClient,
    Client,
    ConflictError,
    EphemeralClient,
    NotFoundError,
    Settings,
    VectorIndexConfig,
)
from chroma_search.client.system import clear_systems
from chroma_search.errors import ClosedError, ForbiddenError, InvalidConfigError
from tests.functions import Letters, Nameless


@pytest.fixture(autouse=True)
def _own_system() -> Iterator[None]:
    clear_systems()
    yield
    clear_systems()


def test_in_memory_clients_of_a_process_share_their_data() -> None:
    first, second = EphemeralClient(), Client()
    first.create_collection("abc", embedding_function=None).add(ids="a", embeddings=[1.0])
    assert second.get_collection("abc").count() == 1
    assert [each.name for each in second.list_collections()] == ["abc"]


def test_data_live_until_the_last_client_is_closed() -> None:
    first, second = EphemeralClient(), EphemeralClient()
    collection = first.create_collection("abc", embedding_function=None)
    first.close()
    first.close()
    assert second.count_collections() == 1
    second.close()
    with EphemeralClient() as third:
        assert third.count_collections() == 0
    assert collection.count() == 0  # the handle keeps what it held


def test_a_closed_client_refuses_to_work() -> None:
    client = EphemeralClient()
    client.close()
    for call in (client.list_collections, client.heartbeat, lambda: client.create_collection("abc")):
        with pytest.raises(ClosedError, match="closed"):
            call()


def test_clients_with_other_settings_are_refused_while_one_is_open() -> None:
    first = EphemeralClient(Settings(allow_reset=True))
    with pytest.raises(InvalidConfigError, match="different settings"):
        EphemeralClient()
    first.close()
    EphemeralClient().close()


def test_a_client_that_could_not_be_made_leaves_no_share() -> None:
    with pytest.raises(NotFoundError, match=r"Tenant \[nobody\]"):
        EphemeralClient(tenant="nobody")
    EphemeralClient(Settings(allow_reset=True))


def test_clearing_the_cache_gives_the_next_client_an_empty_database() -> None:
    first = EphemeralClient()
    first.create_collection("abc")
    first.clear_system_cache()
    assert EphemeralClient().count_collections() == 0
    assert first.count_collections() == 1


def test_settings_that_name_an_unknown_place_are_refused() -> None:
    with pytest.raises(InvalidConfigError, match="names no client in this process"):
        Client(Settings(chroma_api_impl="chromadb.api.async_fastapi.AsyncFastAPI"))
    with pytest.raises(InvalidConfigError, match="chroma_server_host"):
        Client(Settings(chroma_api_impl="chromadb.api.fastapi.FastAPI"))


def test_settings_of_chroma_before_0_4_are_refused() -> None:
    with pytest.raises(InvalidConfigError, match="chroma_db_impl"):
        Client(Settings(chroma_db_impl="duckdb+parquet"))


@pytest.mark.filterwarnings("ignore:.*will be required in a future version")  # about functions without a name
def test_reset_needs_permission_and_forgets_everything() -> None:
    with EphemeralClient() as client, pytest.raises(ForbiddenError, match="Reset is disabled"):
        client.reset()
    client = EphemeralClient(Settings(allow_reset=True))
    client.create_collection("abc", embedding_function=Nameless())
    assert client.reset() is True
    assert client.count_collections() == 0


def test_tenants_and_databases_keep_collections_apart() -> None:
    admin, client = AdminClient(), EphemeralClient()
    admin.create_tenant("company")
    admin.create_database("texts", tenant="company")
    assert admin.get_tenant("company") == {"name": "company"}
    found = admin.get_database("texts", tenant="company")
    assert (found["name"], found["tenant"]) == ("texts", "company")
    assert [each["name"] for each in admin.list_databases(tenant="company")] == ["texts"]
    client.create_collection("abc")
    client.set_tenant("company", "texts")
    assert client.list_collections() == []
    client.create_collection("abc")
    assert EphemeralClient(tenant="company", database="texts").count_collections() == 1
    with pytest.raises(NotFoundError):
        client.set_database("other")
    assert (client.tenant, client.database) == ("company", "texts")
    admin.delete_database("texts", tenant="company")
    with pytest.raises(NotFoundError):
        client.create_collection("xyz")


@pytest.mark.parametrize("name", ["ab", "a b c", "x" * 513])
def test_names_of_databases_are_checked(name: str) -> None:
    with pytest.raises(ValueError):
        AdminClient().create_database(name)


def test_creating_what_exists_is_a_conflict_unless_asked_for() -> None:
    client = EphemeralClient()
    first = client.create_collection("abc", metadata={"a": 1}, embedding_function=None)
    with pytest.raises(ConflictError):
        client.create_collection("abc")
    again = client.get_or_create_collection("abc", metadata={"b": 2}, embedding_function=None)
    assert (again, again.metadata) == (first, {"a": 1})


def test_collections_are_found_by_name_and_id_and_listed_in_order() -> None:
    client = EphemeralClient()
    made = [client.create_collection(name, embedding_function=None) for name in ("zzz", "aaa", "mmm")]
    assert client.get_collection("aaa") == made[1]
    assert client.get_collection_by_id(made[2].id).name == "mmm"
    assert [each.name for each in client.list_collections()] == ["zzz", "aaa", "mmm"]
    assert [each.name for each in client.list_collections(limit=1, offset=1)] == ["aaa"]
    with pytest.raises(NotFoundError):
        client.get_collection_by_id(uuid.uuid4())
    client.delete_collection("aaa")
    with pytest.raises(NotFoundError, match="aaa"):
        client.get_collection("aaa")


def test_a_function_of_another_name_is_refused_and_the_default_never_is() -> None:
    client = EphemeralClient()
    client.create_collection("abc", embedding_function=Letters())
    client.get_collection("abc")
    client.get_collection("abc", embedding_function=None)
    with pytest.raises(ValueError, match="conflict"):
        client.get_collection("abc", embedding_function=chroma_search.LsaEmbeddingFunction())
    with pytest.raises(ValueError, match="conflict"):
        client.create_collection(
            "xyz",
            embedding_function=Letters(),
            configuration={"embedding_function": chroma_search.LsaEmbeddingFunction()},
        )


@pytest.mark.filterwarnings("ignore:.*will be required in a future version")  # about functions without a name
def test_a_function_is_remembered_as_the_object_that_it_is() -> None:
    client, function = EphemeralClient(), Letters()
    client.create_collection("abc", embedding_function=function)
    client.get_collection("abc").add(ids="a", documents="abba")
    assert function.calls == [["abba"]]
    nameless = Nameless()
    client.create_collection("xyz", embedding_function=nameless)
    client.get_collection("xyz").add(ids="a", documents="text")  # chromadb forgets a function without a name
    assert client.get_collection("xyz").configuration["embedding_function"] is nameless


def test_a_function_in_a_schema_or_configuration_is_remembered_too() -> None:
    client, in_schema, in_configuration = EphemeralClient(), Letters(), Letters()
    schema = chroma_search.Schema().create_index(VectorIndexConfig(embedding_function=in_schema, space="ip"))
    client.create_collection("abc", schema=schema)
    client.get_collection("abc").add(ids="a", documents="abba")
    client.create_collection("xyz", configuration={"embedding_function": in_configuration})
    client.get_collection("xyz").add(ids="a", documents="cab")
    assert (in_schema.calls, in_configuration.calls) == ([["abba"]], [["cab"]])
    assert client.get_collection("abc").configuration_json["hnsw"]["space"] == "ip"


def test_the_configuration_dict_of_the_caller_is_not_changed() -> None:
    given: Any = {"hnsw": {"space": "cosine"}}
    EphemeralClient().create_collection("abc", configuration=given, embedding_function=Letters())
    assert given == {"hnsw": {"space": "cosine"}}


def test_many_threads_create_one_collection_between_them() -> None:
    client = EphemeralClient()
    found: list[Any] = []

    def work() -> None:
        for _ in range(20):
            collection = client.get_or_create_collection("abc", embedding_function=None)
            collection.upsert(ids=["x"], embeddings=[[1.0]])
            found.append(collection.id)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 160
    assert len(set(found)) == 1
    assert client.get_collection("abc").count() == 1


def test_small_questions_have_answers() -> None:
    client = EphemeralClient()
    assert client.heartbeat() > 1_600_000_000_000_000_000
    assert client.get_version() == chroma_search.__version__
    assert client.get_max_batch_size() > 1_000_000_000
    assert client.get_settings().is_persistent is False
