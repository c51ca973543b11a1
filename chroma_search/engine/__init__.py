"""Engine: collections and the catalog; the only part that writes."""
