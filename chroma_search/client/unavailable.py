"""The clients that a later version will have, by name, so that asking for one gives a helpful error."""

from __future__ import annotations

from typing import Any, NoReturn

from chroma_search.client.system import not_yet


def HttpClient(*args: Any, **kwargs: Any) -> NoReturn:  # noqa: N802 - upstream's name
    """Refuse: the client of a server comes in a later version.

    Raises:
        UnsupportedError: always.
    """
    raise not_yet("HttpClient", "there is no server yet")


async def AsyncHttpClient(*args: Any, **kwargs: Any) -> NoReturn:  # noqa: N802 - upstream's name
    """Refuse: the client of a server comes in a later version.

    Raises:
        UnsupportedError: always, when awaited.
    """
    raise not_yet("AsyncHttpClient", "there is no server yet")


def CloudClient(*args: Any, **kwargs: Any) -> NoReturn:  # noqa: N802 - upstream's name
    """Refuse: this package never connects to Chroma's cloud.

    Raises:
        UnsupportedError: always.
    """
    raise not_yet("CloudClient", "searches run in your own process")
