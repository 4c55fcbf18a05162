"""What an operator may set from the environment. Policy is code in the gate; only operations are here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeVar

from wardline.errors import DeclarationError
from wardline.keys import KeySettings

Overflow = Literal["block", "drop"]
Fsync = Literal["never", "flush"]
Ack = Literal["queued", "durable"]


@dataclass(frozen=True)
class LogSettings:
    """How the record log behaves.

    `queue_rows` rows may wait for the writer. When it is full, `overflow="block"` holds a request for at
    most `block_ms` and then drops, `"drop"` drops at once; every drop is counted. A batch is written at
    least every `flush_s` seconds or `flush_rows` rows; `fsync="flush"` also waits for the disk each time.
    With `ack="durable"` no row is answered before its record is on the disk, for which it waits at most
    `ack_s` seconds.
    A segment is sealed to Parquet when it reaches `segment_mb` or `segment_s`.
    """

    queue_rows: int = 65_536
    overflow: Overflow = "block"
    block_ms: float = 20.0
    flush_s: float = 0.5
    flush_rows: int = 1024
    fsync: Fsync = "never"
    ack: Ack = "queued"
    ack_s: float = 5.0
    segment_mb: float = 64.0
    segment_s: float = 600.0

    @property
    def synced(self) -> bool:
        """Whether each flush waits for the disk."""
        return self.fsync == "flush" or self.ack == "durable"


@dataclass(frozen=True)
class StoreSettings:
    """Where sealed records go on to, and how long they stay on this disk.

    `url` is a directory on any file system fsspec knows (`s3://bucket/prefix`, `gs://…`, `az://…`, a path),
    `events` an HTTP address that takes CloudEvents; empty means none. A file that was delivered (or has
    nowhere to go) stays `keep_days`; all together stay below `keep_gb`, whatever was delivered.
    """

    url: str = ""
    events: str = ""
    keep_days: float = 90.0
    keep_gb: float = 50.0


@dataclass(frozen=True)
class ServingSettings:
    """Limits of the HTTP surface: what is refused before it costs anything.

    A worker of `wardline serve` whose event loop stood still for `stuck_s` seconds ends, and is replaced.
    A request's head must be whole within `head_s` seconds, its body within `body_s`; a connection may send
    at most `max_headers` headers in `max_head_kb`. A JSON body nests at most `max_depth`. `max_in_flight`
    requests may wait for their turn; in a line that stands longer than a burst does, only those that get
    theirs within `line_ms`. A caller may ask for an answer within at most `max_timeout_ms`. At SIGTERM the
    server says for `drain_s` that it is not ready, before it stops.
    """

    max_body_mb: float = 8.0
    max_rows: int = 4096
    max_depth: int = 32
    max_in_flight: int = 64
    line_ms: float = 15.0
    max_connections: int = 1024
    max_headers: int = 100
    max_head_kb: float = 32.0
    max_timeout_ms: float = 30_000.0
    head_s: float = 10.0
    body_s: float = 20.0
    drain_s: float = 0.5
    inline_ms: float = 5.0
    stuck_s: float = 30.0


@dataclass(frozen=True)
class TraceSettings:
    """Which traces are kept, and for how long.

    `sample` is the share of ordinary requests kept, `slowest` the share of the slowest. Requests that were
    not plainly served are kept up to `burst` at once and `per_minute` for each guard and action; the rest is
    counted. `queue` traces may wait to be written. The folder stays below `keep_mb` and `keep_days`. Small
    pictures of kept frames, where the contract lets them be kept, stay below `thumbnails_mb` (0: none). A
    request whose `x-wardline-debug` header is `debug_token` is always kept.
    """

    sample: float = 0.01
    slowest: float = 0.001
    burst: int = 60
    per_minute: float = 60.0
    queue: int = 2048
    keep_mb: float = 64.0
    keep_days: float = 7.0
    thumbnails_mb: float = 16.0
    debug_token: str = ""


@dataclass(frozen=True)
class Settings:
    """All of it. `home` is where every file of wardline lives.

    `unchecked` is why this run may start although `wardline check` failed; it goes into every record.
    `guard_s` is how long the guards of one stage may take before they are interrupted.
    """

    home: Path = Path(".wardline")
    log: LogSettings = LogSettings()
    store: StoreSettings = StoreSettings()
    serving: ServingSettings = ServingSettings()
    traces: TraceSettings = TraceSettings()
    keys: KeySettings = KeySettings()  # noqa: RUF009 - frozen
    unchecked: str = ""
    guard_s: float = 1.0

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """Read `WARDLINE_HOME`, `_UNCHECKED`, `_GUARD_S`, `_<PREDICT|OPERATE>_KEYS[_FILE]`, and the groups
        `WARDLINE_LOG_<FIELD>`, `_STORE_`, `_SERVING_` and `_TRACES_`.

        >>> Settings.from_env({"WARDLINE_LOG_OVERFLOW": "drop", "WARDLINE_LOG_FLUSH_S": "2"}).log.flush_s
        2.0
        """
        env = os.environ if env is None else env
        return cls(
            home=Path(env.get("WARDLINE_HOME", ".wardline")),
            log=_read(LogSettings(), "WARDLINE_LOG_", env),
            store=_read(StoreSettings(), "WARDLINE_STORE_", env),
            serving=_read(ServingSettings(), "WARDLINE_SERVING_", env),
            traces=_read(TraceSettings(), "WARDLINE_TRACES_", env),
            keys=KeySettings.from_env(env),
            unchecked=env.get("WARDLINE_UNCHECKED", ""),
            guard_s=_read(_Seconds(), "WARDLINE_", env).guard_s,
        )


@dataclass(frozen=True)
class _Seconds:
    """What is read like the groups of settings, and belongs to none."""

    guard_s: float = Settings.guard_s


T = TypeVar("T")

_MAY_BE_ZERO = frozenset({"sample", "thumbnails_mb"})

_CHOICES = {"overflow": ("block", "drop"), "fsync": ("never", "flush"), "ack": ("queued", "durable")}


def _read(defaults: T, prefix: str, env: Mapping[str, str]) -> T:
    """Replace each field that the environment names, in the field's own type."""
    values = dict(vars(defaults))
    for name, default in values.items():
        text = env.get(prefix + name.upper())
        if text is None:
            continue
        try:
            values[name] = type(default)(text)
        except ValueError as error:
            kind = type(default).__name__
            raise DeclarationError(f"{prefix}{name.upper()}={text!r} is not a {kind}") from error
        if name in _CHOICES and text not in _CHOICES[name]:
            raise DeclarationError(f"{prefix}{name.upper()}={text!r}: choose one of {_CHOICES[name]}")
        least_is_none = name in _MAY_BE_ZERO and values[name] == 0
        if not isinstance(default, str) and values[name] <= 0 and not least_is_none:
            raise DeclarationError(f"{prefix}{name.upper()}={text!r} must be above zero")
    return type(defaults)(**values)
