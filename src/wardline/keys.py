"""Keys: who may ask, kept as digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from wardline.errors import DeclarationError


@dataclass(frozen=True)
class KeySettings:
    """Who may ask: the SHA-256 of each key, so that no key can be printed or logged.

    `predict` keys open predictions, `operate` keys everything; where there are none for predictions, anybody
    predicts. `beyond` is the address that was bound where that is not loopback: then what is not a
    prediction or a probe stays closed without a key.
    """

    predict: tuple[bytes, ...] = ()
    operate: tuple[bytes, ...] = ()
    beyond: str = ""
    pii: bytes = field(default=b"", repr=False)
    """Under which fields about persons are hashed."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read `WARDLINE_<PREDICT|OPERATE>_KEYS` (split at commas) and `..._KEYS_FILE` (one a line).

        >>> KeySettings.from_env({"WARDLINE_PREDICT_KEYS": "k" * 16}).operate
        ()
        """
        return cls(
            predict=_keys("WARDLINE_PREDICT_KEYS", env),
            operate=_keys("WARDLINE_OPERATE_KEYS", env),
            beyond=env.get("WARDLINE_BOUND_BEYOND", ""),
            pii=b"".join(_keys("WARDLINE_PII_KEY", env)),
        )


_LEAST_KEY = 16  # characters; `openssl rand -hex 32` makes 64


def _keys(name: str, env: Mapping[str, str]) -> tuple[bytes, ...]:
    """Read keys and forget them; errors name the place, never the key."""
    given = [(name, each) for each in env.get(name, "").split(",")]
    if file := env.get(f"{name}_FILE", ""):
        try:
            lines = Path(file).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise DeclarationError(f"{name}_FILE={file!r} cannot be read: {type(error).__name__}") from None
        given += [
            (f"{name}_FILE, line {number}", line)
            for number, line in enumerate(lines, 1)
            if not line.lstrip().startswith("#")
        ]
        if not any(line.strip() for _, line in given):
            raise DeclarationError(f"{name}_FILE={file!r} holds no key: give one a line")
    found = []
    for place, text in given:
        key = text.strip()
        if key and len(key) < _LEAST_KEY:
            raise DeclarationError(f"{place}: a key has at least {_LEAST_KEY} characters")
        if key:
            found.append(hashlib.sha256(key.encode()).digest())
    return tuple(found)
