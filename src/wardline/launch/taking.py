"""What a field of a published contract takes: its types, its values, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


class Limit(NamedTuple):
    """One limit; of two on the same side, the one of more `tightness` keeps more out."""

    value: float
    tightness: tuple[float, bool]


@dataclass(frozen=True)
class Taken:
    """`limits` are named by what they keep out: below, above, shorter than, longer than."""

    types: frozenset[str]
    values: frozenset[str]
    limits: Mapping[str, Limit]
    formatted: bool
    """Whether a text has a form: a time, a pattern, the bytes of a picture."""

    @property
    def endless(self) -> str:
        """What it takes any amount of; empty where everything has its bounds."""
        if self.values:
            return ""
        if self.types & {"number", "integer"} and not self.limits.keys() & {"below", "above"}:
            return "any number"
        return "text of any length" if "string" in self.types and not self._short else ""

    @property
    def _short(self) -> bool:
        return self.formatted or "longer than" in self.limits


def taken(prop: Mapping[str, Any], schema: Mapping[str, Any]) -> Taken:
    """Flatten a property of a JSON Schema, its references and alternatives."""
    if "$ref" in prop:
        prop = {**schema.get("$defs", {}).get(prop["$ref"].rsplit("/", 1)[-1], {}), **prop}
    parts = [taken(each, schema) for each in prop.get("anyOf", ())]
    limits = {side: Limit(prop[key], (sign * prop[key], strict))
              for key, (side, sign, strict) in _LIMITS.items() if key in prop}  # fmt: skip
    for part in parts:
        limits |= part.limits
    listed = prop.get("enum", [prop["const"]] if "const" in prop else [])
    return Taken(
        frozenset({prop["type"]} if "type" in prop else ()).union(*(part.types for part in parts)),
        frozenset(map(repr, listed)).union(*(part.values for part in parts)),
        limits,
        not _FORMS.isdisjoint(prop) or any(part.formatted for part in parts),
    )


_FORMS = frozenset({"format", "pattern", "contentEncoding"})
_LIMITS = {
    "minimum": ("below", 1, False), "exclusiveMinimum": ("below", 1, True),
    "maximum": ("above", -1, False), "exclusiveMaximum": ("above", -1, True),
    "minLength": ("shorter than", 1, False), "maxLength": ("longer than", -1, False),
}  # fmt: skip
"""Of each limit: what it keeps out, which way it tightens, and whether it keeps itself out."""
