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
from collections.abc import Mapping
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
    return {name: _user(name, entry) for name, entry in read_entries(path).users.items()}


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
        return UsersEntry.model_validate(held or {}, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]  # a value may be a secret in the wrong place
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidConfigError(f"the users file {path}: {first['msg']}", path=place) from None


def write_entries(path: Path, entries: UsersEntry) -> None:
    """Replace a file, readable by its owner alone; a reader sees the old one or the new one."""
    text = yaml.safe_dump(entries.model_dump(exclude_defaults=True), sort_keys=False)
    beside = path.with_name(f".{path.name}.new")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def _user(name: str, entry: UserEntry) -> User:
    if not name or len(name) > MAX_NAME_LENGTH or ":" in name:
        raise InvalidConfigError(f"a user's name has 1 to {MAX_NAME_LENGTH} characters and no ':'", path="users")
    for token in entry.tokens:
        if not token.startswith("sha256:") or len(token) != len("sha256:") + 64:
            raise InvalidConfigError(
                "a token must be its hash, sha256: and 64 digits (chroma-search user add makes both)",
                path=f"users.{name}.tokens",
            )
    if entry.password is not None:
        parsed_password(entry.password)
    grants = tuple(Grant(ROLES[each.role], each.tenant, each.database) for each in entry.grants)
    return User(Identity(name, grants), tuple(entry.tokens), entry.password)
