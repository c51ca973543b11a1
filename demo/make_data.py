"""Cut the demo collection out of the squad-sentences measurement set (not part of this repository).

The choice is fixed and was made once, before anything was measured on it: the 4,000 consecutive sentences around the
border of the set's two parts, 2,000 of each, with every question whose answer lies in them. Consecutive sentences
come from the same articles, so each question has real distractors. The made-up `s_*` fields of the set are left out.

Run: `.venv/bin/python demo/make_data.py --data path/to/squad-sentences`; it writes demo/data/.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv

HERE = Path(__file__).parent / "data"
N_OF_EACH_PART = 2000
BLOCK_ROWS = 20


def cut(source: Path, target: Path) -> None:
    """Write the four files of the demo.

    Args:
        source: folder with docs.parquet, doc_emb.npy, queries.parquet, query_emb.npy, qrels.tsv.
        target: folder to write into.
    """
    sentences = pq.read_table(source / "docs.parquet")
    border = sentences["part"].to_pylist().index("test")
    start, n_rows = border - N_OF_EACH_PART, 2 * N_OF_EACH_PART
    sentences = sentences.slice(start, n_rows).select(["id", "text", "part", "seq", "n_words"])
    block = pa.array(np.asarray(sentences["seq"]) // BLOCK_ROWS)
    write(sentences.append_column("block", block), target / "sentences.parquet")
    np.save(target / "sentence_vectors.npy", np.load(source / "doc_emb.npy")[start : start + n_rows])

    judged = csv.read_csv(source / "qrels.tsv", parse_options=csv.ParseOptions(delimiter="\t"))
    answers = dict(zip(judged["query-id"].to_pylist(), judged["corpus-id"].to_pylist(), strict=True))
    questions = pq.read_table(source / "queries.parquet")
    questions = questions.append_column("answer", pa.array([answers[each] for each in questions["id"].to_pylist()]))
    kept = np.isin(questions["answer"].to_pylist(), sentences["id"].to_pylist())
    write(questions.filter(pa.array(kept)), target / "questions.parquet")
    np.save(target / "question_vectors.npy", np.load(source / "query_emb.npy")[kept])


def write(table: pa.Table, path: Path) -> None:
    """Write a table without the metadata of the program that made its source."""
    pq.write_table(table.replace_schema_metadata(None), path, compression="zstd")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Cut the demo collection out of squad-sentences.")
    arguments.add_argument("--data", type=Path, required=True, help="folder of the squad-sentences measurement set")
    cut(arguments.parse_args().data, HERE)
