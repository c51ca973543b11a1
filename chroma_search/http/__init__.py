"""Clients of a server that speaks Chroma's HTTP API, version 2: sync and async."""
