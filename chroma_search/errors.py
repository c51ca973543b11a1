"""Every exception that this package raises on purpose.

```
ChromaSearchError  (= ChromaError, upstream's name)
├─ InvalidInputError (400)            also a ValueError: the caller's fault, raised before anything is written
│  ├─ WrongTypeError                  also a TypeError: right place, wrong Python type
│  ├─ InvalidArgumentError            upstream's name for what its engine (not its client) refuses
│  │  ├─ QuerySyntaxError             text, position, line, column, expected
│  │  ├─ InvalidFilterError           path inside the JSON
│  │  ├─ InvalidRankError             path inside the JSON
│  │  ├─ InvalidConfigError           path inside the JSON
│  │  └─ DimensionMismatchError       expected, got  (= InvalidDimensionException)
│  ├─ DuplicateIDError                ids
│  ├─ QuotaError
│  └─ BatchSizeExceededError (413)
├─ NotFoundError (404)                kind, name
├─ ConflictError (409)                kind, name  (= UniqueConstraintError, IDAlreadyExistsError)
├─ UnsupportedError (501)             feature, why, instead
├─ UnauthenticatedError (401)         no credentials, or wrong ones
├─ ForbiddenError (403)               (= ChromaAuthError, AuthorizationError)
├─ RequestError (400)                 a request over HTTP that cannot be read
│  ├─ SlowRequestError (408)          its body did not come in time
│  ├─ PayloadTooLargeError (413)      limit_bytes
│  ├─ MediaTypeError (415)            its body is not JSON
│  └─ UnprocessableError (422)        its JSON has another shape than the route takes
├─ RateLimitError (429)               retry_after_s
├─ OverloadedError (503)              retry_after_s
├─ DeadlineError (504)                the call took longer than it may
├─ VersionMismatchError (500)         (= InvalidHTTPVersion)
├─ StorageError (500)
│  ├─ ClosedError                     the client was closed
│  ├─ LockedError (423)               path: another process holds the writer's lock
│  ├─ CorruptionError                 path, offset, expected
│  └─ FormatVersionError              found, supported
├─ RemoteError                        a server answered with an error, or did not answer: status, body, request
│  ├─ ConnectionFailedError           also a ConnectionError and a ValueError: no answer came
│  └─ RequestTimeoutError             also a TimeoutError: none came in time
└─ InternalError (500)                a bug of ours: invariant, plan
```

Catch `ChromaSearchError` for all of them, `ValueError` for all that the caller can mend. Each class has a stable
`code` (a word), an HTTP `status`, and typed attributes beside its message. No message holds the content of a record.

An error that a server names is raised as the class of that name, from a `RemoteError`: `NotFoundError` is caught the
same way whoever answers, and `error.__cause__` holds the status, the body and the request.
"""

from __future__ import annotations

from typing import ClassVar


class ChromaSearchError(Exception):
    """Base of all errors of this package.

    Attributes:
        code: stable word that names the class in JSON.
        status: HTTP status that the server answers with.
    """

    code: ClassVar[str] = "ChromaError"
    status: int = 500

    def message(self) -> str:
        """Return the text of the error (upstream's accessor)."""
        return str(self)

    @classmethod
    def name(cls) -> str:
        """Return the stable word that names this class (upstream's accessor)."""
        return cls.code


class InvalidInputError(ChromaSearchError, ValueError):
    """The caller passed something that is not allowed; nothing was written."""

    code = "InvalidArgumentError"
    status = 400


class WrongTypeError(InvalidInputError, TypeError):
    """A value of the wrong Python type."""


class InvalidArgumentError(InvalidInputError):
    """A value that upstream's engine, not its client layer, refuses."""


class QuerySyntaxError(InvalidArgumentError):
    """A text of the query language that cannot be parsed.

    Attributes:
        text: the whole input.
        position: 0-based character offset of the mistake.
        line, column: the same place, 1-based.
        expected: what could have stood there, sorted, in the words of the language.
    """

    code = "QuerySyntaxError"

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        position: int = 0,
        line: int = 1,
        column: int = 1,
        expected: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.text = text
        self.position = position
        self.line = line
        self.column = column
        self.expected = expected


class _PathError(InvalidArgumentError):
    """An error inside a nested value; `path` names the place, such as `filter.$and[1].year`."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(f"{message} (at {path})" if path else message)
        self.path = path


class InvalidFilterError(_PathError):
    """A filter that has no meaning."""


class InvalidRankError(_PathError):
    """A rank expression that has no meaning."""


class InvalidConfigError(_PathError):
    """A schema or configuration value out of its bounds."""


class DimensionMismatchError(InvalidArgumentError):
    """A vector whose dimension differs from the collection's.

    Attributes:
        expected: dimension of the collection.
        got: dimension of the vector.
    """

    code = "InvalidDimension"

    def __init__(self, message: str, *, expected: int, got: int) -> None:
        super().__init__(message)
        self.expected = expected
        self.got = got


class DuplicateIDError(InvalidInputError):
    """The same id twice in one call.

    Attributes:
        ids: the repeated ids, at most ten.
    """

    code = "DuplicateID"

    def __init__(self, message: str, *, ids: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.ids = ids


class BatchSizeExceededError(InvalidInputError):
    """More rows in one call than allowed."""

    code = "BatchSizeExceededError"
    status = 413


class _NamedError(ChromaSearchError):
    """An error about one named thing."""

    def __init__(self, message: str, *, kind: str = "", name: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.missing_name = name


class NotFoundError(_NamedError):
    """No tenant, database, collection or embedding function of that name."""

    code = "NotFoundError"
    status = 404


class ConflictError(_NamedError):
    """The name is taken."""

    code = "UniqueConstraintError"
    status = 409


class UnsupportedError(ChromaSearchError):
    """Something that this version cannot do.

    Attributes:
        feature: what was asked for.
        why: the reason.
        instead: what to do about it.
    """

    code = "Unimplemented"
    status = 501

    def __init__(self, message: str, *, feature: str = "", why: str = "", instead: str = "") -> None:
        super().__init__(message)
        self.feature = feature
        self.why = why
        self.instead = instead


class ForbiddenError(ChromaSearchError):
    """The operation is switched off by configuration."""

    code = "AuthError"
    status = 403


class RequestError(ChromaSearchError):
    """A request over HTTP that cannot be read."""

    code = "InvalidArgumentError"
    status = 400


class NoRouteError(RequestError):
    """A request for a path that the server does not have.

    Attributes:
        beginning: of its messages; by it our clients tell it from a collection that is missing, which is 404 as well.
    """

    code = "ChromaError"
    status = 404
    beginning: ClassVar[str] = "no such route"


class SlowRequestError(RequestError):
    """The body of a request did not come in time."""

    code = "ChromaError"
    status = 408


class PayloadTooLargeError(RequestError):
    """The body of a request is larger than the server takes.

    Attributes:
        limit_bytes: what it takes.
    """

    code = "ChromaError"
    status = 413

    def __init__(self, message: str, *, limit_bytes: int) -> None:
        super().__init__(message)
        self.limit_bytes = limit_bytes


class MediaTypeError(RequestError):
    """The body of a request is not JSON."""

    code = "ChromaError"
    status = 415


class UnprocessableError(RequestError):
    """The JSON of a request has another shape than its route takes."""

    code = "ChromaError"
    status = 422


class UnauthenticatedError(ChromaSearchError):
    """A call without credentials where some are needed, or with wrong ones."""

    code = "AuthError"
    status = 401


class _LaterError(ChromaSearchError):
    """Not now: the same call may succeed later."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OverloadedError(_LaterError):
    """More calls are at work than the server takes.

    Attributes:
        retry_after_s: seconds after which another try makes sense.
    """

    status = 503


class DeadlineError(_LaterError):
    """A call took longer than it may, and was ended.

    Attributes:
        retry_after_s: seconds after which another try makes sense.
    """

    status = 504


class RateLimitError(_LaterError):
    """Too many requests in a while.

    Attributes:
        retry_after_s: seconds after which another try makes sense.
    """

    code = "RateLimitError"
    status = 429


class QuotaError(InvalidInputError):
    """More than a configured quota allows."""

    code = "QuotaError"


class VersionMismatchError(ChromaSearchError):
    """Client and server, or program and data, are of versions that do not fit."""

    code = "VersionMismatchError"


class StorageError(ChromaSearchError):
    """Records could not be read or written."""

    code = "StorageError"


class ClosedError(StorageError):
    """The client was closed before the call."""


class LockedError(StorageError):
    """Another process went on writing for longer than a writer waits.

    Attributes:
        path: the file it holds.
    """

    status = 423

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class CorruptionError(StorageError):
    """A file does not hold what its checksum says.

    Attributes:
        path: the file.
        offset: byte offset of the first damaged part.
        expected: what should have been there.
    """

    def __init__(self, message: str, *, path: str = "", offset: int = 0, expected: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset
        self.expected = expected


class FormatVersionError(StorageError):
    """A file in a version of the format that this program cannot read.

    Attributes:
        found: version of the file.
        supported: the oldest and the newest version that can be read.
    """

    def __init__(self, message: str, *, found: int = 0, supported: tuple[int, int] = (0, 0)) -> None:
        super().__init__(message)
        self.found = found
        self.supported = supported


class InternalError(ChromaSearchError):
    """A bug of ours.

    Attributes:
        invariant: what should have held.
        plan: the printed plan, if one was made.
    """

    code = "InternalError"

    def __init__(self, message: str, *, invariant: str = "", plan: str = "") -> None:
        super().__init__(message)
        self.invariant = invariant
        self.plan = plan


class RemoteError(ChromaSearchError):
    """A server answered with an error that has no class of its own, or with what the API does not allow.

    Attributes:
        status: HTTP status of the answer; 0 when none came.
        body: the answer, at most 2,000 characters of it.
        request: method and address, such as `POST http://localhost:8000/api/v2/tenants`; no headers, no password.
    """

    code = "RemoteError"

    def __init__(self, message: str, *, status: int = 0, body: str = "", request: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.request = request


class ConnectionFailedError(RemoteError, ConnectionError, ValueError):
    """No server could be reached, or the connection broke. A ValueError too, for upstream raises one."""


class RequestTimeoutError(RemoteError, TimeoutError):
    """No answer came in time; a write may have been done all the same."""


# Upstream's names, so that `except chromadb.errors.X` goes on working.
ChromaError = ChromaSearchError
InvalidDimensionException = DimensionMismatchError
UniqueConstraintError = ConflictError
IDAlreadyExistsError = ConflictError
ChromaAuthError = ForbiddenError
AuthorizationError = ForbiddenError
InvalidUUIDError = InvalidArgumentError
InvalidHTTPVersion = VersionMismatchError

__all__ = [
    "AuthorizationError",
    "BatchSizeExceededError",
    "ChromaAuthError",
    "ChromaError",
    "ChromaSearchError",
    "ClosedError",
    "ConflictError",
    "ConnectionFailedError",
    "CorruptionError",
    "DeadlineError",
    "DimensionMismatchError",
    "DuplicateIDError",
    "ForbiddenError",
    "FormatVersionError",
    "IDAlreadyExistsError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidConfigError",
    "InvalidDimensionException",
    "InvalidFilterError",
    "InvalidHTTPVersion",
    "InvalidInputError",
    "InvalidRankError",
    "InvalidUUIDError",
    "LockedError",
    "MediaTypeError",
    "NotFoundError",
    "OverloadedError",
    "PayloadTooLargeError",
    "QuerySyntaxError",
    "QuotaError",
    "RateLimitError",
    "RemoteError",
    "RequestError",
    "RequestTimeoutError",
    "SlowRequestError",
    "StorageError",
    "UnauthenticatedError",
    "UniqueConstraintError",
    "UnprocessableError",
    "UnsupportedError",
    "VersionMismatchError",
    "WrongTypeError",
]
