"""Reads `index_metadata.pickle`, the file in which Chroma keeps which id has which label, without running any of it.

A pickle is a program; `pickle.load` of a stranger's file runs whatever it says. This is an interpreter of the few
instructions that Chroma's file consists of: numbers, texts, dicts, and one object of one class, which becomes a dict.
Anything else, such as the name of another class or a call, is refused before it has any effect. The memory used is a
small multiple of the length of the file, whatever its bytes are; the interpreter of the standard library, even with a
list of allowed classes, can be made to allocate gigabytes by one flipped bit.

Source: the instruction set is documented in the standard library's `pickletools`. Chroma 0.4 to 0.6 pickles an object
`PersistentData`, 1.x a dict of the same fields. Not for: any other pickle.
Speed: about one second per million instructions (an id takes six to nine).
"""

from __future__ import annotations

import struct
from typing import Any, cast

from chroma_search.errors import CorruptionError

CLASS_NAMES = ("chromadb.segment.impl.vector.local_persistent_hnsw", "PersistentData")
MAX_INT_BYTES = 32
"""Numbers are labels and positions in a queue: at most 24 bytes in the oldest versions."""

_MARK, _CLASS = object(), object()


class _NotReadableError(Exception):
    """Why the pickle is refused; becomes a CorruptionError with the path."""


def read_pickled_fields(data: bytes, path: str) -> dict[str, Any]:
    """Return the fields that the file holds: None, numbers, texts and dicts of them.

    Args:
        data: the whole file.
        path: its name, for errors.

    Raises:
        CorruptionError: cut short, damaged, or with an instruction that Chroma's files do not have.
    """
    reader = _Reader(data)
    try:
        fields = reader.run()
        if not isinstance(fields, dict) or not all(isinstance(key, str) for key in cast("dict[Any, Any]", fields)):
            raise _NotReadableError("it holds no fields")
        return cast("dict[str, Any]", fields)
    except (_NotReadableError, IndexError, KeyError, TypeError, ValueError, struct.error) as error:
        why = str(error) if isinstance(error, _NotReadableError) else "cut short or damaged"
        raise CorruptionError(
            f"{path} is not readable at byte {reader.at}: {why}",
            path=path,
            offset=reader.at,
            expected="the ids and labels of a vector index",
        ) from error


class _Reader:
    """A stack machine over one pickle; `at` is the position of the instruction being run."""

    def __init__(self, data: bytes) -> None:
        self.at = 0
        self._data = data
        self._next = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        stack, memo, data = self._stack, self._memo, self._data
        while True:
            self.at = self._next
            code = data[self.at]
            self._next += 1
            # The commonest first: a file consists mostly of texts, their memos and small numbers.
            if code == 0x8C:  # SHORT_BINUNICODE
                stack.append(self._text(self._number(1)))
            elif code == 0x94:  # MEMOIZE
                memo[len(memo)] = stack[-1]
            elif code == 0x4A:  # BININT
                stack.append(int.from_bytes(self._take(4), "little", signed=True))
            elif code == 0x4B:  # BININT1
                stack.append(self._number(1))
            elif code == 0x4D:  # BININT2
                stack.append(self._number(2))
            elif code == 0x68:  # BINGET
                stack.append(memo[self._number(1)])
            elif code == 0x6A:  # LONG_BINGET
                stack.append(memo[self._number(4)])
            elif code == 0x58:  # BINUNICODE
                stack.append(self._text(self._number(4)))
            elif code == 0x71:  # BINPUT
                memo[self._number(1)] = stack[-1]
            elif code == 0x72:  # LONG_BINPUT
                memo[self._number(4)] = stack[-1]
            elif code == 0x2E:  # STOP
                return stack.pop()
            else:
                self._rare(code)

    def _rare(self, code: int) -> None:
        stack = self._stack
        if code == 0x28:  # MARK
            stack.append(_MARK)
        elif code == 0x7D:  # EMPTY_DICT
            stack.append({})
        elif code == 0x75:  # SETITEMS
            self._set_items()
        elif code == 0x73:  # SETITEM
            value, key = stack.pop(), stack.pop()
            self._put([key, value])
        elif code == 0x4E:  # NONE
            stack.append(None)
        elif code == 0x8A:  # LONG1
            stack.append(self._long(self._number(1)))
        elif code == 0x8D:  # BINUNICODE8
            stack.append(self._text(self._number(8)))
        elif code == 0x80:  # PROTO
            self._take(1)
        elif code == 0x95:  # FRAME: how much follows, which a reader of a whole file need not know
            self._take(8)
        else:
            self._object(code)

    def _object(self, code: int) -> None:
        """Run what makes the one object: its class by name, made without arguments, filled from a dict."""
        stack = self._stack
        if code == 0x93:  # STACK_GLOBAL
            name, module = stack.pop(), stack.pop()
            stack.append(_checked_class(module, name))
        elif code == 0x63:  # GLOBAL
            stack.append(_checked_class(self._line(), self._line()))
        elif code == 0x29:  # EMPTY_TUPLE
            stack.append(())
        elif code == 0x81:  # NEWOBJ
            arguments, made_of = stack.pop(), stack.pop()
            if made_of is not _CLASS or arguments != ():
                raise _NotReadableError("it makes an object in a way that Chroma does not")
            stack.append({})
        elif code == 0x62:  # BUILD
            state = stack.pop()
            if not isinstance(state, dict):
                raise _NotReadableError("an object is filled with something else than fields")
            stack[-1].update(state)
        else:
            raise _NotReadableError(f"the instruction {code:#04x} is refused, for no file of Chroma has it")

    def _set_items(self) -> None:
        stack = self._stack
        first = len(stack) - 1
        while stack[first] is not _MARK:
            first -= 1
            if first < 0:
                raise _NotReadableError("a mark is missing")
        items = stack[first + 1 :]
        del stack[first:]
        self._put(items)

    def _put(self, items: list[Any]) -> None:
        """Put keys and values, in turns, into the dict on top of the stack."""
        holder = self._stack[-1]
        if not isinstance(holder, dict) or len(items) % 2:
            raise _NotReadableError("keys and values do not pair up")
        keys = items[::2]
        if not all(isinstance(key, (str, int)) for key in keys):
            raise _NotReadableError("a key is neither a text nor a number")
        cast("dict[Any, Any]", holder).update(zip(keys, items[1::2], strict=True))

    def _take(self, n_bytes: int) -> bytes:
        taken = self._data[self._next : self._next + n_bytes]
        if len(taken) < n_bytes:
            raise _NotReadableError("it is cut short")
        self._next += n_bytes
        return taken

    def _number(self, n_bytes: int) -> int:
        return int.from_bytes(self._take(n_bytes), "little")

    def _long(self, n_bytes: int) -> int:
        if n_bytes > MAX_INT_BYTES:
            raise _NotReadableError(f"a number of {n_bytes} bytes")
        return int.from_bytes(self._take(n_bytes), "little", signed=True)

    def _text(self, n_bytes: int) -> str:
        return self._take(n_bytes).decode("utf-8", "surrogatepass")

    def _line(self) -> str:
        end = self._data.index(b"\n", self._next)
        line = self._data[self._next : end].decode("utf-8")
        self._next = end + 1
        return line


def _checked_class(module: Any, name: Any) -> object:
    if (module, name) != CLASS_NAMES:
        raise _NotReadableError(f"it names {str(module)[:80]}.{str(name)[:80]}, which is refused: Chroma's do not")
    return _CLASS
