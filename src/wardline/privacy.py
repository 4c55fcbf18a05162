"""Privacy: what may be written, traced or shown of a field that is about a person."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from wardline.errors import OpeningError

Treatment = Literal["drop", "hash", "keep"]

WITHHELD = "withheld"


class Privacy:
    """How each field of a contract is treated before anything of it leaves the path.

    A hashed value is HMAC-SHA256 under the operator's key, with the field's name in it: equal values of one
    field stay equal, so slices and joins work, and nobody without the key can try names one by one.

    >>> privacy = Privacy({"email": "hash", "name": "drop"})
    >>> privacy.unlock(b"an operator's key")
    >>> privacy.told("email", "a@b.c") == privacy.told("email", "a@b.c"), privacy.told("name", "Ada")
    (True, 'withheld')
    """

    def __init__(self, treatments: Mapping[str, Treatment]) -> None:
        self.treatments = {name: each for name, each in treatments.items() if each != "keep"}
        self._key = b""

    @property
    def hashes(self) -> bool:
        """Whether a field is hashed, for which a key is needed."""
        return "hash" in self.treatments.values()

    def unlock(self, key: bytes) -> None:
        """Take the key; raise OpeningError where one is needed and there is none."""
        if self.hashes and not key:
            names = ", ".join(name for name, each in self.treatments.items() if each == "hash")
            raise OpeningError(f"{names} must be hashed, and there is no key: set WARDLINE_PII_KEY_FILE")
        self._key = key

    def told(self, field: str, value: Any) -> Any:
        """Return what a person or a program may see of a field's value."""
        treatment = self.treatments.get(field)
        if treatment is None:
            return value
        return self._digest(field, value) if treatment == "hash" and self._key else WITHHELD

    def strange(self, value: Any) -> Any:
        """Return what may be seen of something that is no field: under a private contract nothing is."""
        return WITHHELD if self.treatments else value

    def column(self, field: str, values: Sequence[Any]) -> Sequence[Any]:
        """Return a column as it may be written; null stays null."""
        if field not in self.treatments:
            return values
        return [None if value is None else self.told(field, value) for value in values]

    def masked(self, payload: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row that may be kept whole: private fields as in the contract's example."""
        return {
            name: example.get(name) if name in self.treatments and value is not None else value
            for name, value in payload.items()
        }

    def _digest(self, field: str, value: Any) -> str:
        text = value.isoformat() if isinstance(value, datetime) else str(value)
        message = f"{field}\0{text}".encode("utf-8", "surrogatepass")
        return f"hmac:{hmac.new(self._key, message, hashlib.sha256).hexdigest()[:32]}"
