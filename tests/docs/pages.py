"""README.md and docs/*.md as tests see them: their blocks of code, commands, tables, links and paths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.footage import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROGRAMS = r"python -m \w|dvc [a-z]|make [a-z]|tensorboard --|cp \w|source \S"
_COMMAND = re.compile(rf"`((?:[A-Z_]+=\w+ )?(?:{_PROGRAMS})[^`\n]*)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of code; ``language`` is what stands behind the fence."""

    page: str
    language: str
    text: str


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The blocks of a page, or those of one language."""
    found = [Block(page.name, *match.groups()) for match in _FENCE.finditer(page.read_text())]
    return [block for block in found if language is None or block.language == language]


def prose(page: Path) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", page.read_text())


def commands(page: Path) -> Iterator[str]:
    """Every command of a page, comments left out: lines of console blocks, and commands within a sentence."""
    for block in blocks(page, "console"):
        for line in block.text.splitlines():
            command = re.sub(r"\s+#.*$", "", line).strip()
            if command and not command.startswith("#"):
                yield command
    for command in _COMMAND.findall(prose(page)):
        yield command.strip()


def cells(page: Path) -> Iterator[list[str]]:
    """The rows of a page's tables, cell by cell; rulers left out."""
    for line in prose(page).splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def names(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", text)
