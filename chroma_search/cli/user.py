"""`chroma-search user`: who may call a server. Writes the users file; a running server reads it again by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chroma_search.cli.options import FOLDER, json_option
from chroma_search.cli.output import print_json, print_table
from chroma_search.errors import ConflictError, NotFoundError

users_option = click.option(
    "--users", "path", type=FOLDER, default=Path("users.yaml"), show_default=True, help="The users file."
)


@click.group("user")
def command() -> None:
    """Add, list and remove the users of a server."""


@command.command("add")
@click.argument("name")
@users_option
@click.option("--role", type=click.Choice(["reader", "writer", "admin"]), required=True, help="What they may do.")
@click.option("--tenant", default="*", show_default=True, help="Where: a tenant; * for all.")
@click.option("--database", default="*", show_default=True, help="Where: a database of it; * for all.")
@click.option("--password", is_flag=True, help="Ask for a password instead of making a token.")
@json_option
def add(name: str, path: Path, role: Any, tenant: str, database: str, password: bool, as_json: bool) -> None:
    """Add a user NAME, and print the token that they authenticate with: it is shown this once.

    For a user who is there already, adds one more grant (and a token, or another password).
    """
    from chroma_search.server.access import secrets, users_file  # pydantic and yaml: only these commands need them

    entries = users_file.read_entries(path) if path.exists() else users_file.UsersEntry()
    user = entries.users.setdefault(name, users_file.UserEntry())
    grant = users_file.GrantEntry(role=role, tenant=tenant, database=database)
    if grant in user.grants and not password:
        raise ConflictError(
            f"{name} has this grant already: remove the user first for a new token", kind="user", name=name
        )
    if grant not in user.grants:
        user.grants.append(grant)
    token = None
    if password:
        user.password = secrets.hashed_password(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        token = secrets.new_token()
        user.tokens.append(secrets.hashed_token(token))
    users_file.write_entries(path, entries)
    if as_json:
        print_json({"user": name, "role": role, "tenant": tenant, "database": database, "token": token})
    else:
        click.echo(f"{name} is {role} of {tenant}/{database} in {path}")
        if token is not None:
            click.echo(f"token (not shown again): {token}")


@command.command("list")
@users_option
@json_option
def list_(path: Path, as_json: bool) -> None:
    """List the users and what they may do."""
    from chroma_search.server.access import users_file  # as above

    entries = users_file.read_entries(path)
    if as_json:
        grants = {name: [each.model_dump() for each in user.grants] for name, user in entries.users.items()}
        print_json({"users": grants})
    else:
        rows = [[name, g.role, g.tenant, g.database] for name, user in entries.users.items() for g in user.grants]
        print_table(["user", "role", "tenant", "database"], rows)


@command.command("remove")
@click.argument("name")
@users_option
@json_option
def remove(name: str, path: Path, as_json: bool) -> None:
    """Remove the user NAME with all their tokens."""
    from chroma_search.server.access import users_file  # as above

    entries = users_file.read_entries(path)
    if name not in entries.users:
        raise NotFoundError(f"there is no user {name!r} in {path}", kind="user", name=name)
    del entries.users[name]
    users_file.write_entries(path, entries)
    if as_json:
        print_json({"removed": name})
    else:
        click.echo(f"{name} is removed from {path}")
