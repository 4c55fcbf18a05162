"""What leaves the disk: by age only what was delivered, by size whatever is oldest."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wardline.log.retain import Kept, expendable
from wardline.settings import StoreSettings

DAY = 86_400.0
NOW = 1_000 * DAY
SETTINGS = StoreSettings(keep_days=10.0, keep_gb=1e-6)  # a thousand bytes


@st.composite
def files(draw):
    many = draw(st.integers(0, 12))
    return [
        Kept(
            Path(f"{place}.parquet"),
            NOW - draw(st.floats(0, 30)) * DAY,
            draw(st.integers(0, 700)),
            draw(st.booleans()),
        )
        for place in range(many)
    ]


@given(files())
def test_what_stays_fits_and_nothing_leaves_without_a_reason(kept):
    gone = expendable(kept, NOW, SETTINGS)
    stays = [file for file in kept if file not in gone]
    assert sum(file.size for file in stays) <= 1000
    assert all(file.begun >= NOW - 10 * DAY for file in stays if file.delivered)
    without = [file for file in gone if not (file.delivered and file.begun < NOW - 10 * DAY)]
    if without:  # they left for size alone: putting the last of them back would be too much
        assert sum(file.size for file in stays) + without[-1].size > 1000


@given(files())
def test_what_is_not_delivered_leaves_last(kept):
    gone = expendable(kept, NOW, SETTINGS)
    if any(not file.delivered for file in gone):
        assert not [file for file in kept if file.delivered and file not in gone and file.size]


def test_age_alone_never_costs_what_was_not_delivered():
    old = Kept(Path("old.parquet"), NOW - 400 * DAY, 10, delivered=False)
    assert expendable([old], NOW, SETTINGS) == []
