"""Storage: immutable segments, snapshots, and when segments merge."""
