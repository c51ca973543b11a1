"""Collections as JSON Lines, and JSON Lines of anyone as records: one object per line, in UTF-8.

The first line of an export holds the facts of its collection, `{"chroma_search": {...}}`; the others a record each:

    {"id": "a", "document": "...", "embedding": [0.25, 1], "metadata": {"year": 2024}, "uri": "..."}

What a record does not have is left out. Numbers of vectors have nine digits, which give every float32 back. Sparse
vectors in metadata have the tagged form of Chroma's API. When reading, fields of other names are metadata, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InvalidInputError
from chroma_search.exchange.record_source import SourceBatch, id_of, roles_of
from chroma_search.exchange.record_stream import BATCH_ROWS, FACTS_KEY, CollectionFacts, RecordStream, batch_size
from chroma_search.model.sparse_vector import SparseVector

MAX_LINE_BYTES = 256 << 20
"""Longest line. A file without line ends (one JSON array, say) must end in an error and not in lack of memory."""
BATCH_TEXT_BYTES = 64 << 20
"""Lines of a batch, together, at most; a batch has at least one line."""
_BOM = b"\xef\xbb\xbf"
_READ_BYTES = 1 << 20


def write_jsonl(stream: RecordStream, file: BinaryIO, wrote: Callable[[int], None]) -> None:
    """Write the facts and all records of a stream.

    Args:
        stream: the records.
        file: open for writing.
        wrote: called with the number of records so far.
    """
    file.write(_line({FACTS_KEY: stream.facts.to_dict()}))
    n_written = 0
    for batch in stream.batches():
        columns = zip(batch.ids, batch.documents, batch.vectors, batch.metadatas, batch.uris, strict=True)
        for id_, document, vector, metadata, uri in columns:
            record = {"id": id_, "document": document, "metadata": metadata, "uri": uri}
            text = _json({name: value for name, value in record.items() if value is not None})
            file.write(f'{text[:-1]}, "embedding": {_numbers(vector)}}}\n'.encode())
        n_written += len(batch.ids)
        wrote(n_written)


class JsonlSource:
    """A JSON Lines file to import from.

    Args:
        path: the file.
        columns: role -> field, for files whose fields have other names.
        batch_rows: records per batch; None chooses.
        is_counted: count the lines first, so that `total` is known.

    Raises:
        InvalidInputError: it cannot be read, or its first line is no JSON object.
        FormatVersionError: an export of a newer version.
    """

    unit = "line"

    def __init__(
        self, path: Path, columns: Mapping[str, str | None] | None, batch_rows: int | None, *, is_counted: bool = False
    ) -> None:
        self.path = path
        self._roles = roles_of(columns, None, path)
        self._field_of = {name: role for role, name in self._roles.items()}
        first = next(self._objects(), (1, {}))[1]
        self._has_facts = set(first) == {FACTS_KEY}
        self.facts = CollectionFacts.from_dict(first[FACTS_KEY], str(path)) if self._has_facts else None
        self.total = self._count() if is_counted else None
        dimension = self.facts.dimension if self.facts is not None else None
        self._batch_rows = batch_size(batch_rows, dimension) if dimension or batch_rows is not None else BATCH_ROWS

    def batches(self) -> Iterator[SourceBatch]:
        """Give the records in the order of the file.

        Raises:
            InvalidInputError: a line that is no record.
        """
        rows: list[tuple[int, dict[str, Any]]] = []
        n_bytes = 0
        for place, fields, size in self._sized():
            if rows and (len(rows) == self._batch_rows or n_bytes + size > BATCH_TEXT_BYTES):
                yield self._batch(rows)
                rows, n_bytes = [], 0
            rows.append((place, fields))
            n_bytes += size
        if rows:
            yield self._batch(rows)

    def _batch(self, rows: list[tuple[int, dict[str, Any]]]) -> SourceBatch:
        records = [self._record(place, fields) for place, fields in rows]
        vectors = [record.get("embedding") for record in records]
        return SourceBatch(
            places=[place for place, _ in rows],
            ids=[record["id"] for record in records],
            vectors=vectors if any(vector is not None for vector in vectors) else None,
            documents=[record.get("document") for record in records],
            metadatas=[record["metadata"] for record in records],
            uris=[record.get("uri") for record in records],
        )

    def _record(self, place: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a line by role."""
        record: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for name, value in fields.items():
            role = self._field_of.get(name)
            if role is None:
                extra[name] = value
            elif value is not None:
                record[role] = value
        if "id" not in record:
            raise self._wrong(
                place, f"there is no {self._roles.get('id', 'id')!r}: say which field it is with columns={{'id': ...}}"
            )
        try:
            record["id"] = id_of(record["id"])
        except ValueError as error:
            raise self._wrong(place, str(error)) from None
        self._check(place, record)
        held: dict[str, Any] = record.get("metadata") or {}
        twice = next((key for key in extra if key in held), None)
        if twice is not None:
            raise self._wrong(place, f"the metadata field {twice!r} stands there twice: beside and inside of metadata")
        both = {**held, **extra} if extra else held
        record["metadata"] = {key: value for key, value in both.items() if not _is_missing(value)} or None
        return record

    def _check(self, place: int, record: dict[str, Any]) -> None:
        kinds = {"document": (str, "a text"), "uri": (str, "a text"), "embedding": (list, "a list of numbers")}
        for role, (kind, words) in {**kinds, "metadata": (dict, "an object")}.items():
            value = record.get(role)
            if value is not None and not isinstance(value, kind):
                raise self._wrong(place, f"{self._roles[role]!r} must be {words}, got {_kind(value)}")

    def _sized(self) -> Iterator[tuple[int, dict[str, Any], int]]:
        """Give number, object and bytes of each line that holds a record."""
        for at, (place, line) in enumerate(self._lines()):
            fields = self._parsed(place, line)
            if at or not self._has_facts:
                yield place, fields, len(line)

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for place, line in self._lines():
            yield place, self._parsed(place, line)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Give number and content of each line that is not blank."""
        try:
            with open(self.path, "rb") as file:
                place = 0
                while line := file.readline(MAX_LINE_BYTES):
                    place += 1
                    if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
                        raise self._wrong(
                            place,
                            f"longer than {MAX_LINE_BYTES >> 20} MB: a line has one object, no array of them",
                        )
                    content = (line.removeprefix(_BOM) if place == 1 else line).strip()
                    if content:
                        yield place, content
        except OSError as error:
            words = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
            raise InvalidInputError(f"{self.path} {words}") from error

    def _parsed(self, place: int, line: bytes) -> dict[str, Any]:
        try:
            value = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise self._wrong(place, f"not UTF-8 (byte {error.start + 1} of the line): convert the file") from None
        except json.JSONDecodeError as error:
            raise self._wrong(place, f"no JSON: {error.msg} at character {error.pos + 1}") from None
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
            raise self._wrong(place, f"no JSON that can be read: {str(error)[:100]}") from None
        if not isinstance(value, dict):
            raise self._wrong(place, f"expected a JSON object per line, got {_kind(value)}")
        return value

    def _count(self) -> int:
        """Return the number of records, if no line is blank."""
        n_lines, last = 0, b"\n"
        with open(self.path, "rb") as file:
            while part := file.read(_READ_BYTES):
                n_lines += part.count(b"\n")
                last = part[-1:]
        return n_lines + (last != b"\n") - self._has_facts

    def _wrong(self, place: int, what: str) -> InvalidInputError:
        return InvalidInputError(f"{self.path}, {self.unit} {place}: {what}")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_wire_form)


def _line(value: Any) -> bytes:
    return f"{_json(value)}\n".encode()


def _wire_form(value: object) -> Any:
    if isinstance(value, SparseVector):
        return value.to_dict()
    raise TypeError(f"{type(value).__name__} in metadata")


def _numbers(vector: NDArray[np.float32]) -> str:
    """Return a vector as a JSON array that gives the same float32 numbers back."""
    values = vector.tolist()
    if np.any(np.signbit(vector) & (vector == 0)):
        return json.dumps(values)  # "-0" would be read as the int 0
    # Nine digits tell all float32 apart, also after the detour over float64: their error is a sixth of half a step.
    return ("[" + ", ".join(["%.9g"] * len(values)) + "]") % tuple(values)


def _is_missing(value: Any) -> bool:
    """Tell whether a field says that there is no value: null, NaN, an empty list."""
    return value is None or value == [] or (isinstance(value, float) and value != value)


def _kind(value: Any) -> str:
    names = {list: "an array", dict: "an object", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
