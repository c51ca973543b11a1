"""Programs written for Chroma run unchanged after `install_as_chromadb()`. Each runs in a child process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

INSTALL = "import chroma_search; chroma_search.install_as_chromadb()\n"


def run(program: str, *, install: str = INSTALL) -> str:
    """Run a program in a process of its own and return what it printed; its errors fail the test."""
    done = subprocess.run(
        # A function without a name gives a DeprecationWarning, as with Chroma.
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", install + textwrap.dedent(program)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_search_program_runs_unchanged() -> None:
    printed = run("""
        import chromadb
        from chromadb import Search, K, Knn, Rrf, Schema, SparseVectorIndexConfig, SparseVector
        from chromadb.execution.expression import GroupBy, MinK, Val

        client = chromadb.EphemeralClient()
        schema = Schema().create_index(config=SparseVectorIndexConfig(), key="terms")
        collection = client.create_collection("papers", schema=schema, embedding_function=None)
        collection.add(
            ids=["a", "b", "c", "d"],
            embeddings=[[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]],
            documents=["deep nets", "deep trees", "shallow nets", "trees"],
            metadatas=[
                {"year": 2024, "area": "x", "terms": SparseVector(indices=[1, 2], values=[1.0, 1.0])},
                {"year": 2020, "area": "x", "terms": SparseVector(indices=[1], values=[1.0])},
                {"year": 2024, "area": "y", "terms": SparseVector(indices=[2], values=[1.0])},
                {"year": 2024, "area": "y"},
            ],
        )
        dense = Knn(query=[1, 0], limit=10, return_rank=True, default=100)
        terms = SparseVector(indices=[2], values=[1.0])
        sparse = Knn(query=terms, key="terms", limit=10, return_rank=True, default=100)
        hybrid = (
            Search()
            .where((K("year") >= 2024) & K.DOCUMENT.contains("n"))
            .rank(Rrf([dense, sparse], k=60, weights=[2.0, 1.0]))
            .limit(2)
            .select(K.DOCUMENT, K.SCORE, "year")
        )
        best_of_each = GroupBy(keys=K("area"), aggregate=MinK(keys=K.SCORE, k=1))
        grouped = Search(rank=Knn(query=[1, 0]) + Val(1), group_by=best_of_each)
        result = collection.search([hybrid, grouped])
        print(result["ids"], result["select"])
        for row in result.rows()[0]:
            print(row["id"], row["document"], row["metadata"], round(row["score"], 6))
    """)
    assert printed.splitlines() == [
        "[['a', 'c'], ['a', 'd']] [['#document', '#score', 'year'], []]",
        f"a deep nets {{'year': 2024}} {round(-(2 / 60 + 1 / 60), 6)}",
        f"c shallow nets {{'year': 2024}} {round(-(2 / 61 + 1 / 61), 6)}",
    ]


def test_a_program_with_every_documented_construct_runs_unchanged() -> None:
    program = Path(__file__).with_name("documented_program.py").read_text()
    assert run(program) == "all blocks ran"


def test_a_data_program_runs_unchanged() -> None:
    printed = run("""
        import chromadb
        from chromadb.config import Settings
        from chromadb.errors import NotFoundError, DuplicateIDError
        from chromadb.utils.batch_utils import create_batches
        import chromadb.utils.embedding_functions as embedding_functions

        class Lengths(chromadb.EmbeddingFunction[chromadb.Documents]):
            def __init__(self):
                pass
            def __call__(self, input: chromadb.Documents) -> chromadb.Embeddings:
                return [[float(len(text)), 1.0] for text in input]

        client = chromadb.Client(Settings(anonymized_telemetry=False, allow_reset=True))
        metadata = {"hnsw:space": "ip"}
        collection = client.get_or_create_collection("texts", embedding_function=Lengths(), metadata=metadata)
        for batch in create_batches(client, ids=["a", "b"], documents=["x", "yyy"], metadatas=[{"n": 1}, {"n": 2}]):
            collection.add(ids=batch[0], embeddings=batch[1], metadatas=batch[2], documents=batch[3])
        print(collection.query(query_texts=["zz"], n_results=1, where={"n": {"$lt": 2}})["ids"])
        collection.upsert(ids="b", documents="w")
        print(collection.get(where_document={"$contains": "w"}, include=["documents"])["documents"])
        for call, error in (
            (lambda: client.get_collection("nothing"), NotFoundError),
            (lambda: collection.add(ids=["c", "c"], documents=["1", "2"]), DuplicateIDError),
            (lambda: collection.add(ids=[], documents=[]), ValueError),
        ):
            try:
                call()
            except error as caught:
                print(type(caught).__name__)
        print(collection.configuration_json["hnsw"]["space"], client.reset(), client.list_collections())
    """)
    assert printed.splitlines() == [
        "[['a']]",
        "['w']",
        "NotFoundError",
        "DuplicateIDError",
        "InvalidInputError",
        "ip True []",
    ]


def test_submodules_are_reached_as_attributes_and_are_ours() -> None:
    printed = run("""
        import chromadb
        print(chromadb.config.DEFAULT_TENANT, chromadb.utils.embedding_functions.DefaultEmbeddingFunction.__name__)
        import chromadb.api.types, chromadb.api.models.Collection as module
        import chroma_search, chroma_search.api.types
        assert chromadb.api.types is chroma_search.api.types
        assert chromadb.errors.ChromaError is chroma_search.ChromaSearchError
        assert module.Collection is chroma_search.Collection
        assert chroma_search.api.types.__spec__.name == "chroma_search.api.types"
        from chromadb.utils import embedding_functions
        from chromadb.api.client import SharedSystemClient
        SharedSystemClient.clear_system_cache()
        print(chromadb.__version__ != chroma_search.__version__, "Search" in dir(chromadb))
    """)
    assert printed.splitlines() == ["default_tenant DefaultEmbeddingFunction", "True True"]


def test_where_means_the_dict_or_the_class_by_its_path() -> None:
    printed = run("""
        import chromadb
        from chromadb.execution.expression import Where
        from chromadb.execution.expression.operator import Where as Same
        import chroma_search
        assert Where is Same is chroma_search.Where
        assert chromadb.Where is chromadb.api.types.Where is not Where
        condition: chromadb.Where = {"a": 1}
        print(Where.from_dict(condition).to_dict())
    """)
    assert printed == "{'a': {'$eq': 1}}"


def test_star_import_brings_the_names_of_the_query_language() -> None:
    assert run("from chromadb import *\nprint(Search, K('a') == 1)").startswith("<class 'chroma_search.dsl.search")


def test_a_module_that_is_not_there_says_who_stands_in() -> None:
    printed = run("""
        from importlib import import_module
        for module in ("chromadb.server", "chromadb.engine", "chromadb.api.fastapi", "chromadb.dsl"):
            try:
                import_module(module)
            except ModuleNotFoundError as error:
                print(error.name, "stands in for chromadb" in str(error))
    """)
    assert printed.splitlines() == [
        "chromadb.server True",
        "chromadb.engine True",
        "chromadb.api.fastapi True",
        "chromadb.dsl True",
    ]


def test_functions_that_are_not_carried_can_be_imported_but_not_made() -> None:
    printed = run("""
        from chromadb.utils.embedding_functions import OpenAIEmbeddingFunction
        from chroma_search import UnsupportedError
        try:
            OpenAIEmbeddingFunction(api_key="x")
        except UnsupportedError as error:
            print(error.feature)
    """)
    assert printed == "OpenAIEmbeddingFunction"


def test_the_client_of_the_cloud_says_what_to_use_instead() -> None:
    printed = run("""
        import chromadb
        from chroma_search import UnsupportedError
        try:
            chromadb.CloudClient(api_key="x")
        except UnsupportedError as error:
            print(error.feature, "|", error.instead)
    """)
    assert printed == "CloudClient | use EphemeralClient() or HttpClient()"


def test_clients_of_a_server_have_chromas_names_and_errors() -> None:
    printed = run("""
        import asyncio, chromadb
        from chromadb.api import AsyncClientAPI, ClientAPI
        from chromadb.api.models.AsyncCollection import AsyncCollection
        for call in (
            lambda: chromadb.HttpClient(host="127.0.0.1", port=9),
            lambda: asyncio.run(chromadb.AsyncHttpClient(host="127.0.0.1", port=9)),
        ):
            try:
                call()
            except ValueError as error:
                print(str(error).partition("?")[0])
        print(isinstance(chromadb.EphemeralClient(), ClientAPI), chromadb.AsyncClientAPI is AsyncClientAPI)
    """)
    said = "Could not connect to a Chroma server. Are you sure it is running"
    assert printed.splitlines() == [said, said, "True True"]


def test_a_real_chromadb_is_not_replaced_unless_forced() -> None:
    printed = run(
        """
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import chromadb
        real = chromadb
        import chroma_search
        try:
            chroma_search.install_as_chromadb()
        except chroma_search.ConflictError as error:
            print(error.missing_name)
        chroma_search.install_as_chromadb(force=True)
        import chromadb, chromadb.config
        print(chromadb.Search is chroma_search.Search, chromadb.config is chroma_search.config)
        chroma_search.uninstall_as_chromadb()
        import chromadb, chromadb.config
        print(chromadb is real, chromadb.config is real.config)
        """,
        install="",
    )
    assert printed.splitlines() == ["chromadb", "True True", "True True"]


def test_installing_twice_is_installing_once() -> None:
    printed = run("""
        import sys
        chroma_search.install_as_chromadb()
        import chromadb
        first = chromadb
        chroma_search.install_as_chromadb()
        import chromadb
        assert chromadb is first
        chroma_search.uninstall_as_chromadb()
        chroma_search.uninstall_as_chromadb()
        print([name for name in sys.modules if name.startswith("chromadb")])
    """)
    assert printed == "[]"
