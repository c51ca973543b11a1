"""The command line: `chroma-search`, or `python -m chroma_search`. What each command does says docs/cli.md."""

from chroma_search.cli.program import main

__all__ = ["main"]
