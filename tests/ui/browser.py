"""A real browser: what a person sees, and what a page asked for and complained of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
          "--disable-sync", "--no-first-run"]  # fmt: skip
_LONGEST_MS = 180_000  # it begins, and each thing it does: longer is a fault


@dataclass
class Seen:
    """A tab, what it asked for, and what it complained of."""

    tab: Any
    asked: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@contextmanager
def browsing(**context: Any) -> Iterator[Seen]:
    """Open a tab in a context as Playwright's `new_context` makes it; nothing may be complained of."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=_FLAGS, timeout=_LONGEST_MS
        )
        seen = Seen(browser.new_context(**context).new_page())
        seen.tab.set_default_timeout(_LONGEST_MS)
        seen.tab.on("request", lambda request: seen.asked.append(request.url))
        seen.tab.on("console", lambda message: seen.problems.append(message.text))
        yield seen
        assert seen.problems == []
        browser.close()
