"""Upstream's package `chromadb.api.models`."""
