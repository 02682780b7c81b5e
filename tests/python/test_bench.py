"""The command `bench`: figures of the loader that can be counted by hand, and a table of them."""

import json
import time
from functools import partial
from typing import Any

import pytest
from chefgenius import TokenStore, bench
from samples import load


def test_padding_and_pace_are_counted_right(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "WARM", 3)
    for plan in ("fixed", "packed"):
        with load(store, plan=plan, micro_batches_per_step=1) as loader:
            batches = [loader.batch_at(0, index) for index in range(loader.micro_batches)]
            began = time.perf_counter()
            found = bench.measure(loader, plan, 1, causal=False, seconds=0.2)
            spent = time.perf_counter() - began
        held = sum(int(one["attention_mask"].sum() + (one["labels"] >= 0).sum()) for one in batches)
        places = sum(one["input_ids"].numel() + one["labels"].numel() for one in batches)
        assert found.padding == pytest.approx(1 - held / places)
        assert 0 < found.padding < 0.8
        assert found.records_per_second / found.batches_per_second == pytest.approx(47 / len(batches))
        assert found.tokens_per_second / found.batches_per_second == pytest.approx(held / len(batches))
        assert 0.2 <= spent < 5
        assert found.batches_per_second > 10


def test_a_causal_sequence_counts_once(store: TokenStore) -> None:
    with load(store, layout="causal", micro_batches_per_step=1) as loader:
        batches = [loader.batch_at(0, index) for index in range(loader.micro_batches)]
        found = bench.measure(loader, "fixed", 1, causal=True, seconds=0.05)
    held = sum(int(one["attention_mask"].sum()) for one in batches)
    assert found.padding == pytest.approx(1 - held / sum(one["input_ids"].numel() for one in batches))


def short(plain: Any, *given: Any) -> Any:
    return plain(*given[:-1], 0.02)


def test_the_command_tells_of_every_plan(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = bench.measure
    monkeypatch.setattr(bench, "measure", partial(short, plain))
    line = [str(store.path), "--batch-size", "4", "--threads", "2"]
    assert bench.main(line) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith(f": 47 records, {store.tokens:,} tokens")
    assert [row.split()[:2] for row in out[3:]] == [[p, n] for p in bench.PLANS for n in "12"]
    assert bench.main([*line, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told) == 6
    assert told[0]["padding"] > told[4]["padding"], "packed pads less than fixed"
    assert bench.main(["nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_without_a_store_the_bundled_recipes_are_measured() -> None:
    with bench.opened(None) as store:
        assert len(store) > 1000
        path = store.path
    assert not path.exists()
