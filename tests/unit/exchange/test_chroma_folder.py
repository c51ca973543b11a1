"""import_chroma of directories that real releases wrote: everything comes over, the directory stays as it is."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search.client.embedded import EmbeddedClient
from chroma_search.errors import (
    ChromaSearchError,
    ConflictError,
    CorruptionError,
    InvalidInputError,
    LockedError,
    NotFoundError,
    StorageError,
    UnsupportedError,
)
from chroma_search.exchange import chroma_collection, chroma_folder
from chroma_search.exchange.chroma_folder import import_chroma
from tests.compat.chroma.stored import HISTORIES, RELEASES, changed, expected, fingerprint, unpacked

EVERYTHING = ["documents", "metadatas", "embeddings", "uris"]
OF_QUEUE = ["id-0", "id-1", "id-2", "id-3", "id-5", "id-6", "id-7", "id-8", "id-9", "id-10", "id-11", "id-13", "id-14"]
INSERTED = [*OF_QUEUE, "id-15", "id-17", "id-18", "id-19", "id-20", "id-22", "id-23", "new-1", "id-4", "tail-1"]
"""The order of the history in make_fixtures.py, followed by what later releases can do."""


@pytest.fixture
def client() -> Iterator[EmbeddedClient]:
    chroma_search.EphemeralClient().clear_system_cache()
    with chroma_search.EphemeralClient() as opened:
        yield opened


def stored(client: EmbeddedClient, collection: dict[str, Any]) -> Any:
    place = EmbeddedClient(collection["tenant"], collection["database"], client.get_settings())
    with place:
        return place.get_collection(collection["name"], embedding_function=None).get(include=EVERYTHING)


def by_id(ids: list[str], values: Any) -> dict[str, Any]:
    return dict(zip(ids, values if values is not None else [None] * len(ids), strict=True))


@pytest.mark.parametrize("release", RELEASES)
def test_every_record_equals_what_the_release_itself_gives_back(
    release: str, client: EmbeddedClient, tmp_path: Path
) -> None:
    report = import_chroma(unpacked(release, tmp_path), client)
    assert report.is_complete
    for collection in expected(release):
        got, ids = stored(client, collection), collection["ids"]
        assert by_id(got["ids"], got["documents"]) == by_id(ids, collection["documents"])
        # Some releases give {} for no metadata; here it is always None.
        metadatas = [each or None for each in collection["metadatas"]]
        assert by_id(got["ids"], got["metadatas"]) == by_id(ids, metadatas)
        assert by_id(got["ids"], got["uris"]) == by_id(ids, collection["uris"])
        theirs = by_id(ids, collection["embeddings"])
        wanted = np.array([theirs[each] for each in got["ids"]], np.float32).reshape(got["embeddings"].shape)
        if collection["space"] != "cosine":
            np.testing.assert_array_equal(got["embeddings"], wanted)
        else:  # what Chroma gives back has been normalised and brought back to its length, with rounding
            np.testing.assert_allclose(got["embeddings"], wanted, rtol=1e-6, atol=1e-6)


def test_records_of_0_3_keep_the_order_of_the_file_for_no_other_is_known(
    client: EmbeddedClient, tmp_path: Path
) -> None:
    from pyarrow.parquet import read_table

    folder = unpacked("0.3.29", tmp_path)
    import_chroma(folder, client)
    table = read_table(folder / "chroma-embeddings.parquet").to_pydict()
    first = table["collection_uuid"][0]
    in_file = [
        id_ for id_, collection in zip(table["id"], table["collection_uuid"], strict=True) if collection == first
    ]
    assert client.get_collection("plain-l2", embedding_function=None).get()["ids"] == in_file


@pytest.mark.parametrize("release", RELEASES[1:])
def test_records_keep_the_order_in_which_they_were_inserted(
    release: str, client: EmbeddedClient, tmp_path: Path
) -> None:
    import_chroma(unpacked(release, tmp_path), client)
    for name in HISTORIES:
        ids = client.get_collection(name, embedding_function=None).get()["ids"]
        assert ids[: len(INSERTED)] == INSERTED
        assert ids[len(INSERTED) :] == [each for each in ("linked", "lists") if each in ids]


@pytest.mark.parametrize("release", RELEASES)
def test_collections_keep_space_parameters_metadata_and_place(
    release: str, client: EmbeddedClient, tmp_path: Path
) -> None:
    report = import_chroma(unpacked(release, tmp_path), client)
    wanted = expected(release)
    assert [(each.tenant, each.database, each.name) for each in report.collections] == [
        (each["tenant"], each["database"], each["name"]) for each in wanted
    ]
    for collection in wanted:
        with EmbeddedClient(collection["tenant"], collection["database"], client.get_settings()) as place:
            made = place.get_collection(collection["name"], embedding_function=None)
            assert made.metadata == collection["metadata"]
            hnsw = made.configuration_json["hnsw"]
            assert hnsw["space"] == collection["space"]
            assert hnsw["sync_threshold"] == (collection["metadata"] or {}).get("hnsw:sync_threshold", 1000)


@pytest.mark.parametrize("release", RELEASES)
def test_importing_changes_not_one_byte_of_the_directory(release: str, client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked(release, tmp_path)
    before = fingerprint(folder)
    import_chroma(folder, client)
    assert fingerprint(folder) == before


def test_a_directory_without_write_permission_can_be_imported(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        assert import_chroma(folder, client).is_complete
    finally:
        for path in paths:
            path.chmod(0o755)


def test_collections_of_all_tenants_and_databases_come_over(client: EmbeddedClient, tmp_path: Path) -> None:
    import_chroma(unpacked("1.5.9", tmp_path), client)
    with EmbeddedClient("second-tenant", "second-database", client.get_settings()) as other:
        got = other.get_collection("plain-l2", embedding_function=None).get(include=EVERYTHING)
    assert (got["ids"], got["documents"]) == (["elsewhere"], ["in another database"])


def test_metadata_keeps_types_that_compare_equal_apart(client: EmbeddedClient, tmp_path: Path) -> None:
    import_chroma(unpacked("1.5.9", tmp_path), client)
    (metadata,) = client.get_collection("plain-l2", embedding_function=None).get(ids=["id-11"])["metadatas"] or [None]
    assert metadata is not None
    assert {key: (type(value), value) for key, value in metadata.items()} == {
        "i": (int, 8),
        "big": (int, 2**53 + 11),
        "f": (float, 1.375),
        "whole": (float, 11.0),
        "s": (str, "café 11"),
        "b": (bool, False),
    }


def test_imported_collections_are_searched_and_survive_reopening(tmp_path: Path) -> None:
    folder = unpacked("0.5.23", tmp_path)
    with chroma_search.PersistentClient(tmp_path / "ours") as ours:
        import_chroma(folder, ours)
    with chroma_search.PersistentClient(tmp_path / "ours") as again:
        angles = again.get_collection("angles", embedding_function=None)
        found = angles.query(query_embeddings=[[18.0, -18.0, 18.0, 0.5]], n_results=1, include=["distances"])
    assert found["ids"] == [["id-3"]]
    assert found["distances"] is not None
    assert found["distances"][0][0] == pytest.approx(0, abs=1e-6)


def test_a_write_ahead_log_left_behind_is_read_and_left_alone(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    crashed = tmp_path / "crashed"
    database = sqlite3.connect(folder / "chroma.sqlite3")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA wal_autocheckpoint=0")
    database.execute("UPDATE embedding_metadata SET string_value = 'only in the log' WHERE string_value = 'the tail'")
    database.commit()
    shutil.copytree(folder, crashed)  # as a killed process would leave it
    database.close()
    (crashed / "chroma.sqlite3-shm").unlink()
    before = fingerprint(crashed)
    assert "chroma.sqlite3-wal" in before
    import_chroma(crashed, client)
    got = client.get_collection("plain-l2", embedding_function=None).get(ids=["tail-1"])
    assert got["documents"] == ["only in the log"]
    assert fingerprint(crashed) == before


def test_a_transaction_cut_off_in_the_middle_is_undone_elsewhere(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    crashed = tmp_path / "crashed"
    database = sqlite3.connect(folder / "chroma.sqlite3", isolation_level=None)
    database.execute("PRAGMA cache_size=1")  # pages reach the file before the commit
    database.execute("BEGIN")
    database.execute(
        "UPDATE embedding_metadata SET string_value = 'torn' || zeroblob(3000) WHERE key = 'chroma:document'"
    )
    shutil.copytree(folder, crashed)
    database.execute("ROLLBACK")
    database.close()
    before = fingerprint(crashed)
    assert "chroma.sqlite3-journal" in before
    assert before["chroma.sqlite3"] != fingerprint(folder)["chroma.sqlite3"]
    import_chroma(crashed, client)
    assert client.get_collection("angles", embedding_function=None).get(ids=["tail-1"])["documents"] == ["the tail"]
    assert fingerprint(crashed) == before


def test_a_database_in_wal_mode_without_a_log_gets_no_files_beside_it(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("0.6.3", tmp_path)
    changed(folder, "PRAGMA journal_mode=WAL")
    before = fingerprint(folder)
    assert import_chroma(folder, client).is_complete
    assert fingerprint(folder) == before


def test_writes_that_only_the_queue_has_are_applied(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    topic = (
        "(SELECT topic FROM embeddings_queue q JOIN collections c ON q.topic LIKE '%' || c.id AND c.name = 'angles')"
    )
    vector = "x'" + np.array([1, 2, 3, 4], "<f4").tobytes().hex() + "'"
    rows = [
        (2, "late-2", vector, '\'{"chroma:document":"new","n":1}\''),
        (0, "id-5", vector, "'{\"n\":2}'"),  # exists: does nothing
        (1, "id-6", "NULL", '\'{"extra":null,"n":3,"chroma:document":"changed"}\''),
        (1, "nobody", vector, "'{\"n\":4}'"),  # does not exist: does nothing
        (3, "id-7", "NULL", "NULL"),
        (0, "id-7", vector, "'{\"n\":5}'"),
        (3, "id-8", "NULL", "NULL"),
        (0, "late-1", vector, "NULL"),
    ]
    changed(
        folder,
        *(
            "INSERT INTO embeddings_queue (operation, topic, id, vector, encoding, metadata) "
            f"VALUES ({code}, {topic}, '{id_}', {blob}, 'FLOAT32', {metadata})"
            for code, id_, blob, metadata in rows
        ),
    )
    report = import_chroma(folder, client, collections=["angles"])
    assert report.is_complete
    got = client.get_collection("angles", embedding_function=None).get(include=EVERYTHING)
    position = {id_: at for at, id_ in enumerate(got["ids"])}
    assert got["ids"][-3:] == ["late-2", "id-7", "late-1"]
    assert "id-8" not in position
    assert "nobody" not in position
    metadatas, documents = got["metadatas"] or [], got["documents"] or []
    assert (metadatas[position["late-2"]], documents[position["late-2"]]) == ({"n": 1}, "new")
    assert metadatas[position["id-6"]] == {
        "b": True,
        "big": 2**53 + 6,
        "f": 0.75,
        "i": -1,
        "n": 3,
        "s": "café 6",
        "whole": 6.0,
    }
    assert documents[position["id-6"]] == "changed"
    assert metadatas[position["id-7"]] == {"n": 5}
    assert metadatas[position["id-5"]] is not None
    assert "n" not in metadatas[position["id-5"]]
    assert got["embeddings"] is not None
    np.testing.assert_array_equal(got["embeddings"][position["id-7"]], [1, 2, 3, 4])


def test_batches_are_bounded_and_each_is_told(
    client: EmbeddedClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chroma_collection, "BATCH_ROWS", 7)
    told: list[tuple[str, int, int]] = []
    import_chroma(
        unpacked("1.0.20", tmp_path),
        client,
        collections=["angles", "only-queue"],
        progress=lambda each: told.append((each.collection, each.n_done, each.n_total)),
    )
    assert told == [("angles", 7, 24), ("angles", 14, 24), ("angles", 21, 24), ("angles", 24, 24), ("only-queue", 2, 2)]
    assert client.get_collection("angles", embedding_function=None).get()["ids"][:23] == INSERTED


def test_the_report_is_json_and_says_where_vectors_came_from(client: EmbeddedClient, tmp_path: Path) -> None:
    report = import_chroma(unpacked("1.5.9", tmp_path), client, collections=["plain-l2"], database="elsewhere")
    assert [each.database for each in report.collections] == ["elsewhere", "elsewhere"][: len(report.collections)]
    form = json.loads(json.dumps(report.to_dict()))
    assert form["collections"][0]["n_from_index"] == 23
    assert "25 records (23 vectors from the index, 2 from the queue)" in str(report)


def test_a_taken_name_is_a_conflict_before_anything_is_written(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    client.create_collection("only-queue", embedding_function=None)
    with pytest.raises(ConflictError, match="only-queue"):
        import_chroma(folder, client)
    assert [each.name for each in client.list_collections()] == ["only-queue"]


def test_two_collections_of_one_name_do_not_go_to_one_place(client: EmbeddedClient, tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="plain-l2"):
        import_chroma(unpacked("1.5.9", tmp_path), client, tenant="default_tenant", database="default_database")
    assert client.count_collections() == 0


def test_after_an_error_in_the_middle_nothing_is_left(
    client: EmbeddedClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(progress: object) -> None:
        if client.count_collections() == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_chroma(unpacked("1.5.9", tmp_path), client, progress=fail)
    assert client.count_collections() == 0


def test_after_an_error_while_names_are_given_nothing_is_left(
    client: EmbeddedClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unpacked("1.5.9", tmp_path)
    seen: list[str] = []

    def take_the_name(progress: Any) -> None:
        if progress.collection == "only-queue" and not seen:
            seen.append(client.create_collection("only-queue", embedding_function=None).name)

    with pytest.raises(ConflictError):
        import_chroma(folder, client, progress=take_the_name)
    assert [each.name for each in client.list_collections()] == ["only-queue"]


def test_what_a_killed_import_left_is_replaced(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chroma_folder._Targets, "drop", lambda *_: None)  # a kill does not clean up
        with pytest.raises(RuntimeError):
            import_chroma(folder, client, progress=_raise)
    (left,) = client.list_collections()
    assert left.name.startswith("importing-")
    assert import_chroma(folder, client).is_complete
    assert not [each.name for each in client.list_collections() if each.name.startswith("importing-")]


def _raise(progress: object) -> None:
    raise RuntimeError


def test_a_chosen_collection_must_exist(client: EmbeddedClient, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="it has: angles, empty"):
        import_chroma(unpacked("1.5.9", tmp_path), client, collections=["anlges"])


def test_a_folder_of_something_else_is_refused_with_the_nearest_fix(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    inner = next(each for each in folder.iterdir() if each.is_dir())
    with pytest.raises(NotFoundError, match="no folder"):
        import_chroma(tmp_path / "missing", client)
    with pytest.raises(UnsupportedError, match=f"did you mean {folder}"):
        import_chroma(tmp_path, client)
    with pytest.raises(UnsupportedError, match=f"did you mean {folder}"):
        import_chroma(inner, client)
    with pytest.raises(UnsupportedError, match=f"did you mean {folder}"):
        import_chroma(folder / "chroma.sqlite3", client)
    (tmp_path / "other").mkdir()
    with pytest.raises(UnsupportedError, match=r"chroma\.sqlite3"):
        import_chroma(tmp_path / "other", client)


def test_a_folder_of_0_3_without_its_collections_says_which_file_is_missing(
    client: EmbeddedClient, tmp_path: Path
) -> None:
    folder = unpacked("0.3.29", tmp_path)
    (folder / "chroma-collections.parquet").unlink()
    with pytest.raises(CorruptionError, match=r"chroma-collections\.parquet is missing"):
        import_chroma(folder, client)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["chroma-collections.parquet", "chroma-embeddings.parquet"])
def test_no_flipped_bit_and_no_cut_of_a_folder_of_0_3_crashes(name: str, tmp_path: Path) -> None:
    folder = unpacked("0.3.29", tmp_path)
    sound = (folder / name).read_bytes()
    rng = np.random.default_rng(5)
    damaged = [sound[:end] for end in rng.integers(0, len(sound), 10).tolist()]
    for at, bit in zip(rng.integers(0, len(sound), 60).tolist(), rng.integers(0, 8, 60).tolist(), strict=True):
        flipped = bytearray(sound)
        flipped[at] ^= 1 << bit
        damaged.append(bytes(flipped))
    n_refused = 0
    for content in damaged:
        (folder / name).write_bytes(content)
        with chroma_search.EphemeralClient() as client:
            try:
                import_chroma(folder, client)
            except ChromaSearchError:
                n_refused += 1
                assert client.count_collections() == 0
    assert n_refused >= 10


def test_a_target_inside_the_source_is_refused(tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    with (
        chroma_search.PersistentClient(folder / "ours") as client,
        pytest.raises(InvalidInputError, match="another folder"),
    ):
        import_chroma(folder, client)


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\x00" + bytes(200)])
def test_a_file_that_is_no_database_is_a_corruption_error(
    content: bytes, client: EmbeddedClient, tmp_path: Path
) -> None:
    (tmp_path / "chroma.sqlite3").write_bytes(content)
    with pytest.raises(CorruptionError, match=r"chroma\.sqlite3"):
        import_chroma(tmp_path, client)


def test_a_database_cut_short_is_a_corruption_error(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    path = folder / "chroma.sqlite3"
    path.write_bytes(path.read_bytes()[:40_000])
    with pytest.raises(CorruptionError, match=r"chroma\.sqlite3"):
        import_chroma(folder, client)
    assert client.count_collections() == 0


def test_a_program_that_is_writing_is_a_locked_error(
    client: EmbeddedClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chroma_search.exchange.chroma_sqlite.BUSY_S", 0.01)
    folder = unpacked("1.5.9", tmp_path)
    writer = sqlite3.connect(folder / "chroma.sqlite3", isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    with pytest.raises(LockedError, match="in use"):
        import_chroma(folder, client)
    writer.rollback()
    writer.close()


def test_a_directory_that_changes_meanwhile_is_an_error(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    changed(folder, "PRAGMA journal_mode=WAL")

    def write(progress: object) -> None:
        changed(folder, "INSERT INTO tenants VALUES ('another')")

    with pytest.raises(StorageError, match="changed while it was read"):
        import_chroma(folder, client, collections=["angles"], progress=write)
    assert client.count_collections() == 0


@pytest.mark.parametrize(("what", "column", "name"), [("database", "name", "db/1"), ("tenant", "tenant_id", "t2")])
def test_a_place_whose_name_is_not_allowed_here_is_told_with_what_to_do(
    client: EmbeddedClient, tmp_path: Path, what: str, column: str, name: str
) -> None:
    folder = unpacked("1.5.9", tmp_path)
    changed(folder, f"UPDATE databases SET {column} = '{name}'")
    with pytest.raises(InvalidInputError, match=f"the {what} that it has in Chroma: .*Name another {what} to import"):
        import_chroma(folder, client)
    assert client.list_collections() == []
    place: dict[str, Any] = {what: "allowed"}
    assert import_chroma(folder, client, collections=["plain-l2"], **place).n_records
