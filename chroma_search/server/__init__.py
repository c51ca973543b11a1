"""The server: Chroma's HTTP API v2 over a folder, with search."""

from chroma_search.server.settings import ServerSettings, load_settings

__all__ = ["ServerSettings", "load_settings"]
