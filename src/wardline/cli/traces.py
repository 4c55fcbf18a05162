"""`wardline traces`: why a request was answered as it was."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from wardline.cli.digest import digest
from wardline.cli.records import COLOURS, PIPED_WIDTH, moment
from wardline.cli.records import find as find_records
from wardline.cli.records import show as show_records
from wardline.cli.target import load
from wardline.reference import Profile
from wardline.tracing import read
from wardline.tracing.asked import protocol
from wardline.tracing.frames import ATTRIBUTE, FOLDER, picture
from wardline.tracing.place import Placed, placed
from wardline.tracing.read import Wanted
from wardline.tracing.trace import Event, Span, Trace, line, request
from wardline.verdict import ACTIONS

_BAR = 32  # characters of the waterfall
_FOLLOW_S = 0.25
_FEATURES = 8  # shown of what the model saw; --format json has all of it
_BATCH = 100  # traces sent in one request


@click.command()
@click.argument("target")
@click.argument("given", metavar="[ID]", required=False)
@click.option(
    "--action",
    "actions",
    multiple=True,
    type=click.Choice([*(each.value for each in ACTIONS), "none"]),
    help="Only these; none: refused before any of it was judged.",
)
@click.option("--guard", default="", help="Only where this guard spoke.")
@click.option("--reason", default="", help="Only where this was found, such as range.outside.")
@click.option("--rung", default="", help="Only what this rung answered, by its name or number.")
@click.option("--camera", default="", help="Only of this camera.")
@click.option("--slice", "part", metavar="COLUMN=VALUE", help="Only of this slice.")
@click.option("--slower-than", "slower_ms", default=0.0, metavar="MS", help="Only what took longer.")
@click.option("--since", metavar="15m|ISO", help="Only later ones: 30s, 15m, 2h, 7d, or a date and time.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="The newest N; 0: all.")
@click.option(
    "--summary",
    is_flag=True,
    help="Of every row, kept trace or not, since a day ago: what was "
    "done, which guard speaks most, which stage and which camera is slowest.",
)
@click.option("--follow", is_flag=True, help="Show new ones as they come, until interrupted.")
@click.option("--replay", metavar="ENDPOINT", help="Send them to an OTLP receiver (http://127.0.0.1:4318).")
@click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json"]),
    help="For people, or OTLP JSON for programs.",
)  # fmt: skip
def traces(
    *,
    target: str,
    given: str | None,
    part: str | None,
    since: str | None,
    limit: int,
    summary: bool,
    follow: bool,
    replay: str | None,
    form: str,
    **asked: Any,
) -> None:
    """List the kept traces of TARGET (guards.loan), newest first, or tell one whole by its ID."""
    gate = load(target)
    directory = gate.records_dir.parent / "traces"
    if summary:
        digest(gate.records_dir, moment(since or "24h", datetime.now(UTC)), form, _console())
        return
    if given is not None:
        _one(gate, directory, given, form)
        return
    begin = 0 if since is None else int(moment(since, datetime.now(UTC)).timestamp() * 1e9)
    wanted = Wanted(**asked, slice=_slice(part), since=begin)
    newest = itertools.islice(read.traces(directory, wanted), limit or None)
    if replay is not None:
        _replay(newest, replay)
        return
    _list(list(newest), directory, form)
    if follow:
        for trace in _tail(directory):
            if wanted.fits(trace):
                _list([trace], directory, form, head=False)


def _slice(part: str | None) -> tuple[str, str] | None:
    if part is None:
        return None
    column, equals, value = part.partition("=")
    if not equals:
        raise click.BadParameter(f"--slice {part!r}: write COLUMN=VALUE")
    return column, value


def _tail(directory: Path) -> Iterator[Trace]:
    tail = read.Tail(directory)
    while True:
        yield from tail.new()
        time.sleep(_FOLLOW_S)


def _list(found: list[Trace], directory: Path, form: str, *, head: bool = True) -> None:
    if form == "json":
        for trace in found:
            click.echo(line(trace), nl=False)
        return
    if not found:
        click.echo(f"no such trace in {directory}", err=True)
        return
    table = Table(box=box.SIMPLE_HEAD if head else None, show_header=head, pad_edge=False)
    for name in ("time", "request", "action", "served by", "ms", "slowest", "kept because", "findings"):
        table.add_column(name, overflow="fold")
    for trace in found:
        root = trace.root
        action = str(root.attributes.get("wardline.action", "-"))
        slowest = max(trace.spans[1:], key=lambda span: span.end - span.start, default=root)
        said = dict.fromkeys(_said(event) for event in read.findings(trace)) or read.refused(trace)
        table.add_row(
            _when(root.start), escape(str(root.attributes.get("wardline.request_id", ""))),
            f"[{COLOURS.get(action, 'default')}]{action}[/]",
            escape(str(root.attributes.get("wardline.served_by", "-"))), _ms(root),
            escape(slowest.name.removeprefix("wardline.")),
            str(root.attributes.get("wardline.kept_because", "")), escape("\n".join(list(said)[:3])) or "-",
        )  # fmt: skip
    _console().print(table)


def _one(gate: Any, directory: Path, given: str, form: str) -> None:
    trace = read.find(directory, given)
    if trace is None:
        raise click.UsageError(
            f"no trace {given!r} in {directory}: only some requests keep theirs (all that were not plainly "
            "served, up to a limit); `wardline records` has every request"
        )
    if form == "json":
        click.echo(json.dumps(json.loads(line(trace)), indent=1, ensure_ascii=False))
        return
    console = _console()
    console.print(_tree(trace))
    told = _unusual(gate, trace)
    if told:
        console.print(_features(told))
    if picture(directory, name := trace.root.attributes.get(ATTRIBUTE)) is not None:
        console.print(f"the frame, made small: {directory / FOLDER / str(name)}", soft_wrap=True)
    request_id = str(trace.root.attributes.get("wardline.request_id", ""))
    beside = find_records(gate.records_dir, request_id=request_id)
    console.print("[bold]record[/]" if beside.num_rows else "[bold]no record[/] of it is left")
    show_records(beside.slice(0, 1), "table", whole=True, chosen=None)


def _tree(trace: Trace) -> Table:
    """Draw the spans with their share of the time, and what was found where."""
    root = trace.root
    whole = max(root.end - root.start, 1)
    table = Table(box=None, pad_edge=False, title_justify="left", show_header=False)
    for _ in range(4):
        table.add_column(overflow="fold")
    facts = root.attributes
    title = f"{facts.get('wardline.action')} · served by {facts.get('wardline.served_by', 'nobody')}"
    table.title = escape(f"trace {trace.trace_id} · {_when(root.start)} · {title}")
    for sentence in read.refused(trace):
        table.add_row("", "", "", escape(f"refused: {sentence}"))
    for level, span in read.depth(trace):
        begin = round((span.start - root.start) / whole * _BAR)
        width = max(1, round((span.end - span.start) / whole * _BAR))
        bar = (" " * begin + "█" * width)[:_BAR].ljust(_BAR)
        name = "  " * level + span.name.removeprefix("wardline.")
        table.add_row(
            f"[{'red' if span.error else 'default'}]{escape(name)}[/]",
            f"{_ms(span)} ms",
            bar,
            escape(span.error),
        )
        for event in span.events:
            if event.name == "wardline.finding":
                table.add_row("", "", "", escape(f"{'  ' * level}{_told(event)}"))
    return table


def _unusual(gate: Any, trace: Trace) -> list[Placed]:
    from wardline import reference  # noqa: PLC0415 - lists need none

    profiles: dict[str, Profile] = {}
    if gate.reference_dir is not None:
        profiles = dict(reference.load(gate.reference_dir, gate=gate.name).features)
    subjects = [str(event.attributes.get("wardline.finding.subject", "")) for event in read.findings(trace)]
    return placed(read.features(trace), profiles, subjects)


def _features(told: list[Placed]) -> Table:
    """The features that mattered: those a finding is about, then the most unusual."""
    table = Table(
        box=None, pad_edge=False, show_header=False, title="what the model saw", title_justify="left"
    )
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_column()
    for each in told[:_FEATURES]:
        value = f"{each.value:.6g}" if isinstance(each.value, float) else str(each.value)
        mark = " [yellow]← found[/]" if each.named else ""
        table.add_row(escape(each.name), escape(value), each.words + mark)
    if len(told) > _FEATURES:
        table.add_row(f"and {len(told) - _FEATURES} more", "", "")
    return table


def _replay(found: Iterable[Trace], endpoint: str) -> None:
    """Send kept traces on; OTEL_EXPORTER_OTLP_PROTOCOL and its like say how."""
    from wardline.tracing.export import sender  # noqa: PLC0415 - who lists loads no exporter

    if protocol("traces") != "grpc" and not endpoint.rstrip("/").endswith("/v1/traces"):
        endpoint = f"{endpoint.rstrip('/')}/v1/traces"
    to = sender(endpoint=endpoint)
    assert to is not None  # noqa: S101 - an endpoint was given
    sent = 0
    batch: list[Trace] = []
    for trace in itertools.chain(found, [None]):
        if trace is not None:
            batch.append(trace)
        if batch and (trace is None or len(batch) == _BATCH):
            if not to.send(request(batch)):
                raise click.ClickException(f"{endpoint} took {sent} traces, then refused one or more")
            sent, batch = sent + len(batch), []
    to.shutdown()
    click.echo(f"sent {sent} traces to {endpoint}")


def _said(event: Event) -> str:
    found = event.attributes
    return f"{found['wardline.finding.guard']}:{found['wardline.finding.reason']} " + str(
        found.get("wardline.finding.subject", "")
    )


def _told(event: Event) -> str:
    found = {name.removeprefix("wardline.finding."): value for name, value in event.attributes.items()}
    told = f"{found['severity']}: {found['reason']} {found.get('subject', '')}".rstrip()
    if "observed" in found:
        told += f", observed {found['observed']}"
    if "expected" in found:
        told += f", expected {found['expected']}"
    return f"{told}, score {found['score']:.4g} against {found['threshold']:.4g}"


def _ms(span: Span) -> str:
    return f"{(span.end - span.start) / 1e6:.3f}"


def _when(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:23]


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(width=PIPED_WIDTH, highlight=False)
