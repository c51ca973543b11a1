"""Every relative link of every Markdown file leads to a file, a folder or a heading that exists.

Links to other hosts are not followed: tests need no network.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
NOT_OURS = {"build", "dist", "node_modules"}

FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
INLINE_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'][^)]*)?\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]^]+\]:\s*<?([^\s>]+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def markdown_files(root: Path) -> list[Path]:
    """Return the project's own pages, relative to its root; folders that start with a dot hold tools and caches."""
    found: list[Path] = []
    for folder, folders, files in os.walk(root):
        folders[:] = [each for each in folders if not each.startswith(".") and each not in NOT_OURS]
        found += [Path(folder, each).relative_to(root) for each in files if each.endswith(".md")]
    return sorted(found)


def broken_links(page: Path) -> list[str]:
    """Return the link targets of a page that lead nowhere."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    prose = INLINE_CODE.sub("", text)
    targets = INLINE_LINK.findall(prose) + REFERENCE.findall(prose)
    return [target for target in targets if not leads_somewhere(page, target)]


def leads_somewhere(page: Path, target: str) -> bool:
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", target):
        return True
    path, _, heading = unquote(target).partition("#")
    goal = page.parent / path if path else page
    if not goal.exists():
        return False
    return not heading or goal.suffix != ".md" or heading in anchors(goal)


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get: lower case, hyphens for spaces, -1, -2 for repeated ones."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for title in HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


@pytest.mark.parametrize("page", markdown_files(ROOT), ids=str)
def test_links_of_the_page_resolve(page):
    assert broken_links(ROOT / page) == []


def test_the_front_page_is_among_the_pages_checked():
    assert Path("README.md") in markdown_files(ROOT)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "there.md").write_text("# One `two` & Three\n\n## Same\n\n## Same\n\n```\n# not a heading\n```\n")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "page.md").write_text("[x](gone.md)")
    return tmp_path


@pytest.mark.parametrize(
    "link",
    [
        "[x](there.md)",
        "[x](<there.md>)",
        '[x](there.md "a title")',
        "[x](there.md#one-two--three)",
        "[x](there.md#same-1)",
        "[x](#here)",
        "[x](.)",
        "[![image](there.md)](there.md)",
        "[x]: there.md",
        "[x](https://example.org/gone)",
        "[x](mailto:a@example.org)",
        "`[x](gone.md)`",
        "```\n[x](gone.md)\n```",
    ],
)
def test_a_link_that_resolves_or_is_code_passes(folder, link):
    page = folder / "page.md"
    page.write_text(f"# Here\n\n{link}\n")
    assert broken_links(page) == []


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("[x](gone.md)", "gone.md"),
        ("[x](sub/gone.md)", "sub/gone.md"),
        ('[x](gone.md "a title")', "gone.md"),
        ("[x](there.md#gone)", "there.md#gone"),
        ("[x](there.md#not-a-heading)", "there.md#not-a-heading"),
        ("[x](there.md#same-2)", "there.md#same-2"),
        ("[x](#gone)", "#gone"),
        ("[![image](gone.png)](there.md)", "gone.png"),
        ("[![image](there.md)](gone.md)", "gone.md"),
        ("[x]: gone.md", "gone.md"),
        ("`code` [x](gone.md) `code`", "gone.md"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(folder, link, target):
    page = folder / "page.md"
    page.write_text(f"# Here\n\n{link}\n")
    assert broken_links(page) == [target]


def test_folders_of_tools_are_left_out(folder):
    assert markdown_files(folder) == [Path("there.md")]
