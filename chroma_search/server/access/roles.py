"""Roles and grants: what a user may do, and where. Pure: decided by names alone, before anything is looked up.

A grant is a role in a tenant and one of its databases; `*` stands for all of them. A reader reads and searches, a
writer also writes records and makes and drops collections, an admin also makes and drops databases (with `*` for the
databases) and, with `*` for the tenant, tenants, and resets the server.

What a user may not do is refused alike whether the thing exists or not, so nothing can be learnt from a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

ANY = "*"


class Role(IntEnum):
    """What one may do; each includes the ones before."""

    READER = 1
    WRITER = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in a place.

    Attributes:
        role: what may be done.
        tenant, database: where; `*` for everywhere.
    """

    role: Role
    tenant: str = ANY
    database: str = ANY

    def covers(self, role: Role, tenant: str, database: str) -> bool:
        """Tell whether this grant allows what `role` may do there; `*` asks for all of them."""
        return role <= self.role and self.tenant in (ANY, tenant) and self.database in (ANY, database)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls.

    Attributes:
        user: name; empty where the server does not ask.
        grants: what they may do.
    """

    user: str
    grants: tuple[Grant, ...]

    def may(self, role: Role, tenant: str, database: str) -> bool:
        """Tell whether they may do what `role` may, in a database; `*` means in all databases, in all tenants."""
        return any(grant.covers(role, tenant, database) for grant in self.grants)

    def may_in(self, role: Role, tenant: str) -> bool:
        """Tell whether they may do what `role` may in at least one database of a tenant."""
        return any(role <= grant.role and grant.tenant in (ANY, tenant) for grant in self.grants)

    def visible(self, tenant: str, databases: Iterable[str]) -> list[str]:
        """Return which databases of a tenant they may read, in the order given."""
        return [each for each in databases if self.may(Role.READER, tenant, each)]

    def home(self) -> tuple[str, list[str]]:
        """Return their tenant and databases as `/auth/identity` tells them; `*` for more than one tenant."""
        tenants = {grant.tenant for grant in self.grants}
        tenant = tenants.pop() if len(tenants) == 1 else ANY
        databases = list(dict.fromkeys(grant.database for grant in self.grants))
        return tenant, [ANY] if ANY in databases else databases


EVERYONE = Identity("", (Grant(Role.ADMIN),))
"""Whoever calls a server without authentication."""
