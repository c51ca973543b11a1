"""What a browser may be talked into: a web page that is open on this machine must not reach a server without users.

A page can send simple requests to any address (it only cannot read the answers), and a page whose name is made to
resolve to this machine can read them, too. Browsers say which page it was (`Origin`) and which name was used (`Host`);
both must be of this machine, unless the settings allow the origin. Other programs send no `Origin`.

Not for: servers with users, where a page would have to know a secret; and those behind something that asks who calls
(`allow_unauthenticated`), whose names we cannot know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from chroma_search.errors import ForbiddenError


class Origins:
    """Refuses requests that a page of elsewhere has made.

    Args:
        allowed: origins as in `cors_allow_origins`; `*` allows all.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(allowed)

    def check(self, headers: Mapping[str, str]) -> None:
        """Return when a program or a page of this machine calls.

        Raises:
            ForbiddenError: a page of elsewhere.
        """
        origin = headers.get("origin")
        if origin is not None and not self._allowed & {"*", origin} and not _is_here(origin):
            raise ForbiddenError("a page of this origin may not call: name it in cors_allow_origins")
        host = headers.get("host", "")
        if host and not _is_here(f"//{host}"):
            raise ForbiddenError("this server answers to localhost alone: give it users, or say allow_unauthenticated")


@lru_cache(64)  # a client says the same each time, and reading an address takes as long as looking up a record
def _is_here(address: str) -> bool:
    try:
        name = urlsplit(address).hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ip_address(name).is_loopback
    except ValueError:
        return False
