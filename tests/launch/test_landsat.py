"""The real thing: from Landsat 5 to Landsat 8 the columns keep their names and their meaning moves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import duckdb
import pytest
from click.testing import CliRunner

from wardline import Chain, Field, Gate, Row, Rule, Settings, Tabular, features
from wardline.cli import cli
from wardline.errors import OpeningError
from wardline.golden import feature_differences
from wardline.launch.inspection import inspect
from wardline.reference import load
from wardline.testing import MemorySink

DATA = Path(__file__).parent / "data" / "landsat.parquet"
Scaled = Annotated[float, Field(ge=0, le=65455)]


class Pixel(Row):
    """What the archive calls the bands, whichever satellite took them."""

    SR_B1: Scaled
    SR_B2: Scaled
    SR_B3: Scaled
    SR_B4: Scaled
    SR_B5: Scaled
    SR_B6: Scaled | None = None
    SR_B7: Scaled


class Bands(NamedTuple):
    blue: float
    green: float
    red: float
    near_infrared: float
    short_wave: float | None
    ndvi: float


def reflectance(value: Any) -> Any:
    return None if value is None else value * 0.0000275 - 0.2


def bands(blue: Any, green: Any, red: Any, near: Any, short: Any) -> Bands:
    red, near = reflectance(red), reflectance(near)
    whole = near + red
    ndvi = (near - red) / whole if abs(whole) > 1e-6 else 0.0
    return Bands(reflectance(blue), reflectance(green), red, near, reflectance(short), ndvi)


@features(version="1")
def landsat_8(pixel: Pixel) -> Bands:
    return bands(pixel.SR_B2, pixel.SR_B3, pixel.SR_B4, pixel.SR_B5, pixel.SR_B6)


@features(version="1")
def landsat_5(pixel: Pixel) -> Bands:
    return bands(pixel.SR_B1, pixel.SR_B2, pixel.SR_B3, pixel.SR_B4, pixel.SR_B5)


def declared(function: Any, reference: str, root: Path) -> Gate:
    example = {f"SR_B{band}": 12000.0 for band in range(1, 8)}
    return Gate(
        "landsat",
        contract=Tabular(Pixel, examples=[example]),
        features=function,
        chain=Chain(Rule(lambda pixel: pixel.SR_B4, name="rule")),
        reference=reference,
        root=root,
    )


FOLDER = Path(__file__).parent
eight = declared(landsat_8, "none/8", FOLDER)
five = declared(landsat_5, "none/5", FOLDER)


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    folder = tmp_path_factory.mktemp("landsat")
    for satellite, gate in (("LC08", "eight"), ("LT05", "five")):
        out = folder / satellite
        result = CliRunner().invoke(
            cli,
            ["reference", f"tests.launch.test_landsat:{gate}", "--data", str(DATA), "--target", "SR_B7",
             "--where", f"satellite = '{satellite}'", "--out", str(out)],
        )  # fmt: skip
        assert result.exit_code == 0, result.output
    return folder


def test_each_satellite_reproduces_its_own_golden_features(references):
    for satellite, function in (("LC08", landsat_8), ("LT05", landsat_5)):
        gate = declared(function, satellite, references)
        gate.open(Settings(home=references), sink=MemorySink())
        gate.close()


def test_a_gate_refuses_the_other_satellites_golden_features_and_names_the_bands(references):
    gate = declared(landsat_8, "LT05", references)
    with pytest.raises(OpeningError, match=r"blue differs in \d+ of \d+ golden rows"):
        gate.open(Settings(home=references), sink=MemorySink())
    with inspect(gate, Settings(home=references)) as found:
        kinds = {each.subject: each.kind for each in found.features}
    assert kinds["blue"] == "another column (green)"
    assert kinds["green"] == "another column (red)"
    assert kinds["red"] == "another column (near_infrared)"
    assert kinds["near_infrared"] == "another column (short_wave)"
    assert kinds["short_wave"] == "null handling"  # LT05 has nothing in SR_B6
    assert "ndvi" in kinds


def test_and_the_other_way_round(references):
    kept = load(references / "LC08").golden
    found = {each.subject for each in feature_differences(kept, five.contract, landsat_5)}
    assert found == set(landsat_5.schema.names)


def test_training_features_of_the_other_satellite_fail_the_check(tmp_path):
    told = tmp_path / "lt05.parquet"
    duckdb.sql(
        f"COPY (SELECT *, SR_B3 * 0.0000275 - 0.2 AS red, SR_B4 * 0.0000275 - 0.2 AS near_infrared "  # noqa: S608
        f"FROM '{DATA}' WHERE satellite = 'LT05') TO '{told}'"
    )
    command = ["check", "tests.launch.test_landsat:eight", "--against", str(told), "--format", "markdown"]
    result = CliRunner().invoke(cli, [*command, "--home", str(tmp_path)])
    assert result.exit_code == 1
    assert "| ✗ fail | parity |" in result.stdout
    assert "near_infrared" in result.stdout or "red differs" in result.stdout
