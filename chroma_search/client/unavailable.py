"""The client that this package does not have, by name, so that asking for it gives a helpful error."""

from __future__ import annotations

from typing import Any, NoReturn

from chroma_search.errors import UnsupportedError


def CloudClient(*args: Any, **kwargs: Any) -> NoReturn:  # noqa: N802 - upstream's name
    """Refuse: this package never connects to Chroma's cloud.

    Raises:
        UnsupportedError: always.
    """
    why, instead = "searches run in your own process or at your own server", "use EphemeralClient() or HttpClient()"
    raise UnsupportedError(
        f"CloudClient is not supported ({why}): {instead}", feature="CloudClient", why=why, instead=instead
    )
