"""Chroma's Search API in the user's own process."""
