"""Fixtures of the embedding tests: the files of the tiny model and the server that serves them."""

from collections.abc import Iterator

import pytest

from tests.unit.embeddings.archive_server import ArchiveServer
from tests.unit.embeddings.tiny_model import VOCABULARY, tiny_onnx, tiny_tokenizer


@pytest.fixture(scope="session")
def model_files() -> dict[str, bytes]:
    other = {f"onnx/{name}": b"{}" for name in ("config.json", "special_tokens_map.json", "tokenizer_config.json")}
    return {
        **other,
        "onnx/vocab.txt": "\n".join(VOCABULARY).encode(),
        "onnx/tokenizer.json": tiny_tokenizer(),
        "onnx/model.onnx": tiny_onnx(),
    }


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArchiveServer]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ArchiveServer()
    yield server
    server.close()
