"""`python -m chroma_search` is `chroma-search`."""

from chroma_search.cli import main

raise SystemExit(main())
