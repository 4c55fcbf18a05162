"""Are events that no record knows false? `python -m bench.drift_regimes DATA` asks of elec2 and of the VIX.

Of the VIX's calm years (their logarithm's autoregression, with their own innovations drawn again) files are
made in which nothing ever changes, as long as the real one: what `wardline detect` calls in them is false.
Of elec2 the size of a typical step of the price is told by the quarter.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import CliRunner

from wardline.cli import cli
from wardline.cli.detecting import CHANCE

FILES = 300
CALM = 1_360  # days of the VIX before the bank crisis that the peers' table takes for its reference
QUARTER = 13 * 7 * 48  # half hours


def events(column: np.ndarray, reference: int) -> list[dict[str, Any]]:
    """Ask `wardline detect` of one column."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stream.parquet"
        pq.write_table(pa.table({"x": column}), file)
        asked = ["detect", str(file), "--reference-rows", str(reference), "--format", "json"]
        found: list[dict[str, Any]] = json.loads(CliRunner().invoke(cli, asked).stdout)["events"]
        return found


def unchanging(calm: np.ndarray, days: int, rng: np.random.Generator) -> np.ndarray:
    """A first-order autoregression like the calm years, for so many days."""
    left = np.log(calm) - np.log(calm).mean()
    memory = float(np.corrcoef(left[1:], left[:-1])[0, 1])
    steps = rng.choice(left[1:] - memory * left[:-1], days)
    made = np.zeros(days)
    for day in range(1, days):
        made[day] = memory * made[day - 1] + steps[day]
    return np.exp(np.log(calm).mean() + made)


def main() -> None:
    data = Path(next((each for each in sys.argv[1:] if Path(each).is_dir()), "data"))
    vix = duckdb.read_csv(str(data / "market_daily_to_2016/vix.csv")).order("DATE").fetchnumpy()["CLOSE"]
    told = [(each["row"], each["explanation"]) for each in events(vix, CALM)]
    print(f"VIX, {len(vix):,} days: {len(told)} events", *told, sep="\n  ", flush=True)
    rng = np.random.default_rng(2016)
    called = [len(events(unchanging(vix[:CALM], len(vix), rng), CALM)) for _ in range(FILES)]
    print(
        f"{FILES} files like its calm years: {sum(map(bool, called))} have an event, promised at most "
        f"{FILES * CHANCE:g}; {sum(called)} events",
        flush=True,
    )
    price = duckdb.read_csv(str(data / "elec2/electricity.csv.gz")).fetchnumpy()["vicprice"][17_424:]
    steps = np.abs(np.diff(price))
    medians = [
        float(np.median(steps[at : at + QUARTER])) for at in range(0, len(steps) - QUARTER // 2, QUARTER)
    ]
    print("elec2, median step of vicprice by quarter from row 17,424:", *(f"{each:.5f}" for each in medians))


if __name__ == "__main__":
    main()
