"""Dense and sparse vector index kinds. `registry` names the dense ones; nothing is imported here."""
