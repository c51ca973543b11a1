"""Writing to a folder and opening it again, beside other embedded vector databases. See README.md."""
