"""Hooks of `make docs`: publish Markdown files that lie outside docs/, and resolve links into the repository.

Pages keep links that work in a checkout. On the site, a link to a published page leads there; a link to any other
file of the repository becomes its text, since the site has no copy of it. A link to a file that does not exist is
a warning, which `mkdocs build --strict` makes an error.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks.repository")

ROOT = Path(__file__).parents[1]
PUBLISHED = {  # file of the repository -> page of the site
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "firmware_config/README.md": "firmware.md",
    "export/README.md": "export.md",
    "edge/models/compact/README.md": "model-card.md",
}
REPOSITORY_PATHS = {page: path for path, page in PUBLISHED.items()}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|!?\[[^\]]*\]\([^)]*\))*)\]\((?P<target>[^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that lie outside docs/."""
    for path, page in PUBLISHED.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites the links of a page from places in the repository to places on the site; code blocks stay."""
    site = page.file.src_uri
    path = REPOSITORY_PATHS.get(site, f"docs/{site}")
    parts = re.split(r"(^```.*?^```)", markdown, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if n % 2 else LINK.sub(lambda m: _rewrite(m, path, site), part) for n, part in enumerate(parts))


def _rewrite(link: re.Match[str], path: str, site: str) -> str:
    target, _, anchor = link["target"].partition("#")
    if not target or re.match(r"[a-z]+:", target):
        return link[0]
    wanted = normpath(join(dirname(path), target))
    if not (ROOT / wanted).exists():
        log.warning("%s links to %s, which does not exist", path, wanted)
        return link[0]
    place = PUBLISHED.get(wanted) or (wanted.removeprefix("docs/") if wanted.startswith("docs/") else None)
    if place is None:
        return link["text"]
    return f"{link['image']}[{link['text']}]({relpath(place, dirname(site) or '.')}{'#' + anchor if anchor else ''})"
