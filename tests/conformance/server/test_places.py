"""Routes of the system, tenants, databases and collections: status, body, defaults and traps of the specification."""

import time
import uuid

import pytest

from tests.conformance.server.serving import DEFAULT, serving
from tests.conformance.server.test_requests import is_error

TENANT = "/api/v2/tenants/default_tenant"
NOBODY = str(uuid.UUID(int=7))


def test_the_heart_beats_in_nanoseconds(client):
    for path in ("/api/v2", "/api/v2/heartbeat"):
        before = time.time_ns()
        answer = client.get(path).json()
        assert set(answer) == {"nanosecond heartbeat"}
        assert before <= answer["nanosecond heartbeat"] <= time.time_ns()


def test_what_clients_ask_first(client):
    assert client.get("/api/v2/healthcheck").json() == {"is_executor_ready": True, "is_log_client_ready": True}
    assert client.get("/api/v2/version").json() == "1.0.0"
    checks = {"max_batch_size": 5461, "supports_base64_encoding": True}
    assert client.get("/api/v2/pre-flight-checks").json() == checks
    nobody = {"user_id": "", "tenant": "default_tenant", "databases": ["default_database"]}
    assert client.get("/api/v2/auth/identity").json() == nobody


def test_reset_is_off_unless_allowed(client):
    assert is_error(client.post("/api/v2/reset"), 403, "ChromaError") == "Reset is disabled by config"


def test_reset_drops_everything_and_makes_the_defaults():
    with serving(allow_reset=True) as server, server.client() as client:
        client.post("/api/v2/tenants", json={"name": "other"})
        client.post(f"{DEFAULT}/collections", json={"name": "gone"})
        assert client.post("/api/v2/reset").json() is True
        assert client.get("/api/v2/tenants/other").status_code == 404
        assert client.get(f"{DEFAULT}/collections").json() == []
        zero = str(uuid.UUID(int=0))
        assert client.get(DEFAULT).json() == {"id": zero, "name": "default_database", "tenant": "default_tenant"}


def test_tenants(client, name):
    assert client.post("/api/v2/tenants", json={"name": name}).json() == {}
    assert client.get(f"/api/v2/tenants/{name}").json() == {"name": name, "resource_name": None}
    message = is_error(client.post("/api/v2/tenants", json={"name": name}), 409, "ChromaError")
    assert message == f"Tenant [{name}] already exists"
    is_error(client.post("/api/v2/tenants", json={"name": "ab"}), 400, "InvalidArgumentError")
    assert is_error(client.get("/api/v2/tenants/nope"), 404, "NotFoundError") == "Tenant [nope] not found"


def test_a_database_needs_its_tenant(client):
    is_error(client.post("/api/v2/tenants/nope/databases", json={"name": "docs"}), 404, "NotFoundError")


def test_a_resource_name_is_accepted_and_forgotten(client, name):
    assert client.patch(f"/api/v2/tenants/{name}", json={"resource_name": "r"}).json() == {}
    is_error(client.patch(f"/api/v2/tenants/{name}", json={}), 422, "ChromaError")
    assert client.get(TENANT).json() == {"name": "default_tenant", "resource_name": None}


def test_databases(client, name):
    client.post("/api/v2/tenants", json={"name": name})
    tenant = f"/api/v2/tenants/{name}/databases"
    for each in ("bbb", "aaa", "ccc"):
        assert client.post(tenant, json={"name": each}).json() == {}
    assert [each["name"] for each in client.get(tenant).json()] == ["aaa", "bbb", "ccc"]
    assert [each["name"] for each in client.get(f"{tenant}?limit=1&offset=1").json()] == ["bbb"]
    assert client.get(f"{tenant}?limit=0").json() == []
    found = client.get(f"{tenant}/aaa").json()
    assert set(found) == {"id", "name", "tenant"}
    uuid.UUID(found["id"])
    message = is_error(client.post(tenant, json={"name": "aaa"}), 409, "ChromaError")
    assert message == "Database [aaa] already exists"
    assert client.delete(f"{tenant}/aaa").json() == {}
    assert is_error(client.get(f"{tenant}/aaa"), 404, "NotFoundError").startswith("Database [aaa] not found. Are you")
    assert is_error(client.delete(f"{tenant}/aaa"), 404, "NotFoundError") == "Database [aaa] not found"


def test_an_unknown_tenant_has_no_databases_and_an_unknown_database_no_collections(client):
    assert client.get("/api/v2/tenants/nope/databases").json() == []
    assert client.get(f"{TENANT}/databases/nope/collections").json() == []
    assert client.get(f"{TENANT}/databases/nope/collections_count").json() == 0
    is_error(client.get(f"{TENANT}/databases/ab"), 400, "InvalidArgumentError")


@pytest.mark.parametrize(
    "bad", ["ab", "-abc", "abc-", "a..b", "127.0.0.1", "a b c", "a/b", "ä-ö-ü", "a" * 513, "a\x00b"]
)
def test_a_name_has_a_rule(client, bad):
    message = is_error(client.post(f"{TENANT}/databases", json={"name": bad}), 400, "InvalidArgumentError")
    assert message.startswith("Expected a database name ")
    message = is_error(client.post(f"{DEFAULT}/collections", json={"name": bad}), 400, "InvalidArgumentError")
    assert message.startswith("Validation error: name: ")


def test_a_database_takes_its_collections_with_it(client, name):
    client.post(f"{TENANT}/databases", json={"name": name})
    made = client.post(f"{TENANT}/databases/{name}/collections", json={"name": "inside"}).json()
    client.delete(f"{TENANT}/databases/{name}")
    client.post(f"{TENANT}/databases", json={"name": name})
    assert client.get(f"{TENANT}/databases/{name}/collections").json() == []
    missing = client.get(f"{TENANT}/databases/{name}/collections/{made['id']}/count")
    assert is_error(missing, 404, "NotFoundError") == f"Collection [{made['id']}] does not exist."


def test_a_new_collection_says_all_of_itself(client, name):
    made = client.post(f"{DEFAULT}/collections", json={"name": name}).json()
    uuid.UUID(made.pop("id"))
    schema = made.pop("schema")
    assert set(schema) >= {"defaults", "keys"}
    assert set(schema["keys"]) == {"#embedding", "#document"}
    hnsw = {
        "space": "l2",
        "ef_construction": 100,
        "ef_search": 100,
        "max_neighbors": 16,
        "resize_factor": 1.2,
        "sync_threshold": 1000,
    }
    assert made == {
        "name": name,
        "configuration_json": {"hnsw": hnsw, "spann": None, "embedding_function": None},
        "metadata": None,
        "dimension": None,
        "tenant": "default_tenant",
        "database": "default_database",
        "log_position": 0,
        "version": 0,
    }


def test_a_dimension_is_known_from_the_first_write_and_the_version_grows_with_what_is_indexed(client, records):
    place = records.replace("/collections/", "/collections/by-id/")
    before = client.get(place).json()
    assert before["dimension"] == 2
    assert client.post(f"{records}/delete", json={"ids": ["a"]}).status_code == 200
    assert client.get(place).json()["version"] > before["version"] > 0


def test_get_or_create_returns_what_is_there(client, name):
    body = {"name": name, "metadata": {"a": 1}}
    made = client.post(f"{DEFAULT}/collections", json=body).json()
    message = is_error(client.post(f"{DEFAULT}/collections", json=body), 409, "ChromaError")
    assert message == f"Collection [{name}] already exists"
    again = client.post(f"{DEFAULT}/collections", json={"name": name, "metadata": {"b": 2}, "get_or_create": True})
    assert again.json() == made


def test_what_a_collection_cannot_be_made_of(client, name):
    post = f"{DEFAULT}/collections"
    is_error(client.post(post, json={"name": name, "metadata": {}}), 400, "InvalidArgumentError")
    is_error(client.post(post, json={"name": name, "metadata": {"a": None}}), 422, "ChromaError")
    both = {"name": name, "configuration": {"hnsw": {}, "spann": {}}}
    message = is_error(client.post(post, json=both), 400, "InvalidArgumentError")
    assert "Multiple vector index configurations provided" in message
    nowhere = f"{TENANT}/databases/nope/collections"
    message = is_error(client.post(nowhere, json={"name": name}), 400, "InvalidArgumentError")
    assert message == "Database [nope] does not exist"
    is_error(client.post(post, json={"name": 5}), 422, "ChromaError")
    is_error(client.post(post, json={"name": name, "get_or_create": "yes"}), 422, "ChromaError")
    assert client.get(f"{post}/{name}").status_code == 404


def test_old_metadata_keys_set_the_index_and_a_configuration_outranks_them(client, name):
    body = {"name": name, "metadata": {"hnsw:space": "cosine", "hnsw:M": 24}}
    made = client.post(f"{DEFAULT}/collections", json=body).json()
    assert made["configuration_json"]["hnsw"]["space"] == "cosine"
    assert made["configuration_json"]["hnsw"]["max_neighbors"] == 24
    assert made["metadata"] == body["metadata"]
    body = {"name": f"{name}-2", "metadata": {"hnsw:space": "cosine"}, "configuration": {"hnsw": {"space": "ip"}}}
    made = client.post(f"{DEFAULT}/collections", json=body).json()
    assert made["configuration_json"]["hnsw"]["space"] == "ip"


@pytest.mark.parametrize(
    "function",
    [{"type": "legacy"}, {"type": "unknown"}, {"type": "known", "name": "x", "config": {"a": [1, {"b": None}]}}],
)
def test_an_embedding_function_is_kept_as_it_was_sent(client, name, function):
    body = {"name": name, "configuration": {"embedding_function": function}}
    client.post(f"{DEFAULT}/collections", json=body)
    assert client.get(f"{DEFAULT}/collections/{name}").json()["configuration_json"]["embedding_function"] == function


def test_a_function_nested_deeper_than_json_is_written_is_refused(client, name):
    config = {}
    for _ in range(300):
        config = {"a": config}
    body = {"name": name, "configuration": {"embedding_function": {"type": "known", "name": "x", "config": config}}}
    is_error(client.post(f"{DEFAULT}/collections", json=body), 422, "ChromaError")
    made = client.post(f"{DEFAULT}/collections", json={"name": name}).json()
    update = {"new_configuration": {"embedding_function": body["configuration"]["embedding_function"]}}
    is_error(client.put(f"{DEFAULT}/collections/{made['id']}", json=update), 422, "ChromaError")
    is_error(client.post(f"{DEFAULT}/collections", json={"name": f"{name}-2", "schema": config}), 422, "ChromaError")
    assert client.get(f"{DEFAULT}/collections").status_code == 200


def test_collections_are_found_by_name_id_and_crn(client, name):
    made = client.post(f"{DEFAULT}/collections", json={"name": name}).json()
    assert client.get(f"{DEFAULT}/collections/{name}").json() == made
    assert client.get(f"{DEFAULT}/collections/by-id/{made['id']}").json() == made
    assert client.get(f"/api/v2/collections/default_tenant:default_database:{name}").json() == made
    missing = client.get(f"{DEFAULT}/collections/{made['id']}")
    assert is_error(missing, 404, "NotFoundError") == f"Collection [{made['id']}] does not exist"
    is_error(client.get(f"{DEFAULT}/collections/by-id/{NOBODY}"), 404, "NotFoundError")
    message = is_error(client.get(f"{DEFAULT}/collections/by-id/x"), 400, "InvalidArgumentError")
    assert message == "Validation error: collection_id: Invalid collection ID format, expected UUID"
    for crn in ("a:b", "a:b:c:d", "::", "x"):
        is_error(client.get(f"/api/v2/collections/{crn}"), 400, "InvalidArgumentError")
    is_error(client.get("/api/v2/collections/a:b:c"), 404, "NotFoundError")


def test_collections_are_listed_in_order_of_creation(client, name):
    client.post(f"{TENANT}/databases", json={"name": name})
    path = f"{TENANT}/databases/{name}"
    for each in ("zzz", "aaa", "mmm"):
        client.post(f"{path}/collections", json={"name": each})
    assert [each["name"] for each in client.get(f"{path}/collections").json()] == ["zzz", "aaa", "mmm"]
    assert [each["name"] for each in client.get(f"{path}/collections?limit=1&offset=1").json()] == ["aaa"]
    assert client.get(f"{path}/collections?limit=0").json() == []
    assert client.get(f"{path}/collections_count").json() == 3


def test_a_collection_is_changed(client, name):
    made = client.post(f"{DEFAULT}/collections", json={"name": name, "metadata": {"a": 1, "b": 2}}).json()
    path = f"{DEFAULT}/collections/{made['id']}"
    assert client.put(path, json={}).json() == {}
    update = {
        "new_name": f"{name}-2",
        "new_metadata": {"c": 3, "d": None},
        "new_configuration": {"hnsw": {"ef_search": 7}},
    }
    assert client.put(path, json=update).json() == {}
    found = client.get(f"{DEFAULT}/collections/{name}-2").json()
    assert found["metadata"] == {"c": 3}
    assert found["configuration_json"]["hnsw"]["ef_search"] == 7
    assert client.put(path, json={"new_configuration": {"spann": {"search_nprobe": 9}}}).json() == {}
    is_error(client.put(path, json={"new_metadata": {}}), 400, "InvalidArgumentError")
    is_error(client.put(path, json={"new_name": "-"}), 400, "InvalidArgumentError")
    is_error(client.put(f"{DEFAULT}/collections/{NOBODY}", json={}), 404, "NotFoundError")
    message = is_error(client.put(f"{DEFAULT}/collections/x", json={}), 400, "InvalidArgumentError")
    assert message == "Collection ID is not a valid UUIDv4"
    client.post(f"{DEFAULT}/collections", json={"name": f"{name}-3"})
    is_error(client.put(path, json={"new_name": f"{name}-3"}), 409, "ChromaError")


def test_a_collection_is_deleted_by_name_alone(client, name):
    made = client.post(f"{DEFAULT}/collections", json={"name": name}).json()
    is_error(client.delete(f"{DEFAULT}/collections/{made['id']}"), 404, "NotFoundError")
    assert client.delete(f"{DEFAULT}/collections/{name}").json() == {}
    is_error(client.delete(f"{DEFAULT}/collections/{name}"), 404, "NotFoundError")
    is_error(client.post(f"{DEFAULT}/collections/{made['id']}/get", json={}), 404, "NotFoundError")


def test_a_collection_is_found_only_in_its_own_database(client, records, name):
    client.post(f"{TENANT}/databases", json={"name": name})
    elsewhere = records.replace("default_database", name)
    is_error(client.get(f"{elsewhere}/count"), 404, "NotFoundError")
    is_error(client.get(records.replace("default_tenant", "nope") + "/count"), 404, "NotFoundError")


def test_single_node_limits_make_hnsw_of_spann(name):
    body = {"name": name, "configuration": {"spann": {"space": "cosine"}}}
    with serving(single_node_limits=True) as server, server.client() as client:
        configuration = client.post(f"{DEFAULT}/collections", json=body).json()["configuration_json"]
        assert configuration["spann"] is None
        assert configuration["hnsw"]["space"] == "cosine"
