"""Authentication: from the headers of a request to an identity, before anything else is done with it.

Taken are `Authorization: Bearer <token>`, `X-Chroma-Token: <token>` and `Authorization: Basic`, as Chroma's clients
send them. Hashes are compared in constant time, all of them, and a user that is not known costs as much as a wrong
password. A password that was right once is remembered for a while under a keyed hash, for scrypt costs 40 ms; wrong
ones are counted per address, and after a few an address has to wait before another password is tried. Tokens, and
passwords that are remembered, never wait: behind a proxy all clients share one address.
"""

from __future__ import annotations

import base64
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
        failures: where wrong attempts are counted, a bucket per address; None for a count of this process alone.

    Raises:
        InvalidConfigError: the file cannot be read.
    """

    def __init__(
        self, users_file: Path | None, clock: Callable[[], float] = time.monotonic, failures: Rates | None = None
    ) -> None:
        self._path = users_file
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = failures or Rates(FAILURES_PER_SECOND, FAILURES_AT_ONCE, clock)
        self._key = secrets.token_bytes(32)
        self._trying = threading.Lock()
        self._remembered: dict[bytes, tuple[float, User]] = {}
        self._looked_at = clock()
        self._stamp = None if users_file is None else _stamp(users_file)
        self._users: Mapping[str, User] = {} if users_file is None else read_users(users_file)
        self._nobody = hashed_password(secrets.token_hex()) if users_file is not None else ""

    @property
    def is_open(self) -> bool:
        """Whether everybody is let in."""
        return self._path is None

    def is_slow(self, headers: Mapping[str, str]) -> bool:
        """Tell whether `identify` may take tens of milliseconds for these headers (a password to be tried)."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return self._path is not None and scheme.lower() == "basic" and self._known(_mark(self._key, given)) is None

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
            found = self._of_token(token.removeprefix("Bearer ") or given.strip())
        elif scheme.lower() == "basic":
            return self._of_password(given.strip(), address)
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

    def _of_password(self, given: str, address: str) -> Identity:
        mark = _mark(self._key, given)
        known = self._known(mark)
        if known is not None:
            return known.identity
        with self._trying:  # one after the other, so that a burst of them counts, and takes one core at most
            known = self._known(mark)
            if known is not None:
                return known.identity
            self._failures.take(address)  # before: other processes try passwords at the same time
            user = self._tried(given)
            if user is None:
                raise _refused()
            self._failures.give_back(address)
            self._remember(mark, user)
            return user.identity

    def _tried(self, given: str) -> User | None:
        """Return the user of a name and password in base64."""
        try:
            name, has_password, password = base64.b64decode(given, validate=True).decode("utf-8").partition(":")
        except ValueError:  # no base64, not of ASCII, or no UTF-8 in it
            return None
        if not has_password:
            return None
        user = self._users.get(name)
        held = None if user is None else user.password
        is_right = is_password(password, held or self._nobody)
        return user if is_right and held is not None else None

    def _known(self, mark: bytes) -> User | None:
        """Return whose password is remembered; nobody's whose entry in the users file is no longer the same."""
        with self._lock:
            until, user = self._remembered.get(mark, (0.0, None))
        is_valid = user is not None and self._clock() < until and self._users.get(user.identity.user) is user
        return user if is_valid else None

    def _remember(self, mark: bytes, user: User) -> None:
        with self._lock:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[mark] = (self._clock() + REMEMBERED_S, user)

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
                self._stamp = stamp
            except InvalidConfigError as error:  # looked at again and again, for nothing may change but its mode
                _logger.error("the users stay as they were: %s", error)


def _mark(key: bytes, given: str) -> bytes:
    return hmac.digest(key, given.strip().encode("utf-8"), hashlib.sha256)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _refused() -> UnauthenticatedError:
    return UnauthenticatedError("Permission denied.")
