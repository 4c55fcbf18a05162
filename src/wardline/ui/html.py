"""HTML as text, escaped unless it is HTML already."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from html import escape
from importlib.resources import files
from urllib.parse import urlencode

STYLE = (files("wardline.ui") / "style.css").read_bytes()
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""What the browser is told to allow: our own style, and forms that ask us. There is no script at all."""


UNDER = ContextVar("UNDER", default="")
"""The path that the pages being made lie under; empty where a gate has the server for itself."""


def place(path: str) -> str:
    """Return where a page of this server is, as `/ui/traces`, under the path that all of them lie under."""
    return f"{UNDER.get()}{path}"


class Safe(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> str:
    """Return a value as HTML."""
    return value if isinstance(value, Safe) else escape("" if value is None else str(value))


def tag(name: str, /, *content: object, **attributes: object) -> Safe:
    """Make an element. `class_` and `for_` are written without their underscore.

    >>> tag("b", "1 < 2", class_="x")
    '<b class="x">1 &lt; 2</b>'
    """
    return Safe(f"<{name}{_given(attributes)}>{''.join(map(text, content))}</{name}>")


def field(**attributes: object) -> Safe:
    """Make an input of a form."""
    return Safe(f"<input{_given(attributes)}>")


def _given(attributes: Mapping[str, object]) -> str:
    return "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )


def link(label: object, path: str, **query: str) -> Safe:
    """Make a link to a page of this server; empty parts of the query are left out."""
    path = place(path)
    asked = urlencode({name: value for name, value in query.items() if value})
    return tag("a", label, href=f"{path}?{asked}" if asked else path)


def small(jpeg: bytes, alt: str) -> Safe:
    """Show a small picture, inside the page: no address of its own tells that it is there."""
    source = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
    return Safe(f'<img src="{source}" alt="{escape(alt)}" class="frame">')


def table(head: Sequence[object], rows: Sequence[Sequence[object]], caption: str = "") -> Safe:
    """Make a table with a head that is read out for every cell."""
    top = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))
    body = tag("tbody", *(tag("tr", *(tag("td", cell) for cell in row)) for row in rows))
    return tag("table", tag("caption", caption) if caption else Safe(""), top, body)


def facts(given: Mapping[str, object]) -> Safe:
    """Make a list of names and values."""
    return tag("dl", *(part for name, value in given.items() for part in (tag("dt", name), tag("dd", value))))


def page(title: str, gate: str, *content: object) -> bytes:
    """Make a whole page; without a gate it is about all that the server has."""
    head = Safe(
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · {escape(gate or 'wardline')}</title>"
        f'<link rel="icon" href="data:,"><link rel="stylesheet" href="{place("/ui/style.css")}">'
    )
    own = [tag("strong", gate), link("overview", "/ui/"), link("traces", "/ui/traces")] if gate else []
    others = [tag("a", "all gates", href="/ui/")] if UNDER.get() or not gate else []
    ways = tag("nav", *own, *others, aria_label="pages")
    skip = tag("a", "to the content", href="#main", class_="skip")
    body = tag("body", skip, tag("header", ways), tag("main", tag("h1", title), *content, id="main"))
    return f'<!doctype html><html lang="en"><head>{head}</head>{body}</html>'.encode()
