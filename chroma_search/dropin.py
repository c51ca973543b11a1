"""`import chromadb` without Chroma: programs written for it run on this package unchanged.

    import chroma_search
    chroma_search.install_as_chromadb()
    import chromadb                       # from here on, chroma_search under Chroma's name

A finder at the front of `sys.meta_path` serves `chromadb` and the submodules listed in `SERVED`. A submodule *is* ours,
not a copy, so that classes are the same under both names. Only the top module is an object of its own: it says the
version of the API that is matched (programs compare it), and its `Where` is Chroma's type of filter dicts.

Invariant: a real `chromadb` that is already imported is never replaced silently.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any

from chroma_search.errors import ConflictError
from chroma_search.version import CHROMA_API_VERSION

NAME = "chromadb"

SERVED = frozenset(
    {
        "api",
        "api.client",
        "api.collection_configuration",
        "api.models",
        "api.models.AsyncCollection",
        "api.models.Collection",
        "api.shared_system_client",
        "api.types",
        "base_types",
        "config",
        "errors",
        "execution",
        "execution.expression",
        "execution.expression.operator",
        "execution.expression.plan",
        "types",
        "utils",
        "utils.batch_utils",
        "utils.embedding_functions",
        "utils.embedding_functions.chroma_bm25_embedding_function",
        "utils.embedding_functions.onnx_mini_lm_l6_v2",
        "utils.embedding_functions.sentence_transformer_embedding_function",
    }
)
"""Submodules of `chromadb` that there are, each the one of the same name in this package."""

# Names of the top module whose meaning differs between the two packages, and where Chroma's meaning is.
_CHROMAS_OWN = {"Where": "chroma_search.base_types"}


def install_as_chromadb(*, force: bool = False) -> None:
    """Make `import chromadb` give this package, in this process, from now on. A second call does nothing.

    Args:
        force: put a real `chromadb` that was imported before out of the way. Modules that hold on to it keep it.

    Raises:
        ConflictError: a real `chromadb` was imported already.
    """
    if _installed() is not None:
        return
    real = {name: module for name, module in sys.modules.items() if _is_under(name)}
    if real and not force:
        raise ConflictError(
            "chromadb is already imported, so chroma_search cannot take its name: call install_as_chromadb() before "
            "anything imports chromadb, or pass force=True",
            kind="module",
            name=NAME,
        )
    for name in real:
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder(real))


def uninstall_as_chromadb() -> None:
    """Undo `install_as_chromadb`: the next `import chromadb` finds the real one, if there is one."""
    finder = _installed()
    if finder is None:
        return
    sys.meta_path.remove(finder)
    for name in [name for name in sys.modules if _is_under(name)]:
        del sys.modules[name]
    sys.modules.update(finder.put_away)


class _Finder(MetaPathFinder):
    """Finds `chromadb` and what is below it, and says what is not there.

    Attributes:
        put_away: the real modules that it replaced.
    """

    def __init__(self, put_away: dict[str, ModuleType]) -> None:
        self.put_away = put_away

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module comes from, or None for modules that are not Chroma's."""
        if fullname == NAME:
            return spec_from_loader(fullname, _TopLoader(), is_package=True)
        if not _is_under(fullname):
            return None
        if fullname.removeprefix(f"{NAME}.") not in SERVED:
            raise ModuleNotFoundError(
                f"No module named '{fullname}': chroma_search stands in for chromadb here "
                "(chroma_search.install_as_chromadb()) and has no such module",
                name=fullname,
            )
        return spec_from_loader(fullname, _SameModuleLoader())


class _SameModuleLoader(Loader):
    """Loads a submodule by putting ours in its place."""

    def exec_module(self, module: ModuleType) -> None:
        """Replace the fresh module by ours; the import system takes what then stands in `sys.modules`."""
        sys.modules[module.__name__] = import_module(f"chroma_search{module.__name__.removeprefix(NAME)}")


class _TopLoader(Loader):
    """Makes the top module."""

    def exec_module(self, module: ModuleType) -> None:
        """Let every name of `chroma_search` be found in the module."""
        ours = import_module("chroma_search")

        def lookup(name: str) -> Any:
            if name in _CHROMAS_OWN:
                return getattr(import_module(_CHROMAS_OWN[name]), name)
            if name in SERVED:
                return import_module(f"{NAME}.{name}")
            if name.startswith("__"):
                raise AttributeError(f"module {NAME!r} has no attribute {name!r}")
            return getattr(ours, name)

        vars(module).update(
            __doc__="chroma_search under the name of chromadb; see chroma_search.dropin.",
            __version__=CHROMA_API_VERSION,
            __all__=list(ours.__all__),
            __getattr__=lookup,
            __dir__=lambda: sorted({*vars(module), *ours.__all__}),
        )


def _installed() -> _Finder | None:
    return next((each for each in sys.meta_path if isinstance(each, _Finder)), None)


def _is_under(name: str) -> bool:
    return name == NAME or name.startswith(f"{NAME}.")
