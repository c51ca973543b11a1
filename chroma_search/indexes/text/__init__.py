"""Text indexes of one segment: words (BM25), trigrams, substring and pattern tests."""
