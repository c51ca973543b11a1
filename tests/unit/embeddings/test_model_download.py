"""The model archive: fetched over a real socket, checked, unpacked, and nothing left behind when any of it fails."""

import io
import socket
import tarfile
import threading
from pathlib import Path

import pytest

from chroma_search.embeddings.model_download import ModelArchive, fetch_model
from chroma_search.errors import CorruptionError, StorageError, UnsupportedError
from tests.unit.embeddings.archive_server import ArchiveServer, Served
from tests.unit.embeddings.tiny_model import pack, sha256

FILES = {"onnx/a.json": b"{}", "onnx/b.bin": bytes(range(256)) * 40}


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def archive_at(url: str, folder: Path, packed: bytes, files: tuple[str, ...] = ("a.json", "b.bin")) -> ModelArchive:
    return ModelArchive(url, sha256(packed), folder / "model", "onnx.tar.gz", "onnx", files)


def test_a_model_is_downloaded_checked_and_unpacked(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    server.answers["/m"] = Served(packed)
    folder = fetch_model(archive_at(server.url + "/m", tmp_path, packed))
    assert (folder / "a.json").read_bytes() == FILES["onnx/a.json"]
    assert (folder / "b.bin").read_bytes() == FILES["onnx/b.bin"]
    assert files_below(tmp_path) == {"model/onnx.tar.gz", "model/onnx/a.json", "model/onnx/b.bin"}


def test_a_model_that_is_there_is_not_fetched_again(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    server.answers["/m"] = Served(packed)
    archive = archive_at(server.url + "/m", tmp_path, packed)
    assert fetch_model(archive) == fetch_model(archive)
    assert server.requests == ["/m"]


def test_a_lost_file_is_unpacked_again_from_the_kept_archive(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    server.answers["/m"] = Served(packed)
    archive = archive_at(server.url + "/m", tmp_path, packed)
    (fetch_model(archive) / "b.bin").unlink()
    assert (fetch_model(archive) / "b.bin").read_bytes() == FILES["onnx/b.bin"]
    assert server.requests == ["/m"]


def test_half_an_archive_from_an_earlier_program_is_replaced(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    server.answers["/m"] = Served(packed)
    archive = archive_at(server.url + "/m", tmp_path, packed)
    archive.folder.mkdir()
    (archive.folder / "onnx.tar.gz").write_bytes(packed[:100])
    fetch_model(archive)
    assert (archive.folder / "onnx.tar.gz").read_bytes() == packed


def test_redirects_are_followed(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    server.answers["/old"] = Served(status=302, headers={"Location": "/m"})
    server.answers["/m"] = Served(packed)
    fetch_model(archive_at(server.url + "/old", tmp_path, packed))
    assert server.requests == ["/old", "/m"]


def test_a_server_that_calls_the_archive_gzip_encoded_is_understood(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    server.answers["/m"] = Served(packed, headers={"Content-Encoding": "gzip"})
    fetch_model(archive_at(server.url + "/m", tmp_path, packed))


def test_a_wrong_checksum_is_refused_and_the_file_removed(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    server.answers["/m"] = Served(packed[:-1] + bytes([packed[-1] ^ 1]))
    with pytest.raises(CorruptionError, match="does not match expected SHA256") as caught:
        fetch_model(archive_at(server.url + "/m", tmp_path, packed))
    assert caught.value.expected == sha256(packed)
    assert files_below(tmp_path) == set()


def test_a_download_cut_short_is_refused_and_removed(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    server.answers["/m"] = Served(packed, cut_at=len(packed) // 2)
    with pytest.raises(UnsupportedError, match="cannot be downloaded"):
        fetch_model(archive_at(server.url + "/m", tmp_path, packed))
    assert files_below(tmp_path) == set()


def test_a_download_of_unknown_length_cut_short_fails_by_its_checksum(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    server.answers["/m"] = Served(packed, cut_at=len(packed) // 2, has_length=False)
    with pytest.raises(CorruptionError, match="SHA256"):
        fetch_model(archive_at(server.url + "/m", tmp_path, packed))
    assert files_below(tmp_path) == set()


def test_the_next_call_recovers_from_a_failed_download(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    archive = archive_at(server.url + "/m", tmp_path, packed)
    server.answers["/m"] = Served(packed, cut_at=10)
    with pytest.raises(UnsupportedError):
        fetch_model(archive)
    server.answers["/m"] = Served(packed)
    fetch_model(archive)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusing_server_is_named_with_its_answer(server: ArchiveServer, tmp_path: Path, status: int) -> None:
    server.answers["/m"] = Served(b"no", status=status)
    with pytest.raises(UnsupportedError, match=str(status)) as caught:
        fetch_model(archive_at(server.url + "/m", tmp_path, b""))
    assert server.url in caught.value.why
    assert files_below(tmp_path) == set()


def test_offline_the_error_gives_the_reason_and_the_alternatives(
    server: ArchiveServer, tmp_path: Path
) -> None:  # the fixture clears proxies
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/m"
    with pytest.raises(UnsupportedError) as caught:
        fetch_model(archive_at(url, tmp_path, b""))
    assert "ConnectError" in caught.value.why
    for alternative in ("embedding_function=", "LsaEmbeddingFunction", "embeddings="):
        assert alternative in caught.value.instead
        assert alternative in str(caught.value)
    assert files_below(tmp_path) == set()


def test_a_malformed_address_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="cannot be downloaded"):
        fetch_model(archive_at("http://[", tmp_path, b""))


def test_a_cache_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"a file where the folder should be")
    with pytest.raises(StorageError, match="Cannot store the model"):
        fetch_model(archive_at("http://127.0.0.1:9/m", tmp_path, b""))


def test_an_archive_without_an_expected_file_is_refused(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack({"onnx/a.json": b"{}"})
    server.answers["/m"] = Served(packed)
    with pytest.raises(CorruptionError, match=r"lacks onnx/b\.bin"):
        fetch_model(archive_at(server.url + "/m", tmp_path, packed))


@pytest.mark.parametrize("packed", [b"", b"no archive at all", pack(FILES)[:-200]], ids=["empty", "text", "cut"])
def test_a_file_with_the_right_checksum_that_is_no_archive_is_refused(
    server: ArchiveServer, tmp_path: Path, packed: bytes
) -> None:
    server.answers["/m"] = Served(packed)
    with pytest.raises(CorruptionError):
        fetch_model(archive_at(server.url + "/m", tmp_path, packed))
    assert files_below(tmp_path) <= {"model/onnx.tar.gz", "model/onnx/a.json"}


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "onnx/../../evil", "onnx/sub/a.json"])
def test_members_that_were_not_asked_for_are_not_written(server: ArchiveServer, tmp_path: Path, name: str) -> None:
    packed = pack({name: b"evil", **FILES})
    server.answers["/m"] = Served(packed)
    fetch_model(archive_at(server.url + "/m", tmp_path / "cache", packed))
    assert files_below(tmp_path) == {f"cache/model/{each}" for each in ("onnx.tar.gz", "onnx/a.json", "onnx/b.bin")}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_a_link_or_device_in_place_of_a_file_is_refused(server: ArchiveServer, tmp_path: Path, kind: bytes) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("onnx/a.json")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    server.answers["/m"] = Served(packed.getvalue())
    with pytest.raises(CorruptionError, match=r"lacks onnx/a\.json"):
        fetch_model(archive_at(server.url + "/m", tmp_path, packed.getvalue(), ("a.json",)))
    assert files_below(tmp_path) == {"model/onnx.tar.gz"}


def test_several_threads_may_fetch_at_once(server: ArchiveServer, tmp_path: Path) -> None:
    packed = pack(FILES)
    server.answers["/m"] = Served(packed)
    archive = archive_at(server.url + "/m", tmp_path, packed)
    seen: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: seen.append((fetch_model(archive) / "b.bin").read_bytes())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [FILES["onnx/b.bin"]] * 4
    assert files_below(tmp_path) == {"model/onnx.tar.gz", "model/onnx/a.json", "model/onnx/b.bin"}
