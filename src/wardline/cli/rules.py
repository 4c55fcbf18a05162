"""`wardline rules`: what gates declare, as files for Prometheus, Alertmanager and Grafana."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import yaml
from rich.console import Console

from wardline import reference as bundles
from wardline.cli.target import load
from wardline.errors import BundleError
from wardline.gate import Gate
from wardline.rules.alerting import alerting
from wardline.rules.dashboard import dashboard
from wardline.rules.recording import Names, Rule, recording
from wardline.rules.rehearsal import Rehearsal
from wardline.rules.routing import routing

_HEADER = "# Made by `wardline rules` from the gate's declaration: change the gate and make it anew.\n"


@click.command()
@click.argument("targets", metavar="TARGET...", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="A directory.")
@click.option("--window", default="1h", show_default=True, help="What drift is judged over, as 30m or 6h.")
@click.option(
    "--every", default="30s", show_default=True, help="How often the rules are evaluated, as 30s or 1m."
)
@click.option("--scrape", multiple=True, metavar="HOST:PORT", help="A replica; repeat it.")
@click.option("--page", "pages", multiple=True, metavar="NAME=URL", help="The webhook of a page; repeat it.")
@click.option("--default-page", default="http://127.0.0.1:9095/", show_default=True,
              help="Where a page without a webhook goes.")  # fmt: skip
@click.option("--alertmanager", default="127.0.0.1:9093", show_default=True, metavar="HOST:PORT")
def rules(  # noqa: PLR0917 - click passes options by name
    targets: tuple[str, ...],
    out: Path,
    window: str,
    every: str,
    scrape: tuple[str, ...],
    pages: tuple[str, ...],
    default_page: str,
    alertmanager: str,
) -> None:
    """Write rules, their unit tests, routes and a dashboard for the gate TARGET, such as guards.taxi.

    Several gates get files of their own, and share one alertmanager.yml and one prometheus.yml.
    """
    if not (window[:-1].isdigit() and int(window[:-1]) and window[-1] in "mh"):
        raise click.UsageError(f"--window {window}: give minutes or hours, as 30m or 6h")
    if not (every[:-1].isdigit() and int(every[:-1]) and every[-1] in "sm"):
        raise click.UsageError(f"--every {every}: give seconds or minutes, as 30s or 1m")
    webhooks = dict(_pair(page) for page in pages)
    made = [_made(load(target), window, every) for target in targets]
    alerts = [alert for each in made for alert in each.alerts]
    job = made[0].gate.name if len(made) == 1 else "wardline"
    files = {
        "alertmanager.yml": routing(alerts, webhooks, default_page),
        "prometheus.yml": {
            "global": {"scrape_interval": min(every, "15s", key=_seconds), "evaluation_interval": every},
            "rule_files": [each.file for each in made],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(scrape or ("127.0.0.1:3000",))}]}
            ],
        },
    }
    for each in made:
        files |= each.files
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_text(_HEADER + yaml.safe_dump(content, sort_keys=False, width=1000))
    for each in made:
        board = out / f"wardline-{each.gate.name}.dashboard.json"
        board.write_text(json.dumps(dashboard(each.gate, Names(each.gate.name, window)), indent=1) + "\n")
        _say(each.gate, each.reference, out, len(each.alerts))


class _Made(NamedTuple):
    """What is written for one gate: `file` has its rules, `files` that one and its tests."""

    gate: Gate
    reference: bundles.Reference
    file: str
    files: dict[str, Any]
    alerts: Sequence[Rule]


def _made(gate: Gate, window: str, every: str) -> _Made:
    if gate.reference_dir is None:
        raise click.UsageError(f"{gate.name} has no reference, so there is nothing to compare traffic with")
    try:
        reference = bundles.load(gate.reference_dir)
    except BundleError as error:
        raise click.ClickException(str(error)) from error
    names = Names(gate.name, window)
    alerts = alerting(gate, names)
    file = f"wardline-{gate.name}.rules.yml"
    groups = [
        {"name": f"wardline-{gate.name}", "interval": every, "rules": recording(names)},
        {"name": f"wardline-{gate.name}-alerts", "interval": every, "rules": alerts},
    ]
    files = {
        file: {"groups": groups},
        f"wardline-{gate.name}.tests.yml": Rehearsal(gate, reference, names).file([file]),
    }
    return _Made(gate, reference, file, files, alerts)


def _say(gate: Gate, reference: bundles.Reference, out: Path, alerts: int) -> None:
    """Say what was written, and how many series it costs."""
    features = len(reference.features)
    bins = sum(len(profile.counts) for profile in reference.features.values())
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"{out}: rules for {gate.name} with {alerts} alerts, their tests, routes and a dashboard")
    console.print(f"{features} features in {bins} bins: {2 * bins + 2 * features} series of each replica, "
                  f"{6 * bins + 5 * features} recorded over all of them")  # fmt: skip
    console.print(f"promtool test rules {out / f'wardline-{gate.name}.tests.yml'}")


def _seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def _pair(text: str) -> tuple[str, str]:
    name, found, url = text.partition("=")
    if not found or not url.startswith(("http://", "https://")):
        raise click.UsageError(f"--page {text}: write NAME=URL, as rides-oncall=https://pager.example/hook")
    return name, url
