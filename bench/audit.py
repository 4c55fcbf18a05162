"""An audit of many rows: `wardline drift` beside the same counts in hand-written DuckDB.

`python -m bench.audit [ROWS]` (WARDLINE_AUDIT_ROWS; 10,000,000 by default) writes that many rows of 30
floats, and a reference of a tenth; CPU seconds are those of whole processes, memory is their peak.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

WARDLINE = Path(sys.executable).with_name("wardline")
COLUMNS = 30
PART = 1_000_000

HAND = """
import duckdb, sys
from pathlib import Path
from wardline.cli.freezing import freeze
duckdb.sql("SET disabled_optimizers = 'statistics_propagation'")
names = [f"x{i}" for i in range(30)]
profiles = freeze([Path(sys.argv[1])], names)
parts = []
for file in sys.argv[1:]:
    for name in names:
        edges = enumerate(profiles[name].edges.tolist())
        cases = " ".join(f"WHEN {name} < {edge!r} THEN {i}" for i, edge in edges)
        odd = f"WHEN {name} IS NULL OR isnan({name}) THEN 10 WHEN isinf({name}) THEN 11"
        code = f"CASE {odd} {cases} ELSE 9 END"
        parts.append(f"SELECT '{file}', '{name}', {code} AS bin, count(*) FROM '{file}' GROUP BY bin")
print(len(duckdb.sql(" UNION ALL ".join(parts)).fetchall()))
"""


def rows(file: Path, many: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    names = [f"x{i}" for i in range(COLUMNS)]
    schema = pa.schema([(name, pa.float32()) for name in names])
    with pq.ParquetWriter(file, schema, compression="snappy") as writer:
        for start in range(0, many, PART):
            block = rng.standard_normal((COLUMNS, min(PART, many - start)), dtype=np.float32)
            writer.write_table(pa.table(dict(zip(names, block, strict=True)), schema=schema))
    return file


def measured(command: list[str], timeout: float | None = None) -> tuple[float, float, float, str]:
    """CPU and wall seconds, peak GB of a process, and what it said. Bytecode is kept, as where installed."""
    wrapped = [
        sys.executable, "-c",
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, done.stdout]))",
        *command,
    ]  # fmt: skip
    began = time.perf_counter()
    env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    env |= {"PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "wardline-bench-bytecode")}
    done = subprocess.run(wrapped, capture_output=True, text=True, check=True, env=env, timeout=timeout)
    cpu, peak, said = json.loads(done.stdout)
    return cpu, time.perf_counter() - began, peak, said


def main() -> None:
    asked = [int(each) for each in sys.argv[1:] if each.isdigit()]
    many = asked[0] if asked else int(os.environ.get("WARDLINE_AUDIT_ROWS", "10000000"))
    with tempfile.TemporaryDirectory() as name:
        one = rows(Path(name) / "reference.parquet", many // 10, 1)
        other = rows(Path(name) / "window.parquet", many, 2)
        hand = measured([sys.executable, "-c", HAND, str(one), str(other)])
        asked = [str(WARDLINE), "drift", str(one), str(other), "--format", "json", "--engine"]
        arrow, ours = measured([*asked, "arrow"]), measured([*asked, "duckdb"])
        assert json.loads(arrow[3])["signals"] == json.loads(ours[3])["signals"]
        verdict = json.loads(ours[3])["verdict"]
        print(f"{many:,} rows x {COLUMNS} against {many // 10:,}: verdict {verdict}")
        print("| | CPU s | wall s | peak GB |\n|---|---|---|---|")
        for what, figures in (
            ("hand-written DuckDB, union of group-bys", hand),
            ("wardline drift, as a log is counted (DuckDB)", ours),
            ("wardline drift of two files (Arrow)", arrow),
        ):
            print(f"| {what} | {figures[0]:.1f} | {figures[1]:.1f} | {figures[2]:.2f} |")
        print(f"ratio of CPU {ours[0] / hand[0]:.2f} by DuckDB, {arrow[0] / hand[0]:.2f} by Arrow")


if __name__ == "__main__":
    main()
