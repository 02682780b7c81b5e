"""A hook of mkdocs: README, ARCHITECTURE and CHANGELOG stay at the root and are pages of the site, too.

1. `on_files` adds them; README is the front page.
2. `on_page_markdown` turns links between the two places: in the site there is no `docs/`, and no source code.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "ARCHITECTURE.md": "architecture.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def on_files(files: Files, *, config: Any) -> Files:
    """Adds the pages that stand outside of docs."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """The text of a page with links that hold in the site; a link to source code is its name."""
    return LINK.sub(_turned, markdown)


def _turned(link: re.Match[str]) -> str:
    text, target = link[1], link[2]
    if "://" in target or target.startswith("#"):
        return link[0]
    path, hash_, anchor = target.removeprefix("../").partition("#")
    path = PAGES.get(path, path).removeprefix("docs/")
    if path.endswith((".md", ".svg", ".png")):
        return f"[{_title(text)}]({path}{hash_}{anchor})"
    return text


def _title(text: str) -> str:
    """`docs/formats.md` is the name of a file, and in the site `formats`."""
    named = re.fullmatch(r"(?:docs/)?([\w-]+)\.md", text)
    return named[1].replace("-", " ") if named else text
