"""Operators: what runs. Filter -> candidates -> scores -> groups -> page -> columns."""
