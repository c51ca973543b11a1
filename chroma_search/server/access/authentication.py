"""Authentication: from the headers of a request to an identity, before anything else is done with it.

Taken are `Authorization: Bearer <token>`, `X-Chroma-Token: <token>` and `Authorization: Basic`, as Chroma's clients
send them. Hashes are compared in constant time, all of them, and a user that is not known costs as much as a wrong
password. A password that was right once is remembered for a while under a keyed hash, for scrypt costs 40 ms; wrong
ones are counted per address, and after a few an address has to wait.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from chroma_search.errors import InvalidConfigError, UnauthenticatedError
from chroma_search.server.access.roles import EVERYONE, Identity
from chroma_search.server.access.secrets import hashed_password, hashed_token, is_password
from chroma_search.server.access.users_file import User, read_users
from chroma_search.server.rate import Rates

REMEMBERED_S = 300.0
MAX_REMEMBERED = 1024
LOOK_AGAIN_S = 1.0
"""How often the users file is looked at: a user who was removed is refused after that."""
FAILURES_PER_SECOND, FAILURES_AT_ONCE = 0.5, 10

_logger = logging.getLogger("chroma_search.server")


class Authentication:
    """Knows the users of a file. Thread-safe.

    Args:
        users_file: the file; None lets everybody in.
        clock: seconds, monotonic.

    Raises:
        InvalidConfigError: the file cannot be read.
    """

    def __init__(self, users_file: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = users_file
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = Rates(FAILURES_PER_SECOND, FAILURES_AT_ONCE, clock)
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, tuple[float, Identity]] = {}
        self._looked_at = clock()
        self._stamp = None if users_file is None else _stamp(users_file)
        self._users: Mapping[str, User] = {} if users_file is None else read_users(users_file)
        self._nobody = hashed_password(secrets.token_hex()) if users_file is not None else ""

    @property
    def is_open(self) -> bool:
        """Whether everybody is let in."""
        return self._path is None

    def is_slow(self, headers: Mapping[str, str]) -> bool:
        """Tell whether `identify` may take tens of milliseconds for these headers (a password)."""
        return self._path is not None and headers.get("authorization", "")[:6].lower() == "basic "

    def identify(self, headers: Mapping[str, str], address: str) -> Identity:
        """Return who calls.

        Args:
            headers: of the request, names in lower case.
            address: of the client.

        Raises:
            UnauthenticatedError: nobody, or credentials that are not right.
            RateLimitError: this address has been wrong too often.
        """
        if self._path is None:
            return EVERYONE
        self._look_again()
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = headers.get("x-chroma-token", "")
        found: Identity | None = None
        if token or scheme.lower() == "bearer":
            self._failures.check(address)
            found = self._of_token(token.removeprefix("Bearer ") or given.strip())
        elif scheme.lower() == "basic":
            self._failures.check(address)
            found = self._of_password(given.strip())
        elif not scheme:
            raise _refused()
        if found is None:
            self._failures.take(address)
            raise _refused()
        return found

    def _of_token(self, token: str) -> Identity | None:
        wanted = hashed_token(token)
        found: Identity | None = None
        for user in self._users.values():  # all of them: the time taken tells nothing
            for held in user.tokens:
                if hmac.compare_digest(held, wanted):
                    found = user.identity
        return found

    def _of_password(self, given: str) -> Identity | None:
        try:
            name, has_password, password = base64.b64decode(given, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if not has_password:
            return None
        mark = hmac.digest(self._key, given.encode("utf-8"), hashlib.sha256)
        with self._lock:
            until, known = self._remembered.get(mark, (0.0, None))
        if known is not None and self._clock() < until:
            return known
        user = self._users.get(name)
        held = None if user is None else user.password
        is_right = is_password(password, held or self._nobody)
        if user is None or held is None or not is_right:
            return None
        self._remember(mark, user.identity)
        return user.identity

    def _remember(self, mark: bytes, identity: Identity) -> None:
        with self._lock:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[mark] = (self._clock() + REMEMBERED_S, identity)

    def _look_again(self) -> None:
        """Read the users file if it has changed."""
        assert self._path is not None
        now = self._clock()
        if now - self._looked_at < LOOK_AGAIN_S:
            return
        with self._lock:
            self._looked_at = now
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            try:
                self._users = read_users(self._path)
            except InvalidConfigError as error:
                _logger.error("the users stay as they were: %s", error)
            else:
                self._remembered.clear()
            self._stamp = stamp


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("Permission denied.")
