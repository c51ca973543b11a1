"""How tests damage a file, and tell whether anything in a folder has changed."""


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 16
    path.write_bytes(bytes(content))


def contents(folder):
    """All files but those that SQLite puts beside a database while it is read: an index, and an empty file."""
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {path: content for path, content in files.items() if content and not path.name.endswith("-shm")}
