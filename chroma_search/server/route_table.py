"""From method and path to a route: a tree over the parts of the path. Pure.

The raw path is split first and each part percent-decoded then, so a name may hold a `/`. HEAD is answered where GET is,
by the same handler (RFC 9110, 9.3.2): the HTTP library leaves the body out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import unquote

from chroma_search.server.call import Route

MAX_COMPARED = 100
"""Characters of a part of a path that are compared with the parts that there are; none is longer."""


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict[str, "_Node"])
    variable: _Node | None = None
    routes: dict[str, tuple[Route, tuple[str, ...]]] = field(default_factory=dict[str, tuple[Route, tuple[str, ...]]])


@dataclass(frozen=True, slots=True)
class Match:
    """What a path means.

    Attributes:
        route: the route, or None when there is none for this method (405).
        path: parts of the path by name.
        methods: those that there are at this path.
    """

    route: Route | None
    path: dict[str, str]
    methods: tuple[str, ...] = ()


class RouteTable:
    """Finds routes.

    Args:
        routes: all of them; each method and path stands once.
        prefix: before every path.
    """

    def __init__(self, routes: Iterable[Route], prefix: str) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route, prefix)

    def find(self, method: str, raw_path: str) -> Match | None:
        """Return what a path means; None when nothing is there (404)."""
        node, values = self._root, list[str]()
        for part in raw_path.split("/")[1:]:
            literal = node.literals.get(part)
            if literal is not None:
                node = literal
            elif node.variable is not None and part:
                node = node.variable
                values.append(unquote(part, errors="strict") if "%" in part else part)
            else:
                return None
        if not node.routes:
            return None
        held = node.routes.get("GET" if method == "HEAD" else method)
        if held is None:
            return Match(None, {}, with_head(node.routes))
        route, names = held
        return Match(route, dict(zip(names, values, strict=True)))

    def nearest(self, raw_path: str) -> str | None:
        """Return the path to which one that has no route is like, up to the part that is wrong; None for none."""
        node, parts = self._root, raw_path.split("/")[1:]
        for at, part in enumerate(parts):
            then = node.literals.get(part) or (node.variable if part else None)
            if then is None:
                near = get_close_matches(part[:MAX_COMPARED], node.literals, n=1)
                if not near and not node.routes:
                    return None
                return "/" + "/".join([*parts[:at], *near])
            node = then
        return None

    def _add(self, route: Route, prefix: str) -> None:
        node, names = self._root, list[str]()
        for part in (prefix + route.path).split("/")[1:]:
            if part.startswith("{"):
                names.append(part[1:-1])
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(part, _Node())
        if route.method in node.routes:
            raise ValueError(f"two routes for {route.method} {route.path}")
        node.routes[route.method] = (route, tuple(names))


def with_head(methods: Iterable[str]) -> tuple[str, ...]:
    """Return the methods that a path answers whose routes have these."""
    held = tuple(methods)
    return (*held, "HEAD") if "GET" in held else held
