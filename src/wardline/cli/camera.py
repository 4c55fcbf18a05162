"""`wardline camera`: what a folder of frames says about the camera that made them, and when it changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from wardline.camera.events import Review, explained, tree
from wardline.camera.folder import Refused, Seen, camera_of, frames, listed
from wardline.camera.review import review
from wardline.cli.camera_page import page

_COLOURS = {"ok": "green", "warn": "yellow", "alert": "red", "insufficient": "yellow", "info": "blue"}


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--reference", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of frames that are normal. [default: what most frames of FOLDER show]",
)  # fmt: skip
@click.option(
    "--camera", default="", help="Only this camera's frames: its model, serial number or sub-folder."
)
@click.option(
    "--format", "form", default="table", show_default=True, type=click.Choice(["table", "json", "html"]),
    help="For people, for programs, or a page to look at.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it. [default: stdout]"
)
def camera(*, folder: Path, reference: Path | None, camera: str, form: str, out: Path | None) -> None:
    """Say when the camera that made the frames in FOLDER changed, and what was changed. No model is needed.

    Frames are taken in the order of their names. One frame shows another encoder, size or maker; sharpening,
    noise, colour and the like take a run of them. Exit status 1 says that something changed.
    """
    found = _read(folder, camera)
    normal = [] if reference is None else [each for each in _read(reference, "") if isinstance(each, Seen)]
    if reference is not None and not normal:
        raise click.UsageError(f"{reference} has no frame that can be read")
    reviewed = review(found, normal)
    title = f"{camera} in {folder.name}" if camera else folder.resolve().name
    if form == "table":
        _show(reviewed, title)
    else:
        text = json.dumps(tree(reviewed)) if form == "json" else page(reviewed, folder, title)
        out.write_text(text) if out is not None else click.echo(text)
    sys.exit(1 if reviewed.verdict in ("warn", "alert") else 0)


def _read(folder: Path, camera: str) -> list[Seen | Refused]:
    files = listed(folder)
    if not files:
        raise click.UsageError(f"{folder} has no JPEG, PNG or WebP in it")
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(folder.name, total=len(files))
        found = list(frames(folder, files, told=lambda: bar.advance(task)))
    if not camera:
        return found
    mine = [each for each in found if isinstance(each, Seen) and camera in camera_of(each)]
    if not mine:
        names = sorted({name for each in found if isinstance(each, Seen) for name in camera_of(each)})
        raise click.UsageError(
            f"no frame of {camera} in {folder}; it has {', '.join(names[:8]) or 'no names'}"
        )
    return list(mine)


def _show(reviewed: Review, title: str) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120
    colour = _COLOURS[reviewed.verdict]
    console.print(f"[bold]{escape(title)}[/]: {len(reviewed.frames)} frames, [{colour}]{reviewed.verdict}[/]")
    prints = Table("frames", "first", "size", "chroma", "tables", "camera", "software", box=box.SIMPLE_HEAD)
    for each in reviewed.groups[:8]:
        prints.add_row(
            str(each.frames), escape(reviewed.frames[each.first].file), each.size, each.subsampling,
            each.tables, escape(each.camera), escape(each.software),
        )  # fmt: skip
    console.print(prints)
    for event in reviewed.events:
        ended = f" until {event.stop}" if event.stop < len(reviewed.frames) else ""
        place = f"{event.place}{ended}, {reviewed.frames[event.place].file}"
        console.print(f"[{_COLOURS[event.severity]}]{event.kind}[/] from frame {escape(place)}")
        console.print(f"  {escape(explained(event))}")
    if not reviewed.events:
        few = reviewed.verdict == "insufficient"
        console.print("too few frames to say more than their headers do" if few else "nothing changed")
    for reason in dict.fromkeys(each.reason for each in reviewed.refused):
        files = [each.file for each in reviewed.refused if each.reason == reason]
        console.print(f"[dim]{len(files)} files refused: {reason} ({escape(files[0])})[/]")
