"""Secrets that stand in a project's configuration, where everyone who reads the project reads them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_NAME = r"[\w.-]*(?:password|passwd|secret|token|(?:api|access|secret)_?key)\d*"
_KINDS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token": re.compile(
        r"\b(?:gh[pousr]_\w{30,}|xox[abprs]-[0-9A-Za-z-]{10,}|sk-[0-9A-Za-z_-]{20,}"
        r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.)"
    ),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"{}$]*:[^\s/@'\"{}$]+@"),
    "a webhook's address": re.compile(
        r"hooks\.slack\.com/services/\w|discord(?:app)?\.com/api/webhooks/\d"
        r"|\b(?:slack|discord|tgram|pover|msteams)://[\w:-]{8,}/"
    ),
    "a secret by name": re.compile(rf"(?i)\b{_NAME}['\"]?\s*[:=]\s*['\"][^'\"\s${{}}<>]{{8,}}['\"]"),
}
_BARE = re.compile(rf"(?im)^\s*(?:export\s+|-\s+)?{_NAME}\s*[:=]\s*[^'\"\s${{}}<>#&*!|\[]{{8,}}\s*(?:#.*)?$")
"""In a file that is not code, a value needs no quotes."""

_CODE = {".py"}
_SETTINGS = {".cfg", ".conf", ".env", ".ini", ".json", ".toml", ".yaml", ".yml"}
_NAMES = {"Dockerfile", "Makefile"}
_ELSEWHERE = {"data", "models", "node_modules", "site-packages", "tests"}
_LARGEST = 1_000_000  # bytes; a larger file is data


def configuration(root: Path) -> set[Path]:
    """Find the files that configure a project: its guards and services, and settings of any kind."""
    found: set[Path] = set()
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _ELSEWHERE]
        code = here.name in ("guards", "services")
        found |= {here / name for name in files if _configures(Path(name), code)}
    return {path for path in found if path.is_file() and path.stat().st_size <= _LARGEST}


def _configures(file: Path, code: bool) -> bool:
    told = {file.suffix, file.name} if file.suffix else {file.name}
    return bool(told & (_SETTINGS | _NAMES)) or (code and file.suffix in _CODE)


def held(file: Path) -> Iterator[str]:
    """Say what kinds of secret a file holds."""
    text = file.read_text(errors="replace")
    yield from (what for what, pattern in _KINDS.items() if pattern.search(text))
    if file.suffix not in _CODE and not _KINDS["a secret by name"].search(text) and _BARE.search(text):
        yield "a secret by name"
