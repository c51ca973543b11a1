"""A collection without a schema must not pay for pydantic (0.1 s): checked in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

import chroma_search.schema as package

PLAIN_PATH = """
import sys
import chroma_search.schema
from chroma_search.schema.collection_metadata import validate_collection_metadata
from chroma_search.schema.configuration import CollectionConfig, load_collection_configuration_from_json
from chroma_search.schema.index_rules import IndexRules
from chroma_search.schema.names import validate_collection_name
from chroma_search.schema.reconcile import resolve_configuration
from chroma_search.schema.schema_form import complete_form
from chroma_search.schema.schema_validation import checked_form

validate_collection_name("abc"), validate_collection_metadata({"a": 1})
config = resolve_configuration({"hnsw": {"space": "ip"}}, None, None)
config = CollectionConfig.from_stored(config.to_stored())
IndexRules().check_filter("x", 1)
form = complete_form(None, config, {"x": ["int"]})
IndexRules(checked_form(form)).check_filter("x", 1)
load_collection_configuration_from_json(config.to_json())
heavy = {"pydantic", "sklearn", "hnswlib", "pyarrow", "lark", "onnxruntime", "snowballstemmer"}
print(sorted(heavy & set(sys.modules)))
chroma_search.schema.FtsIndexConfig
print("pydantic" in sys.modules)
"""


@pytest.mark.slow
def test_the_plain_path_loads_no_heavy_library_and_a_config_class_loads_pydantic() -> None:
    done = subprocess.run([sys.executable, "-c", PLAIN_PATH], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]


def test_every_public_name_is_there() -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        package.Nothing  # noqa: B018
