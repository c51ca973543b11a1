"""A folder with one small collection, and the program as a process."""

import io
import json
import os
import subprocess
import sys

import pytest

from chroma_search import LsaEmbeddingFunction, PersistentClient
from chroma_search.cli import main

TEXTS = [
    "the \x1b[31mfox\x1b[0m jumps",
    "a fox in the wood",
    "prime numbers and keys",
    "keys of cryptography \N{SNOWMAN}",
]


class Ran:
    """What a run of the program left behind."""

    def __init__(self, code, out, err):
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self):
        """The one JSON document that stdout must be, while stderr is empty."""
        assert self.err == ""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        return json.loads(self.out)


@pytest.fixture(scope="session")
def run():
    """Give a function that runs the program with arguments."""

    def call(*arguments, stdin="", environment=None):
        given = {**os.environ, "PYTHONIOENCODING": "utf-8", **(environment or {})}
        command = [sys.executable, "-m", "chroma_search", *map(str, arguments)]
        ran = subprocess.run(command, input=stdin, capture_output=True, encoding="utf-8", env=given, timeout=120)
        return Ran(ran.returncode, ran.stdout, ran.stderr)

    return call


@pytest.fixture
def call(capsys, monkeypatch):
    """Give a function that does the same in this process: faster, for what needs no process to be seen."""

    def call_main(*arguments, stdin=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return call_main


def make_folder(folder):
    """Make a folder with the collection `docs`: ids a to d, years 2020 to 2023."""
    function = LsaEmbeddingFunction(n_components=3)
    function.fit([f"{text} {word}" for text in TEXTS for word in ("fox", "key", "wood", "prime")])
    with PersistentClient(folder) as client:
        docs = client.create_collection(
            "docs", configuration={"hnsw": {"space": "cosine"}}, metadata={"owner": "me"}, embedding_function=function
        )
        docs.add(
            ids=list("abcd"), documents=TEXTS, metadatas=[{"year": 2020 + at, "tags": ["x", "y"]} for at in range(4)]
        )
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Give a folder that tests only read."""
    return make_folder(tmp_path_factory.mktemp("cli") / "data")
