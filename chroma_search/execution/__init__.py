"""Upstream's package `chromadb.execution`: only the query language."""
