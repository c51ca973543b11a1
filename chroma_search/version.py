"""The versions of this package and of the API it follows, in a file of their own: reading them costs nothing."""

__version__ = "0.1.0"

CHROMA_API_VERSION = "1.5.9"
"""The release of Chroma whose Python API, behaviour and defaults are matched."""
