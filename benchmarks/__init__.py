"""Measurements: a folder each, with a `run.py`; see README.md."""
