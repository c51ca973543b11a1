"""What every client has in common: the classes users call, arguments checked, texts embedded, results built."""
