# ruff: noqa: S608, E501 - the SQL is this file's own, over the folder that is given; one stream a line
"""Known changes and quiet streams: `wardline detect` beside Evidently, NannyML, alibi-detect and river.

`python -m bench.drift_peers DATA` (or WARDLINE_DATA): the folder that holds elec2, taxi_nyc_2018_2019h1,
landsat_sensor_change, market_daily_to_2016, acs_employment_ma and weather_noaa. Peers have their defaults, and
look at windows of 500 rows; they run in .venv-peers. Then the speed of a drift report over a million rows, with
`--long` over ten million as well. `--only=taxi,VIX` runs these streams alone, `--speed` none of them, and
`--against=nannyml` measures the speed of that peer alone.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.audit import measured

WARDLINE = Path(sys.executable).with_name("wardline")
PEERS = Path(".venv-peers/bin/python")
WORKER = Path(__file__).with_name("drift_streams.py")
WINDOW = 500
ROWS = 1_000_000
REPORTERS = ("nannyml", "whylogs", "alibi-detect", "evidently")
QUICK_S = 60.0  # CPU of a run that is worth repeating
PATIENCE_S = 1800.0


class Stream(NamedTuple):
    """A stream: its rows in order as SQL, the first changed row by SQL (None: nothing changes), and what is right."""

    name: str
    sql: str
    reference: int
    change: str | None
    right: tuple[str, ...]
    season: str = "none"


def streams(data: Path) -> list[Stream]:
    """The streams, of numbers only: that is what every peer takes."""
    taxi = f"read_csv('{data}/taxi_nyc_2018_2019h1/*.csv.gz', strict_mode=false, types={{'congestion_surcharge': 'DOUBLE'}})"
    acs = f"read_parquet(['{data}/acs_employment_ma/reference_2015.parquet', '{data}/acs_employment_ma/analysis_*.parquet'])"
    return [
        Stream(
            "elec2", f"SELECT row_number() OVER () AS t, vicprice, vicdemand, transfer FROM '{data}/elec2/electricity.csv.gz'",
            9_000, "t >= 17425", ("vicprice", "vicdemand", "transfer"),
        ),
        Stream(
            "taxi", f"SELECT epoch(pickup_datetime) AS t, fare_amount, total_amount, extra, congestion_surcharge, trip_distance "
            f"FROM {taxi} WHERE pickup_datetime BETWEEN '2018-09-01' AND '2019-07-01' ORDER BY t",
            20_000, "t >= epoch(TIMESTAMP '2019-02-02')", ("total_amount", "extra", "congestion_surcharge"),
        ),
        Stream(
            "landsat", f"SELECT epoch(CAST(date AS TIMESTAMP)) AS t, SR_B1, SR_B4, SR_B5, SR_B6, SR_B7 "
            f"FROM '{data}/landsat_sensor_change/landsat_points_example.parquet' ORDER BY t",
            1_500, "t >= epoch(TIMESTAMP '2013-06-03')", ("SR_B1", "SR_B4", "SR_B5", "SR_B6"),
        ),
        Stream(
            "VIX", f"SELECT epoch(DATE) AS t, CLOSE AS vix FROM '{data}/market_daily_to_2016/vix.csv'",
            1_360, "t >= epoch(TIMESTAMP '2008-09-15')", ("vix",),
        ),
        Stream(
            "Brent", f"SELECT epoch(Date) AS t, Price AS brent FROM '{data}/market_daily_to_2016/brent.csv'",
            1_503, "t >= epoch(TIMESTAMP '2014-09-15')", ("brent",),
        ),
        Stream(
            "employment", f"SELECT year AS t, AGEP, CAST(SEX AS DOUBLE) AS sex, CAST(DIS AS DOUBLE) AS dis, "
            f"prediction, predicted_probability FROM {acs} ORDER BY year, hash(id)",
            68_784, None, (),
        ),
        Stream(
            "weather", f"SELECT row_number() OVER () * 86400 AS t, feat_1, feat_2, feat_3, feat_7, feat_8 "
            f"FROM '{data}/weather_noaa/weather.csv.gz' LIMIT 12600",
            3_652, None, (), "year",
        ),
    ]  # fmt: skip


def ours(file: Path, stream: Stream, change: int) -> dict[str, Any]:
    """Ask `wardline detect` of the same rows, with the time where a season is asked for."""
    asked = [
        str(WARDLINE),
        "detect",
        str(file),
        "--reference-rows",
        str(stream.reference),
        "--format",
        "json",
    ]
    if stream.season != "none":
        asked += ["--step", "1d", "--season", stream.season]
    began = _children()
    told = json.loads(subprocess.run(asked, capture_output=True, text=True, check=False).stdout)
    events = told["events"]
    early = [each for each in events if change < 0 or max(each["row"], each["interval"][1]) < change]
    hits = [
        each for each in events
        if change >= 0 and each not in early and set(each["subjects"]) & set(stream.right)
    ]  # fmt: skip
    told_at = [each["told"] for each in hits]
    return {
        "peer": "wardline", "windows": None, "false": len(early), "delay": told_at[0] - change + 1 if hits else None,
        "found": [(each["row"], each["subjects"]) for each in hits[:1]], "cpu_s": round(_children() - began, 1),
    }  # fmt: skip


def compare(data: Path, only: list[str]) -> Iterator[tuple[Stream, list[dict[str, Any]]]]:
    for stream in streams(data):
        if only and stream.name not in only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            table = duckdb.sql(stream.sql).to_arrow_table()
            change = -1
            if stream.change:
                moments = duckdb.sql(f"SELECT {stream.change} AS changed FROM ({stream.sql})").fetchnumpy()[
                    "changed"
                ]
                change = int(np.argmax(moments))
            file = Path(folder) / "stream.parquet"
            pq.write_table(table.drop_columns(["t"]), file)
            columns = {
                name: table[name].to_numpy().astype(float) for name in table.column_names if name != "t"
            }
            np.savez(file.with_suffix(".npz"), **columns)
            rows = [ours(file, stream, change)]
            asked = [
                str(PEERS),
                "-P",
                str(WORKER),
                str(file.with_suffix(".npz")),
                str(stream.reference),
                str(WINDOW),
                str(change),
            ]
            done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=5400)
            rows += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            yield stream, rows


def table(folder: Path, name: str, rows: int, shift: float) -> Path:
    """Rows of 30 normal floats, three of them shifted: as Parquet for us, as plain arrays for the peers.

    (Their versions and Arrow's do not go together; plain arrays take less to read than Parquet does.)
    """
    rng = np.random.default_rng(int(shift * 10))
    file = folder / f"{name}.parquet"
    columns = {f"x{i}": rng.standard_normal(rows, dtype=np.float32) for i in range(30)}
    for i in range(3):
        columns[f"x{i}"] += np.float32(shift)
    pq.write_table(pa.table(columns), file, row_group_size=1_000_000)
    np.savez(file.with_suffix(".npz"), **columns)
    return file


def speed(rows: int, against: Sequence[str]) -> None:
    """Whole processes side by side, on the same rows: start, imports, reading and report.

    Of each the run of least CPU: of ours and of quick peers three, of the slow ones one.
    """
    with tempfile.TemporaryDirectory() as name:
        files = [table(Path(name), "a", ROWS, 0.0), table(Path(name), "b", rows, 1.0)]
        print(f"\ndrift report, {rows:,} x 30 against {ROWS:,} x 30")
        print("| | CPU s | wall s | peak GB | CPU, times ours | wall, times ours | its report alone, CPU s |")
        print("|---|---|---|---|---|---|---|", flush=True)
        asked = [str(WARDLINE), "drift", *map(str, files), "--format", "json"]
        measured(asked)  # once for the bytecode
        ours = min((measured(asked) for _ in range(3)), key=lambda each: each[0])
        print(f"| wardline drift | {ours[0]:.2f} | {ours[1]:.2f} | {ours[2]:.2f} | 1 | 1 | |", flush=True)
        for peer in against:
            arrays = [str(each.with_suffix(".npz")) for each in files]
            command = [str(PEERS), "-P", str(WORKER), "--speed", *arrays, peer]
            try:
                found = measured(command, timeout=PATIENCE_S)
                if found[0] < QUICK_S:
                    found = min(found, *(measured(command) for _ in range(2)), key=lambda each: each[0])
                alone = json.loads(found[3].splitlines()[-1])["cpu_s"]
                print(f"| {peer} | {found[0]:.1f} | {found[1]:.1f} | {found[2]:.2f} "
                      f"| {found[0] / ours[0]:.1f} | {found[1] / ours[1]:.1f} | {alone} |", flush=True)  # fmt: skip
            except (subprocess.SubprocessError, IndexError, ValueError):
                print(f"| {peer} | did not finish in {PATIENCE_S:.0f} s, or failed | | | | | |", flush=True)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    asked = [each for each in sys.argv[1:] if not each.startswith("-") and Path(each).is_dir()]
    only = next(
        (each.removeprefix("--only=").split(",") for each in sys.argv if each.startswith("--only=")), []
    )
    data = Path(asked[0] if asked else os.environ.get("WARDLINE_DATA", "data"))
    if "--speed" in sys.argv:
        pass
    elif (data / "elec2").is_dir():
        print("| stream | | delay in rows | false alarms | CPU s |\n|---|---|---|---|---|")
        for stream, rows in compare(data, only):
            for row in rows:
                if "error" in row:
                    print(f"| {stream.name} | {row['peer']} | {row['error']} | | |", flush=True)
                    continue
                delay = (
                    "-" if not stream.change else row["delay"] if row["delay"] is not None else "not found"
                )
                false = (
                    f"{row['false']} events"
                    if row["windows"] is None
                    else f"{row['false']} of {row['windows']} windows"
                )
                print(f"| {stream.name} | {row['peer']} | {delay} | {false} | {row['cpu_s']} |", flush=True)
    else:
        print(f"no streams in {data}: give the folder, or WARDLINE_DATA")
    named = [each for each in sys.argv if each.startswith("--against=")]
    against = named[-1].partition("=")[2].split(",") if named else REPORTERS
    for rows in () if only else (ROWS, *([10 * ROWS] if "--long" in sys.argv else [])):
        speed(rows, against)


if __name__ == "__main__":
    main()
