"""The file that says who may call: users, hashes of their tokens and passwords, and grants. YAML, written by hand or by
`chroma-search user`.

    users:
      ana:
        tokens: ["sha256:9f86..."]
        password: "scrypt:16384:8:1:..."
        grants:
          - {role: writer, tenant: acme, database: "*"}

A server reads it again when it changes, so a user can be removed without a restart; a file that cannot be read then
leaves the old users in place and an error in the log.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from chroma_search.errors import InvalidConfigError
from chroma_search.server.access.roles import ANY, Grant, Identity, Role
from chroma_search.server.access.secrets import parsed_password

ROLES = {"reader": Role.READER, "writer": Role.WRITER, "admin": Role.ADMIN}
MAX_NAME_LENGTH = 256
_TOKEN = re.compile("sha256:[0-9a-fA-F]{64}")


class GrantEntry(BaseModel):
    """One grant in the file."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["reader", "writer", "admin"]
    tenant: str = ANY
    database: str = ANY


class UserEntry(BaseModel):
    """One user in the file."""

    model_config = ConfigDict(extra="forbid")

    tokens: list[str] = []
    password: str | None = None
    grants: list[GrantEntry] = []


class UsersEntry(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    users: dict[str, UserEntry] = {}


@dataclass(frozen=True, slots=True)
class User:
    """One user.

    Attributes:
        identity: name and grants.
        tokens: hashes.
        password: hash, or None.
    """

    identity: Identity
    tokens: tuple[str, ...]
    password: str | None


def read_users(path: Path) -> Mapping[str, User]:
    """Return the users of a file by name.

    Raises:
        InvalidConfigError: it cannot be read, or something in it is wrong.
    """
    return checked_users(read_entries(path))


def checked_users(entries: UsersEntry) -> Mapping[str, User]:
    """Return the users of a file that was read.

    Raises:
        InvalidConfigError: a name or a hash that is not allowed.
    """
    return {name: _user(name, entry) for name, entry in entries.users.items()}


def read_entries(path: Path) -> UsersEntry:
    """Return a file as it is written.

    Raises:
        InvalidConfigError: as `read_users`.
    """
    try:
        held: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidConfigError(f"cannot read the users file {path}: {error.strerror}", path=str(path)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidConfigError(f"the users file {path} is not YAML", path=str(path)) from error
    try:
        return UsersEntry.model_validate({} if held is None else held, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]  # a value may be a secret in the wrong place
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidConfigError(f"the users file {path}: {first['msg']}", path=place) from None


def write_entries(path: Path, entries: UsersEntry) -> None:
    """Replace a file; a reader sees the old one or the new one.

    A new file is readable by its owner alone; one that was there keeps its mode and its owner, for the server that
    reads it may run as another user.

    Raises:
        InvalidConfigError: something in it is wrong; the file stays as it was.
    """
    checked_users(entries)
    text = yaml.safe_dump(entries.model_dump(exclude_defaults=True), sort_keys=False)
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)  # what a killed one left, or what somebody else has put there to read along
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileNotFoundError):
        old = path.stat()
        beside.chmod(stat.S_IMODE(old.st_mode))
        if hasattr(os, "chown") and (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
            with suppress(PermissionError):  # only root may give a file away
                os.chown(beside, old.st_uid, old.st_gid)
    os.replace(beside, path)


def _user(name: str, entry: UserEntry) -> User:
    if not name or len(name) > MAX_NAME_LENGTH or ":" in name:
        raise InvalidConfigError(f"a user's name has 1 to {MAX_NAME_LENGTH} characters and no ':'", path="users")
    for token in entry.tokens:
        if _TOKEN.fullmatch(token) is None:
            raise InvalidConfigError(
                "a token must be its hash, sha256: and 64 digits (chroma-search user add makes both)",
                path=f"users.{name}.tokens",
            )
    if entry.password is not None:
        parsed_password(entry.password)
    grants = tuple(Grant(ROLES[each.role], each.tenant, each.database) for each in entry.grants)
    return User(Identity(name, grants), tuple(token.lower() for token in entry.tokens), entry.password)
