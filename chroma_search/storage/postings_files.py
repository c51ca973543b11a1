"""PostingsFiles: the full-text indexes of one segment, kept in files beside it: the next process need not make them.

Cutting texts into terms takes 50 microseconds per text: the first search by words in 50,000 of them takes 2.7 s.
Whoever makes such an index for a segment of a folder therefore writes it down, and others read it.

These files are a cache, and nothing more: one that is missing, damaged, of another version of the analyzer or of
another segment is made anew from the texts; one that cannot be written is not there. So no manifest names them, backups
leave them out, and `verify` does not look at them. They go with their segment: `SegmentFolder.reclaim`.
"""

from __future__ import annotations

import json
import uuid
import zlib
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chroma_search.errors import ChromaSearchError
from chroma_search.storage.array_file import ArrayFile, write_arrays

if TYPE_CHECKING:
    from chroma_search.indexes.text.analyzer import Analyzer
    from chroma_search.indexes.text.inverted import InvertedIndex
    from chroma_search.storage.files import Files

POSTINGS_SUFFIX = ".words"
LEAST_ROWS = 5_000
"""Rows of a segment whose indexes are kept: those of smaller ones are made in a quarter of a second."""


class PostingsFiles:
    """The kept full-text indexes of one segment.

    Args:
        segment: the file of the segment, named `<stem>.segment`.
        n_rows: its rows.
        files: the disk; None where nothing may be written.
    """

    def __init__(self, segment: Path, n_rows: int, files: Files | None) -> None:
        self._segment = segment
        self._n_rows = n_rows
        self._files = files

    def load(self, key: str, analyzer: Analyzer) -> InvertedIndex | None:
        """Return the index of a key under an analyzer, every byte of it checked; None where there is no sound one."""
        from chroma_search.indexes.text.inverted import InvertedIndex  # for those who search by words

        path = self._path(key, analyzer)
        if self._n_rows < LEAST_ROWS or not path.exists():
            return None
        try:
            with closing(ArrayFile.open(path)) as file:
                if file.facts != self._facts(key, analyzer):
                    return None
                file.verify()
                # Copied, for a cache that some process rewrites must not be able to break a search.
                arrays = {name: np.array(file.array(name)) for name in file.names}
            return InvertedIndex.from_arrays(arrays, analyzer)
        except (ChromaSearchError, KeyError, ValueError):
            return None

    def keep(self, key: str, index: InvertedIndex) -> None:
        """Write an index down, unless that is not worth it, not allowed or not possible."""
        if self._files is None or self._n_rows < LEAST_ROWS:
            return
        path = self._path(key, index.analyzer)
        # Several processes may write the same one at once; the flush of another may sweep this away.
        unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{POSTINGS_SUFFIX}")
        with suppress(ChromaSearchError):
            write_arrays(self._files, unfinished, index.to_arrays(), self._facts(key, index.analyzer))
            self._files.move_file(unfinished, path)
            if not self._segment.exists():  # it was merged meanwhile, and perhaps purged
                self._files.remove_file(path)

    def _path(self, key: str, analyzer: Analyzer) -> Path:
        mark = zlib.crc32(json.dumps([key, analyzer.to_config()]).encode())
        return self._segment.with_name(f"{self._segment.stem}.{mark:08x}{POSTINGS_SUFFIX}")

    def _facts(self, key: str, analyzer: Analyzer) -> dict[str, object]:
        facts = {"segment": self._segment.name, "n_rows": self._n_rows, "key": key, "analyzer": analyzer.to_config()}
        return json.loads(json.dumps(facts))
