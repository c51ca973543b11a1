"""The default embedding function from download to vector, on a real onnxruntime session over a hand-made model."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chroma_search.embeddings import DefaultEmbeddingFunction, ONNXMiniLM_L6_V2, onnx_mini_lm
from chroma_search.errors import (
    CorruptionError,
    InvalidConfigError,
    InvalidInputError,
    UnsupportedError,
    WrongTypeError,
)
from tests.unit.embeddings.archive_server import ArchiveServer, Served
from tests.unit.embeddings.tiny_model import expected_vector, pack, sha256


@pytest.fixture
def tiny_model(
    server: ArchiveServer, model_files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ArchiveServer:
    """Let the function download the small model from the test server into an empty folder."""
    packed = pack(model_files)
    server.answers["/onnx.tar.gz"] = Served(packed)
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "MODEL_DOWNLOAD_URL", server.url + "/onnx.tar.gz")
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "_MODEL_SHA256", sha256(packed))
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "DOWNLOAD_PATH", tmp_path / "cache")
    monkeypatch.setattr(onnx_mini_lm, "_loaded", {})
    return server


def test_the_vector_is_the_normalised_mean_of_the_tokens(tiny_model: ArchiveServer) -> None:
    (vector,) = ONNXMiniLM_L6_V2()(["Red apple"])
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, expected_vector(["red", "apple"]), atol=1e-6)


def test_padding_and_neighbours_do_not_change_a_vector(tiny_model: ArchiveServer) -> None:
    texts = [
        "apple",
        " ".join(["red"] * 90),
        "",
        "green green apple",
        *(f"red {'green ' * n}" for n in range(70)),
    ]
    vectors = DefaultEmbeddingFunction()(texts)
    assert len(vectors) == len(texts)
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(vector, expected_vector(text.split()), atol=1e-6)


def test_texts_are_not_padded_to_the_length_that_the_tokenizer_file_asks_for(tiny_model: ArchiveServer) -> None:
    ONNXMiniLM_L6_V2()(["red"])  # the vectors would be the same, at ten times the cost
    (model,) = onnx_mini_lm._loaded.values()
    assert len(model.tokenizer.encode("red").ids) == 3


def test_a_long_text_is_cut_after_256_tokens(tiny_model: ArchiveServer) -> None:
    cut, whole = ONNXMiniLM_L6_V2()(["red " * 254 + "green " * 100, "red " * 254])
    np.testing.assert_array_equal(cut, whole)
    assert ONNXMiniLM_L6_V2().max_tokens() == DefaultEmbeddingFunction().max_tokens() == 256


def test_the_model_is_downloaded_and_loaded_once(tiny_model: ArchiveServer) -> None:
    for _ in range(3):
        DefaultEmbeddingFunction()(["red"])
        ONNXMiniLM_L6_V2(preferred_providers=["CPUExecutionProvider"]).embed_query(["red"])
    assert tiny_model.requests == ["/onnx.tar.gz"]
    assert {providers for _, providers in onnx_mini_lm._loaded} >= {("CPUExecutionProvider",)}
    assert len(onnx_mini_lm._loaded) <= 2


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_damaged_model_file_is_named(tiny_model: ArchiveServer, name: str) -> None:
    ONNXMiniLM_L6_V2()(["red"])
    onnx_mini_lm._loaded.clear()
    path = ONNXMiniLM_L6_V2.DOWNLOAD_PATH / "onnx" / name
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CorruptionError, match="cannot be read as a model") as caught:
        ONNXMiniLM_L6_V2()(["red"])
    assert caught.value.path == str(path)


def test_a_wrong_checksum_stops_before_anything_is_loaded(
    tiny_model: ArchiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ONNXMiniLM_L6_V2, "_MODEL_SHA256", "0" * 64)
    with pytest.raises(CorruptionError, match="SHA256"):
        DefaultEmbeddingFunction()(["red"])
    assert not onnx_mini_lm._loaded


@pytest.mark.parametrize("module", ["onnxruntime", "tokenizers"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tiny_model: ArchiveServer, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # what Python does for a package that cannot be imported
    function = DefaultEmbeddingFunction()
    with pytest.raises(UnsupportedError, match=r"pip install chroma-search\[onnx\]") as caught:
        function(["red"])
    assert module in caught.value.why
    assert not tiny_model.requests


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("red", WrongTypeError),
        (["red", 7], WrongTypeError),
        ([], InvalidInputError),
        (["red", "\ud800"], InvalidInputError),
        (None, WrongTypeError),
    ],
)
def test_what_is_no_list_of_texts_is_refused(tiny_model: ArchiveServer, given: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        DefaultEmbeddingFunction()(given)  # type: ignore[arg-type]


def test_providers_are_checked() -> None:
    with pytest.raises(WrongTypeError, match="list of strings"):
        ONNXMiniLM_L6_V2(preferred_providers=["CPUExecutionProvider", 1])  # type: ignore[list-item]
    with pytest.raises(WrongTypeError, match="list of strings"):
        ONNXMiniLM_L6_V2(preferred_providers="CPUExecutionProvider")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="must be unique"):
        ONNXMiniLM_L6_V2(preferred_providers=["a", "a"])


def test_a_provider_that_the_machine_lacks_is_refused_before_the_download(tiny_model: ArchiveServer) -> None:
    with pytest.raises(InvalidInputError, match="subset of available providers"):
        ONNXMiniLM_L6_V2(preferred_providers=["NoSuchProvider"])(["red"])
    assert not tiny_model.requests


def test_coreml_is_used_only_if_nothing_else_is_wanted() -> None:
    class Runtime:
        @staticmethod
        def get_available_providers() -> list[str]:
            return ["CoreMLExecutionProvider", "CPUExecutionProvider"]

    assert ONNXMiniLM_L6_V2()._providers(Runtime) == ("CPUExecutionProvider",)
    only = ONNXMiniLM_L6_V2(preferred_providers=["CoreMLExecutionProvider"])
    assert only._providers(Runtime) == ("CoreMLExecutionProvider",)


def test_the_configuration_is_what_was_given_even_after_use(tiny_model: ArchiveServer) -> None:
    for providers in (None, ["CPUExecutionProvider"]):
        function = ONNXMiniLM_L6_V2(preferred_providers=providers)
        function(["red"])
        assert function.get_config() == {"preferred_providers": providers}
        assert ONNXMiniLM_L6_V2.build_from_config(function.get_config()).get_config() == function.get_config()


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(InvalidConfigError, match="no setting 'model'"):
        ONNXMiniLM_L6_V2.build_from_config({"model": "x"})
    with pytest.raises(InvalidConfigError):
        DefaultEmbeddingFunction.build_from_config({"a": 1})


def test_onnxruntime_is_imported_without_its_telemetry(tmp_path: Path) -> None:
    program = "from chroma_search.embeddings.onnx_mini_lm import _load_runtime; print(_load_runtime('x').__name__)"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert shown.stdout.strip() == "onnxruntime"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []  # no device id, no upload queue


def test_spaces_are_upstreams() -> None:
    assert ONNXMiniLM_L6_V2().default_space() == "cosine"
    assert DefaultEmbeddingFunction().default_space() == "l2"
