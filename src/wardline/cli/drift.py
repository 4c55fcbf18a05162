"""`wardline drift`: what changed, over any stretch of a log or between two plain files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from wardline.cli.comparing import tree
from wardline.monitor.signal import Standing

_OPTION = {"store": "from"}  # which is no name in Python
_FILES = (".parquet", ".pq", ".csv", ".tsv", ".txt", ".gz")


@click.command("drift")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET | A B")
@click.option("--since", metavar="15m|ISO", help="Of a log: from then on.")
@click.option("--until", metavar="15m|ISO", help="Of a log: before then.")
@click.option("--against", metavar="FROM/TO", help="Of a log: compare with this stretch, not the reference.")
@click.option("--by", metavar="COL", help="Apart for each value of a slice column.")
@click.option(
    "--time", metavar="COL", help="Of two files: what orders the rows, so that dependence is known."
)
@click.option("--columns", metavar="A,B", help="Only these features. [default: all of them]")
@click.option(
    "--slice", "slices", multiple=True, metavar="COL=VALUE", help="Only these rows; may be repeated."
)
@click.option("--action", multiple=True, help="Of a log: only these actions. [default: all but reject]")
@click.option("--camera", help="Of a log: only this camera.")
@click.option("--version", help="Of a log: only what this model answered.")
@click.option("--from", "store", metavar="URL", help="Of a log: sealed records in a store, as s3://log/prod.")
@click.option("--level", default=0.05, show_default=True, type=click.FloatRange(0, 1, min_open=True),
              help="False discovery rate over all features and slices.")  # fmt: skip
@click.option("--engine", metavar="arrow|duckdb|spark|spark://HOST:PORT",
              help="What counts the rows. [default: arrow for two files, duckdb for a log]")  # fmt: skip
@click.option("--format", "form", default="table", show_default=True,
              type=click.Choice(["table", "json", "html"]), help="People, programs, a page.")  # fmt: skip
def drift(*, targets: tuple[str, ...], form: str, **asked: Any) -> None:
    """Say what changed in the log of the gate TARGET, or from file A to file B; exit 1 on an alert.

    Judged as the monitor does: an alert needs a PSI of 0.25, evidence after the false discovery rate of all
    that is compared, and enough rows. A long audit of a log that was stopped goes on where it was, when it is
    asked the same again within a day.
    """
    asked["form"] = form
    files = [Path(target) for target in targets if target.lower().endswith(_FILES)]
    if files and (len(targets) != 2 or len(files) != 2):
        raise click.UsageError("two files are compared, A with B, or the log of one TARGET")
    if len(targets) > 1 and not files:
        raise click.UsageError("one TARGET at a time")
    asked["engine"] = _engine(asked["engine"], of_files=bool(files))
    asked["columns"] = _listed(asked["columns"])
    if files:
        from wardline.cli import paired  # noqa: PLC0415 - each reader when it is asked for: they take a second

        for name in ("since", "until", "against", "action", "camera", "version", "store"):
            if asked[name]:
                raise click.UsageError(f"--{_OPTION.get(name, name)} is about a log; these are files")
        made = paired.compared(files, asked)
        told = tree(made, {"reference": str(files[0]), "window": str(files[1])}, None, None)
    else:
        from wardline.cli import logged  # noqa: PLC0415 - as above

        made, when = logged.compared(targets[0], asked)
        told = tree(made, {"gate": targets[0], "against": asked["against"] or "reference"}, when[1], when[0])
    if form == "json":
        click.echo(json.dumps(told, ensure_ascii=False, indent=1))
    elif form == "html":
        from wardline.cli.drift_page import page  # noqa: PLC0415 - as above

        click.echo(page(made, told))
    else:
        from wardline.cli.drift_table import show  # noqa: PLC0415 - as above

        show(made, told)
    raise SystemExit(1 if made.verdict is Standing.ALERT else 0)


def _engine(asked: str | None, *, of_files: bool) -> str:
    engine = asked or ("arrow" if of_files else "duckdb")
    if engine not in ("arrow", "duckdb", "spark") and not engine.startswith("spark://"):
        raise click.UsageError(f"--engine {engine!r} is none of arrow, duckdb, spark and spark://HOST:PORT")
    if engine == "arrow" and not of_files:
        raise click.UsageError("--engine arrow compares two files; a log is read by duckdb or spark")
    return engine


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
