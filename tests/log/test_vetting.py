"""Files of others are tried where they can do no harm, before they are read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.log.test_parquet import ABORTS, seal, strip
from wardline.errors import DamagedError
from wardline.log.vetting import vet

CASES = ABORTS.parent


def test_sound_files_pass_with_checksums_and_without(tmp_path: Path) -> None:
    sealed = seal(tmp_path)
    vet(sealed)
    vet(strip(sealed, tmp_path / "plain.parquet"))
    pq.write_table(pa.table({"x": [1.0]}), tmp_path / "other.parquet")
    vet(tmp_path / "other.parquet")


@pytest.mark.parametrize("case", sorted(CASES.glob("*.bin")), ids=lambda case: case.stem)
def test_what_fuzzing_found_is_damaged_and_this_process_lives(case: Path) -> None:
    with pytest.raises(DamagedError):
        vet(case)


def test_a_footer_that_ends_the_process_is_told_in_arrows_words() -> None:
    with pytest.raises(DamagedError, match=r"histogram size mismatch|ended a process"):
        vet(ABORTS)


def test_a_flipped_byte_of_a_sealed_file_is_seen_by_its_checksum(tmp_path: Path) -> None:
    sealed = seal(tmp_path)
    data = bytearray(sealed.read_bytes())
    data[200] ^= 1
    sealed.write_bytes(data)
    with pytest.raises(DamagedError, match="not as they were written"):
        vet(sealed)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" + b"\xff" * 40 + b"PAR1"])
def test_what_is_no_parquet_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(DamagedError):
        vet(tmp_path / "x.parquet")
