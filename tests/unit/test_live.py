"""The checkpoint of the live metrics is as old as the query's text."""

from __future__ import annotations

import pytest

from instashop import live, sql
from instashop.settings import Settings


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """Return what begins a checkpoint a second after the one before it, with a text of the query, as Spark does."""
    clock = iter(range(1_800_000_000, 1_800_001_000))
    monkeypatch.setattr(live.time, "time", lambda: next(clock))

    def begin(text: str = "SELECT 1"):
        monkeypatch.setattr(sql, "statement", {"metrics/windows": text}.__getitem__)
        folder, begun_ms = live.checkpoint(Settings(home=tmp_path))
        folder.mkdir(exist_ok=True)
        return folder, begun_ms

    return begin


def test_the_same_text_goes_on_in_its_checkpoint(begun):
    assert begun() == begun()


def test_another_text_begins_another_checkpoint_and_leaves_the_old_one(begun):
    (old_folder, old_ms), (folder, begun_ms) = begun(), begun("SELECT 2")
    assert folder != old_folder
    assert begun_ms > old_ms
    assert begun() == (old_folder, old_ms)


def test_a_checkpoint_that_was_removed_begins_anew(begun):
    folder, old_ms = begun()
    folder.rmdir()
    again, begun_ms = begun()
    assert again == folder
    assert begun_ms > old_ms
