"""What is said of a path that has no route. Pure.

Chroma's clients raise a named exception for a body of `{"error", "message"}`; of the empty body that upstream's server
sends they make `Exception('')`, which tells nobody that an address or a version is wrong.
"""

from __future__ import annotations

import re

from chroma_search.errors import NoRouteError
from chroma_search.server.route_table import RouteTable

DISTRIBUTED_ONLY = {
    "functions": "attached functions belong",
    "attached_functions": "attached functions belong",
    "conditional": "transactions belong",
}
"""Parts of paths below a collection that Chroma's distributed service has, and no single node."""
MAX_SHOWN = 200
_BELOW_COLLECTION = re.compile(r"/tenants/[^/]*/databases/[^/]*/collections/[^/]*/([a-z_]+)(?:/|$)")


def no_route(path: str, routes: RouteTable, prefix: str) -> NoRouteError:
    """Return the error of a path that has no route.

    Args:
        path: as it was sent.
        routes: those that there are.
        prefix: before the paths of all of them.
    """
    below = _BELOW_COLLECTION.match(path.removeprefix(prefix)) if path.startswith(prefix) else None
    if below is not None and below[1] in DISTRIBUTED_ONLY:
        return NoRouteError(
            f"{NoRouteError.beginning} on a single node: {DISTRIBUTED_ONLY[below[1]]} to the distributed service"
        )
    near = routes.nearest(path)
    hint = f"did you mean {_shown(near)}?" if near else f"those of the API begin with {prefix!r}."
    return NoRouteError(f"{NoRouteError.beginning} as {_shown(path)}: {hint} All of them are in /openapi.json")


def _shown(path: str) -> str:
    return repr(path if len(path) <= MAX_SHOWN else path[:MAX_SHOWN] + "...")
