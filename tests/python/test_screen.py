"""What the commands print: columns, sizes and times, and a bar in a terminal alone."""

from datetime import UTC, datetime, timedelta

import pytest
from chefgenius.console.screen import age, bar, columns, gigabytes


def test_columns_are_even() -> None:
    assert list(columns([("a", "bb", "1"), ("ccc", "d", "1,000")], slice(2, None))) == [
        "a    bb      1",
        "ccc  d   1,000",
    ]


def test_ages_and_sizes_are_for_a_person() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    spans = {
        0: "0 s ago",
        119: "119 s ago",
        120: "2 min ago",
        7200: "2 h ago",
        200_000: "2 days ago",
        -5: "0 s ago",
    }
    assert {n: age(now - timedelta(seconds=n), now) for n in spans} == spans
    sizes = {0: "0 bytes", 499: "499 bytes", 500: "0.50 kB", 923_456_789: "0.92 GB", 5_000_000: "5.00 MB"}
    assert {n: gigabytes(n) for n in sizes} == sizes


def test_a_bar_is_for_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with bar("looking", 4) as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    with bar("looking", 4) as advance:
        advance(2)
        advance(9)
    told = capsys.readouterr()
    assert told.out == ""
    assert "looking" in told.err
    assert "100%" in told.err
