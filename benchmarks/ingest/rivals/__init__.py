"""The rivals by name; each is imported when it is measured."""

from __future__ import annotations

import importlib
import importlib.util
from typing import cast

from benchmarks.ingest.rivals.protocol import Rival

RIVALS: dict[str, tuple[str, str]] = {
    "ours": ("chroma_search", "ours:Ours"),
    "chromadb": ("chromadb", "chromadb:Chroma"),
    "zvec": ("zvec", "zvec:Zvec"),
    "zvec-flush": ("zvec", "zvec:FlushedZvec"),
    "lancedb": ("lancedb", "lancedb:Lance"),
}
"""Name -> the package it needs, and `module:class` here."""


def is_installed(name: str) -> bool:
    """Tell whether the package of a rival can be imported, without importing it."""
    return importlib.util.find_spec(RIVALS[name][0]) is not None


def chosen(names: str) -> list[str]:
    """Return the rivals of a list with commas that can be measured here; for each other one a line is printed.

    Raises:
        SystemExit: a name that is not in the table.
    """
    asked = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in asked if name not in RIVALS]
    if unknown:
        raise SystemExit(f"unknown rival {unknown[0]!r}, choose of {', '.join(RIVALS)}")
    for name in asked:
        if not is_installed(name):
            print(f"{name}: left out, the package {RIVALS[name][0]} is not installed", flush=True)
    return [name for name in asked if is_installed(name)]


def rival(name: str) -> Rival:
    """Return a new rival."""
    module, _, class_name = RIVALS[name][1].partition(":")
    return cast("Rival", getattr(importlib.import_module(f"{__name__}.{module}"), class_name)())
