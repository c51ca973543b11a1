"""The public names: all there, loaded lazily, and the import light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import chroma_search

ROOT = Path(chroma_search.__file__).parent


@pytest.mark.parametrize("name", chroma_search.__all__)
def test_every_public_name_can_be_loaded(name: str) -> None:
    assert getattr(chroma_search, name) is not None


def test_type_checkers_are_told_the_same_homes_as_the_import_system() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text())
    block = next(each for each in tree.body if isinstance(each, ast.If))
    told = {
        alias.name: (each.module or "").removeprefix("chroma_search.")
        for each in block.body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
    }
    assert told == chroma_search._HOMES
    assert set(chroma_search.__all__) == {*told, "__version__"}


def test_the_whole_query_language_is_public() -> None:
    from chroma_search import dsl

    assert set(dsl.__all__) - {"SearchClauses"} <= set(chroma_search.__all__)
    assert chroma_search.Where is dsl.Where


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = chroma_search.nonsense


def test_dir_lists_names_that_are_not_loaded_yet() -> None:
    assert {"EphemeralClient", "Search", "config"} <= set(dir(chroma_search))


def test_the_version_is_the_one_of_the_package() -> None:
    project = (ROOT.parent / "pyproject.toml").read_text()
    assert f'\nversion = "{chroma_search.__version__}"\n' in project


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import sys, chroma_search; print([n for n in sys.modules if n.startswith('chroma_search.')])"
    heavy = "numpy sklearn hnswlib pyarrow pydantic lark rich onnxruntime".split()
    program += f"\nassert not [each for each in {heavy} if each in sys.modules]"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['chroma_search.version']"


def test_a_client_with_records_is_made_without_the_heavy_libraries() -> None:
    program = """
import sys, chroma_search
collection = chroma_search.EphemeralClient().create_collection("abc", embedding_function=None)
collection.add(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]], metadatas=[{"k": 1}, {"k": 2}])
assert collection.query(query_embeddings=[1.0, 0.0], where={"k": {"$gt": 1}})["ids"] == [["b"]]
heavy = "sklearn hnswlib pyarrow pydantic lark rich onnxruntime".split()
print([each for each in heavy if each in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
