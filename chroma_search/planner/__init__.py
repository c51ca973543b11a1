"""Planner: from what a search means to which access path answers it, and the run."""
