"""all-MiniLM-L6-v2 in ONNX, the model of the default embedding function: 384 dimensions, at most 256 tokens.

The mean of the token vectors, divided by its length, as in N. Reimers and I. Gurevych, "Sentence-BERT" (2019), and as
upstream computes it from the same published file, which lies in the same cache folder. Unlike upstream we pad a batch
to its longest text instead of to 256 tokens (padding is masked out, so only rounding differs), batch texts of similar
length together, and keep one loaded model for all instances in a process.

onnxruntime and tokenizers come with an extra and are imported on first use.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.embeddings.config_check import OPTIONAL_LIST, check_config
from chroma_search.embeddings.model_download import ModelArchive, fetch_model
from chroma_search.embeddings.optional_package import load_optional
from chroma_search.embeddings.protocol import EmbeddingFunction
from chroma_search.embeddings.registry import register_embedding_function
from chroma_search.embeddings.vectors import Documents, Embeddings, check_documents
from chroma_search.errors import CorruptionError, InvalidInputError, WrongTypeError
from chroma_search.model.distance import Space

MAX_TOKENS = 256
BATCH_SIZE = 32
# CoreML is slower than the CPU on this model, so it is used only if it is the one provider asked for.
SLOW_PROVIDER = "CoreMLExecutionProvider"


@dataclass(frozen=True, slots=True)
class _LoadedModel:
    tokenizer: Any
    session: Any


_loaded: dict[tuple[Path, tuple[str, ...]], _LoadedModel] = {}
_loading = threading.Lock()


@register_embedding_function
class ONNXMiniLM_L6_V2(EmbeddingFunction[Documents]):  # noqa: N801  # upstream's name
    """Sentence embeddings of all-MiniLM-L6-v2, computed by onnxruntime in this process.

    The model (80 MB) is downloaded on the first call into `DOWNLOAD_PATH`. Texts beyond 256 tokens are cut.

    Args:
        preferred_providers: names of onnxruntime's execution providers, first choice first; None takes all there are.

    Raises:
        WrongTypeError, InvalidInputError: the providers are no list of different strings.
    """

    MODEL_NAME = "all-MiniLM-L6-v2"
    # not Path.home(): it raises where a process has no home, and importing the package must not
    DOWNLOAD_PATH = Path(os.path.expanduser("~")) / ".cache" / "chroma" / "onnx_models" / MODEL_NAME
    EXTRACTED_FOLDER_NAME = "onnx"
    ARCHIVE_FILENAME = "onnx.tar.gz"
    MODEL_DOWNLOAD_URL = "https://chroma-onnx-models.s3.amazonaws.com/all-MiniLM-L6-v2/onnx.tar.gz"
    _MODEL_SHA256 = "913d7300ceae3b2dbc2c50d1de4baacab4be7b9380491c27fab7418616a16ec3"
    MODEL_FILES = (
        "config.json",
        "model.onnx",
        "special_tokens_map.json",
        "tokenizer_config.json",
        "tokenizer.json",
        "vocab.txt",
    )

    def __init__(self, preferred_providers: list[str] | None = None) -> None:
        if preferred_providers is not None:
            if not isinstance(preferred_providers, (list, tuple)) or not all(
                isinstance(each, str) for each in preferred_providers
            ):
                raise WrongTypeError(f"Preferred providers must be a list of strings, got {preferred_providers!r}")
            if len(set(preferred_providers)) != len(preferred_providers):
                raise InvalidInputError(f"Preferred providers must be unique, got {preferred_providers}")
        self._preferred_providers = list(preferred_providers) if preferred_providers is not None else None

    def __call__(self, input: Documents) -> Embeddings:
        """Return one unit vector of 384 float32 per text.

        Raises:
            UnsupportedError: onnxruntime or tokenizers is missing, or the model cannot be downloaded.
            CorruptionError: the downloaded or stored model is damaged.
            InvalidInputError: not a list of strings, empty, or a provider that this machine lacks.
        """
        documents = check_documents(input, type(self).__name__)
        if not documents:
            raise InvalidInputError("Expected at least one text to embed, got an empty list")
        runtime = _load_runtime(f"Embedding with {self.MODEL_NAME}")
        tokenizers = load_optional("tokenizers", extra="onnx", feature=f"Embedding with {self.MODEL_NAME}")
        providers = self._providers(runtime)
        self._download_model_if_not_exists()
        folder = Path(self.DOWNLOAD_PATH) / self.EXTRACTED_FOLDER_NAME
        return _embed(_load(runtime, tokenizers, folder, providers), documents)

    def _providers(self, runtime: Any) -> tuple[str, ...]:
        available: list[str] = runtime.get_available_providers()
        wanted = self._preferred_providers or available
        if not set(wanted) <= set(available):
            raise InvalidInputError(f"Preferred providers must be subset of available providers: {available}")
        return tuple(each for each in wanted if each != SLOW_PROVIDER) or tuple(wanted)

    def _download_model_if_not_exists(self) -> None:
        fetch_model(
            ModelArchive(
                url=self.MODEL_DOWNLOAD_URL,
                sha256=self._MODEL_SHA256,
                folder=Path(self.DOWNLOAD_PATH),
                archive_name=self.ARCHIVE_FILENAME,
                member_folder=self.EXTRACTED_FOLDER_NAME,
                files=self.MODEL_FILES,
            )
        )

    @staticmethod
    def name() -> str:
        """Return the registered name."""
        return "onnx_mini_lm_l6_v2"

    def default_space(self) -> Space:
        """Return cosine: the vectors have length 1."""
        return "cosine"

    def max_tokens(self) -> int:
        """Return the number of tokens after which a text is cut."""
        return MAX_TOKENS

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> ONNXMiniLM_L6_V2:
        """Return the function that `get_config` described."""
        ONNXMiniLM_L6_V2.validate_config(config)
        return ONNXMiniLM_L6_V2(preferred_providers=config.get("preferred_providers"))

    def get_config(self) -> dict[str, Any]:
        """Return the settings as given: what this machine offers is no part of them."""
        return {"preferred_providers": self._preferred_providers}

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """Raise InvalidConfigError for an unknown key or a wrong type."""
        check_config(config, {"preferred_providers": OPTIONAL_LIST}, function_name=ONNXMiniLM_L6_V2.name())


def _load_runtime(feature: str) -> Any:
    """Import onnxruntime with its telemetry off, unless the user has set the variable or imported it before.

    Since 1.31 its official builds report use to Microsoft by default and write a device id into the cache folder; only
    this variable, read on import, prevents both. A search library sends nothing anywhere.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return load_optional("onnxruntime", extra="onnx", feature=feature)


def _load(runtime: Any, tokenizers: Any, folder: Path, providers: tuple[str, ...]) -> _LoadedModel:
    """Return the model of a folder, loaded once per process and choice of providers."""
    with _loading:
        model = _loaded.get((folder, providers))
        if model is None:
            model = _loaded[folder, providers] = _read_model(runtime, tokenizers, folder, providers)
        return model


def _read_model(runtime: Any, tokenizers: Any, folder: Path, providers: tuple[str, ...]) -> _LoadedModel:
    options = runtime.SessionOptions()
    options.log_severity_level = 3  # errors only: the model's known warnings are nobody's business
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    path = folder / "tokenizer.json"
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
        path = folder / "model.onnx"
        session = runtime.InferenceSession(str(path), sess_options=options, providers=list(providers))
    except Exception as error:  # both raise classes of their own, some of them plain Exception
        raise CorruptionError(
            f"{path} cannot be read as a model: {error}; delete {folder.parent} to download it again", path=str(path)
        ) from error
    tokenizer.enable_truncation(max_length=MAX_TOKENS)
    tokenizer.no_padding()
    return _LoadedModel(tokenizer, session)


def _embed(model: _LoadedModel, documents: Documents) -> Embeddings:
    # One by one, not encode_batch: its threads make a later fork() print warnings, and the model takes 50 times longer.
    encoded = [model.tokenizer.encode(document) for document in documents]
    by_length = sorted(range(len(encoded)), key=lambda at: len(encoded[at].ids))
    vectors: dict[int, NDArray[np.float32]] = {}
    for start in range(0, len(by_length), BATCH_SIZE):
        batch = by_length[start : start + BATCH_SIZE]
        vectors.update(zip(batch, _embed_batch(model.session, [encoded[at] for at in batch]), strict=True))
    return [vectors[at] for at in range(len(documents))]


def _embed_batch(session: Any, encoded: list[Any]) -> NDArray[np.float32]:
    """Return unit vectors, float32, shape (len(encoded), dim); a text whose mean is zero stays zero."""
    ids = np.zeros((len(encoded), max(len(each.ids) for each in encoded)), np.int64)
    mask = np.zeros_like(ids)
    for row, each in enumerate(encoded):
        ids[row, : len(each.ids)] = each.ids
        mask[row, : len(each.ids)] = each.attention_mask
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    hidden: NDArray[np.float32] = session.run(None, inputs)[0]
    means = np.einsum("bsd,bs->bd", hidden, mask.astype(np.float64))
    means /= np.maximum(mask.sum(axis=1, keepdims=True), 1)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return (means / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
