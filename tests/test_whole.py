"""A small file is found old or new, never in part, and a refusal leaves nothing behind."""

from pathlib import Path

import pytest

from wardline import whole


@pytest.mark.parametrize("synced", [False, True])
def test_a_file_is_replaced_and_no_draft_stays(tmp_path: Path, synced: bool) -> None:
    path = tmp_path / "state.json"
    for content in (b"old", b"new"):
        whole.put(path, content, synced=synced)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_where_the_name_cannot_be_taken_the_old_stays_and_no_draft_does(tmp_path: Path) -> None:
    taken = tmp_path / "state.json"
    taken.mkdir()
    with pytest.raises(IsADirectoryError):
        whole.put(taken, b"new")
    assert list(tmp_path.iterdir()) == [taken]
