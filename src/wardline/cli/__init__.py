"""The command line: `wardline COMMAND TARGET`."""

from __future__ import annotations

import importlib

import click

from wardline.errors import WardlineError

_COMMANDS = {
    "alerts": "wardline.cli.alerts:alerts",
    "camera": "wardline.cli.camera:camera",
    "check": "wardline.cli.check:check_command",
    "detect": "wardline.cli.detect:detect",
    "diff": "wardline.cli.diff:diff",
    "drift": "wardline.cli.drift:drift",
    "enrol": "wardline.cli.enrol:enrol",
    "labels": "wardline.cli.labels:labels",
    "monitor": "wardline.cli.monitor:monitor",
    "new": "wardline.cli.new:new",
    "records": "wardline.cli.records:records",
    "reference": "wardline.cli.reference:reference",
    "rules": "wardline.cli.rules:rules",
    "serve": "wardline.cli.serve:serve",
    "slices": "wardline.cli.slices:slices",
    "traces": "wardline.cli.traces:traces",
    "watch": "wardline.cli.watch:watch",
}


class Lazy(click.Group):
    """Commands that are imported when they are asked for: `--help` should not load a model server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wardline")
def cli() -> None:
    """Guarded models: serve them, see what they saw, and know how far to trust them."""


def main() -> None:
    """Run a command; a fault is one sentence on stderr, never a traceback, and exit status 2."""
    try:
        cli()
    except WardlineError as error:
        click.echo(f"wardline: {error}", err=True)
        raise SystemExit(2) from None
