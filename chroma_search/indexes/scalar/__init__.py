"""Typed metadata columns of one segment and what filters ask of them."""
