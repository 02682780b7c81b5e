"""The lines that tell what became of every record."""

from pathlib import Path
from typing import Any

import pytest
from chefgenius.data.inspection import numbers
from chefgenius.data.outcome import Report
from chefgenius.data.summary import (
    errors,
    facts,
    listed,
    outcomes,
    percent,
    tally,
    warning,
)

STORE = Path("stores/mine/store-0")
NONE = {"empty": 0, "quality": 0, "short": 0, "long": 0, "duplicate": 0}


def counts(kept: int, bad: int = 0, **filtered: int) -> dict[str, Any]:
    return {"kept": kept, "filtered": {**NONE, **filtered}, "bad": bad}


def report(records: int = 1000, same: int = 1000, **changes: Any) -> Report:
    """A report of one source, of which so many records come back."""
    worst = [
        {
            "source": "a.jsonl",
            "place": f"line {n}, byte {n * 10}",
            "same_items": n / 10,
            "written": f"汤 {n}",
            "read_back": f"? {n}",
        }
        for n in range(1, 6)
    ]
    spread = {"min": 1, "p5": 2, "p50": 60, "p95": 1500, "p99": 2000, "max": 2513, "mean": 80.0}
    made: dict[str, Any] = {
        "built": True,
        "counts": counts(records),
        "sources": [{"name": "a.jsonl", "format": "JSON Lines", "counts": counts(records)}],
        "fidelity": {
            "records": records,
            "records_same": same,
            "quantities": 7000,
            "quantities_same": 7000,
            "worst": worst if same < records else [],
        },
        "prompt_lengths": spread,
        "target_lengths": spread,
        "vocabulary": {"size": 32_100, "used": 5_000, "share": 0.15},
        "spelling": {"respelt": [], "dropped": [], "unspelt": []},
        "tokenizer": {"method": "word memo", "counts": {"hits": 99, "words": 100}},
        "first_errors": [],
        "tokens": 123_456,
        "unknown_share": 0.0,
        "reused": 0,
        "seconds": 0.5,
        "store": "b3:0",
        "unknown_tokens": 0,
        "respell": True,
        "choice": {},
    }
    return Report(**{**made, **changes})


def test_a_share_is_never_rounded_up_to_all() -> None:
    assert percent(999_999, 1_000_000) == "99.99 %"
    assert percent(1_000_000, 1_000_000) == "100.00 %"
    assert percent(0, 3) == "0.00 %"
    assert percent(2, 3) == "66.66 %"
    assert percent(0, 0) == "100.00 %"


def test_the_columns_of_outcomes_add_up() -> None:
    parts = [counts(5, 1, short=2), counts(3000, 0, duplicate=3, empty=1)]
    sources = [{"name": f"{n}.csv", "format": "CSV", "counts": part} for n, part in enumerate(parts)]
    whole = counts(3005, 1, short=2, duplicate=3, empty=1)
    rows = outcomes(report(sources=sources, counts=whole))
    assert rows == [
        ("0.csv", "CSV", "8", "5", "2", "1"),
        ("1.csv", "CSV", "3,004", "3,000", "4", "0"),
        ("all", "2 sources", "3,012", "3,005", "6", "1"),
    ]
    assert tally(whole)[0] == sum(tally(part)[0] for part in parts)
    assert len(outcomes(report())) == 1, "one source needs no sum"


@pytest.mark.parametrize(("same", "warns"), [(1000, False), (990, False), (989, True), (0, True)])
def test_a_warning_under_99_percent(same: int, warns: bool) -> None:
    unspelt = [{"character": "汤", "as": "", "count": 1203}]
    lines = warning(report(same=same, spelling={"respelt": [], "dropped": [], "unspelt": unspelt}), STORE)
    assert bool(lines) == warns
    if warns:
        assert lines[0] == f"WARNING: only {same / 10:.2f} % of the records come back from their ids."
        assert [line.split()[-1] for line in lines if "written" in line] == ["1", "2", "3"]
        assert "  a.jsonl, line 1, byte 10" in lines
        assert "  It cannot spell `汤` 1,203 times" in lines
    again = warning(report(same=same, built=False), STORE)
    assert len(again) == warns, "once the build has told of it a line is enough, and none would be too few"
    assert not again or again[0].endswith("`stores/mine/report.json`")


def test_no_record_is_no_loss() -> None:
    assert warning(report(records=0, same=0), STORE) == []


def test_facts_tell_only_what_there_is() -> None:
    bare = dict(facts(report(), Path("stores/x")))
    assert {"filtered", "respelt", "dropped", "unspelt"}.isdisjoint(bare)
    assert bare["store"] == "built in 0.5 s, 1,000 records, 123,456 tokens"
    assert bare[""] == "stores/x"
    assert bare["targets"] == "1 to 2,513 tokens, half of them up to 60, 95 % up to 1,500"
    assert bare["tokenizer"] == "word memo, 99.00 % of the words known"
    respelt = [{"character": "ñ", "as": "n", "count": 12}]
    full = dict(
        facts(
            report(
                counts=counts(10, short=3, duplicate=1),
                spelling={"respelt": respelt, "dropped": [], "unspelt": []},
                reused=7,
            ),
            Path("x"),
        )
    )
    assert full["filtered"] == "3 short, 1 duplicate"
    assert full["respelt"] == "`ñ` as `n` 12 times"
    assert full["store"].endswith("7 taken over")
    assert dict(facts(report(built=False), Path("x")))["store"].startswith("already built")


def test_the_first_errors_are_shown_and_the_rest_counted() -> None:
    bad = [
        {"source": "a.tar", "file": "soup.md", "line": n, "byte": 5, "row": None, "reason": f"reason {n}"}
        for n in range(1, 8)
    ]
    shown = errors(report(counts=counts(1, 9), first_errors=bad), STORE)
    assert shown[0] == "a.tar, soup.md, line 1, byte 5: reason 1"
    assert len(shown) == 6
    assert shown[-1] == "and 4 more: `stores/mine/report.json`"
    row = {"source": "a.parquet", "file": None, "line": None, "byte": None, "row": 7, "reason": "why"}
    assert errors(report(counts=counts(1, 1), first_errors=[row]), STORE) == ["a.parquet, row 7: why"]
    assert errors(report(), STORE) == []


def test_many_characters_are_cut() -> None:
    found = [{"character": chr(0x4E00 + n), "as": "", "count": 20 - n} for n in range(12)]
    assert listed(found).count("times") == 8
    assert listed(found).endswith(", ...")


def test_lists_of_records() -> None:
    assert numbers("0-4,17", 18) == [0, 1, 2, 3, 4, 17]
    assert numbers(" 3 - 5 , 1 ", 6) == [3, 4, 5, 1]
    assert numbers("4-", 7) == [4, 5, 6]
    for wrong in ("", "-", "-3", "a", "1,,2", "2-1", "18", "0-18", "1-2-3", "1.0", "²", "9" * 30):
        with pytest.raises(ValueError, match="--records"):
            numbers(wrong, 18)
    with pytest.raises(ValueError, match="no record"):
        numbers("0", 0)
