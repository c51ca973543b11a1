"""The distribution with the clients alone works where the libraries of the engine are not installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
import yaml

from chroma_search.server.access.secrets import hashed_token
from tests.conformance.server.serving import serving
from tests.conformance.servers import running_server

PROJECT = Path("packaging/client/pyproject.toml")

PROGRAM = """
import asyncio, sys
from importlib.util import find_spec
import chroma_search
from chroma_search import AsyncHttpClient, HttpClient, K, Knn, Schema, Search, UnsupportedError, VectorIndexConfig

assert not [name for name in ("pyarrow", "hnswlib", "sklearn", "chromadb") if find_spec(name)]
port = int(sys.argv[1])
client = HttpClient("127.0.0.1", port)
schema = Schema().create_index(VectorIndexConfig(space="cosine"))
collection = client.create_collection("abc", schema=schema, embedding_function=None)
collection.add(ids=["a", "b"], embeddings=[[1, 0], [0, 1]], documents=["x", "y"], metadatas=[{"n": 1}, {"n": 2}])
found = collection.query(query_embeddings=[1, 0.1], where="n <= 2", n_results=1)
assert found.ids == [["a"]], found
assert "a" in str(found) and collection.configuration_json["hnsw"]["space"] == "cosine"
try:
    collection.search("WHERE n = 1 RANK knn($q) LIMIT 1", params={"q": [1.0, 0.0]})
except UnsupportedError as error:  # of the server: the text was read, and sent
    assert "not implemented" in str(error), error

async def count():
    async with await AsyncHttpClient("127.0.0.1", port) as client:
        return await (await client.get_collection("abc", embedding_function=None)).count()

assert asyncio.run(count()) == 2
try:
    chroma_search.EphemeralClient()
except UnsupportedError as error:
    print("refused:", error.why)
"""


@pytest.fixture(scope="module")
def python(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the Python of an environment in which the clients alone are installed."""
    folder = tmp_path_factory.mktemp("client")
    return environment_with(built_wheel(repository, folder), folder)


@pytest.mark.slow
def test_the_wheel_of_the_client_works_without_the_libraries_of_the_engine(python: Path, tmp_path: Path) -> None:
    with running_server("chroma", tmp_path / "data") as port:
        done = subprocess.run([python, "-W", "error", "-c", PROGRAM, str(port)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "refused: only the client is installed\n"


@pytest.mark.slow
def test_the_client_alone_does_all_that_our_server_does(python: Path, repository: Path, tmp_path: Path) -> None:
    writer = {"tokens": [hashed_token("a token")], "grants": [{"role": "writer"}]}
    users = tmp_path / "users.yaml"
    users.write_text(yaml.safe_dump({"users": {"ana": writer}}))
    program = repository / "tests" / "conformance" / "client_alone_program.py"
    with serving(users_file=users) as server:
        command = [python, "-W", "error", program, str(server.port), "a token"]
        alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=alone)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


def test_both_distributions_have_one_version_and_the_same_bounds(repository: Path) -> None:
    whole, client = (repository / "pyproject.toml").read_text(), (repository / PROJECT).read_text()
    version = re.compile(r'^version = "(.+)"$', re.MULTILINE)
    assert version.findall(whole) == version.findall(client)
    assert bounds(client) <= bounds(whole)
    extras = re.compile(r"^(?:onnx|sentence-transformers) = .+$", re.MULTILINE)
    assert len(extras.findall(client)) == 2
    assert extras.findall(client) == extras.findall(whole)


def bounds(project: str) -> set[str]:
    """Return what a project depends on."""
    (block,) = re.findall(r"^dependencies = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    return set(re.findall(r'"([^"]+)"', block))


def built_wheel(repository: Path, folder: Path) -> Path:
    """Build the wheel from a copy of the tree, without a network; return it."""
    source = folder / "source"
    (source / PROJECT).parent.mkdir(parents=True)
    shutil.copy(repository / PROJECT, source / PROJECT)
    shutil.copytree(
        repository / "chroma_search", source / "chroma_search", ignore=shutil.ignore_patterns("__pycache__")
    )
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str((source / PROJECT).parent)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment_with(wheel: Path, folder: Path) -> Path:
    """Make an environment that holds the wheel and what it depends on, linked from this one; return its Python."""
    home = folder / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    (packages,) = home.glob("lib/python*/site-packages")
    shutil.unpack_archive(wheel, packages, "zip")
    (info,) = packages.glob("*.dist-info")
    for name in closure(Distribution.at(info)):
        for top in {
            file.parts[0] for file in distribution(name).files or () if file.parts[0] not in ("..", "__pycache__")
        }:
            found = Path(str(distribution(name).locate_file(top)))
            if found.exists() and not (packages / top).exists():
                os.symlink(found, packages / top)
    return home / "bin" / "python"


def closure(root: Distribution) -> set[str]:
    """Return the names of the distributions that one depends on, directly or not, extras left out."""
    found: set[str] = set()
    waiting = [root]
    while waiting:
        for requirement in waiting.pop().requires or ():
            name, marker = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0], requirement.partition(";")[2]
            if name in found or "extra" in marker or is_left_out(name):
                continue
            found.add(name)
            waiting.append(distribution(name))
    return found


def is_left_out(name: str) -> bool:
    """Tell whether a package is for another Python or platform, so that it is not installed here."""
    try:
        distribution(name)
    except ModuleNotFoundError:
        return True
    return False
