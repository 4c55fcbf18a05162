"""Real pictures that cameras are simulated over, beyond those the detector is taught with."""

from __future__ import annotations

import csv
from pathlib import Path

CLASSES = ("health", "miner", "rust", "phoma", "cercospora")


def leaves(data: Path, each: int = 2) -> list[tuple[str, Path]]:
    """Name whole coffee leaves on white paper, so many of each class, and the camera each stands for.

    The detector is never taught with them: choose them to see how far what it learned of landscapes, gardens
    and streets carries. Raises OSError where `data` has no coffee leaves.
    """
    folder = data / "coffee_leaf"
    with (folder / "whole_leaf_labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = []
    for name in CLASSES:
        files = sorted(row["file"] for row in rows if row["predominant_stress"] == name)
        found += [(f"leaf-{name}-{place}", folder / file) for place, file in enumerate(files[:each])]
    return found
