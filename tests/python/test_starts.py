"""starts.jsonl, and the pages of runs that were really trained: stopped, gone on with, compared."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from chefgenius import RecipeLoader, TokenStore, report
from chefgenius.callbacks import ReportPage, RunInfo, Starts, StepInfo
from chefgenius.report.contrast import content
from chefgenius.report.files import Run
from chefgenius.report.lengths import Padding, Way
from fitting import fit, metrics, stop_at
from handmade import Outline, wait_for
from running import assert_same_run, run_here

STEP = StepInfo(10, 100, 0, 1.25, 3e-4, 0.5, 160.4, 19_000.7, 125.0)


def lines(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "starts.jsonl").read_text().splitlines()]


def test_a_start_and_its_end_are_noted(tmp_path: Path) -> None:
    starts = Starts()
    starts.on_train_end(None)
    assert not list(tmp_path.iterdir()), "a run that did not begin has no end"
    starts.on_train_start(RunInfo(tmp_path, 7, 100, 5))
    starts.on_step_end(STEP)
    try:
        raise ValueError("bad \x1b[31m luck")
    except ValueError:
        starts.on_train_end(None)
    begun, ended = lines(tmp_path)
    assert (begun["event"], begun["step"], begun["total_steps"]) == ("start", 7, 100)
    assert (ended["event"], ended["step"], ended["finished"]) == ("end", 10, False)
    assert ended["why"] == "bad ?[31m luck"


def test_a_line_that_a_kill_tore_harms_no_other(tmp_path: Path) -> None:
    (tmp_path / "starts.jsonl").write_bytes(b'{"event": "start", "st')
    Starts().on_train_start(RunInfo(tmp_path, 7, 100, 5))
    torn, whole = (tmp_path / "starts.jsonl").read_bytes().splitlines()
    assert torn == b'{"event": "start", "st'
    assert json.loads(whole)["step"] == 7


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`plain`, the same as `paged` with stop and page, and `other` of another seed."""
    folder = tmp_path_factory.mktemp("trained")
    fit(folder, run="plain")
    stop_at(folder, run="paged", step=5, callbacks=(Starts(), ReportPage()))
    wait_for(lambda: None, folder / "paged" / "report.html")  # which the stop did not
    assert "at step 5 of 10" in (folder / "paged" / "report.html").read_text()
    fit(folder, run="paged", callbacks=(Starts(), ReportPage()))
    fit(folder, "seed=43", "train.max_steps=8", "log.every_steps=4", run="other")
    return folder


def test_looking_at_a_run_changes_no_bit_of_it(trained: Path) -> None:
    assert_same_run(trained / "paged", trained / "plain")


def test_the_page_tells_stop_and_resume(trained: Path) -> None:
    found = Outline((trained / "paged" / "report.html").read_text())
    told = [(line["event"], line["step"]) for line in lines(trained / "paged")]
    assert told == [("start", 0), ("end", 5), ("start", 5), ("end", 10)]
    for words in (
        "finished at step 10 of 10",
        "stopped on request (SIGTERM)",
        "A dashed line is a start that went on there.",
        "with the plan bucketed",
        "Inputs",
        "Targets",
        "kept",
        "100.00 % of the records",
        "model.config",
    ):
        assert words in found.text, words
    assert "Not shown" not in found.text
    assert "keeps no starts.jsonl" in render_of(trained / "plain").text


def render_of(run: Path) -> Outline:
    assert report.main([str(run)]) == 0
    return Outline((run / "report.html").read_text())


def loader_of(run: Path, seed: int) -> RecipeLoader:
    facts = json.loads((run / "run.json").read_bytes())
    loader = RecipeLoader(
        TokenStore.open(facts["store"]),
        batch_size=4,
        plan="bucketed",
        seed=seed,
        validation_fraction=0.12,
        micro_batches_per_step=2,
        max_input_length=256,
        max_target_length=512,
        prefetch=0,
    )
    assert loader.plan_fingerprint == facts["facts"]["plan"]
    return loader


def test_padding_is_that_of_the_batches_of_the_loader(trained: Path) -> None:
    """A naive twin: every batch of every step, its places counted one by one."""
    measured = Padding.of(Way(Run.read(trained / "plain")), 10)
    assert measured.steps.tolist() == list(range(1, 11))
    with loader_of(trained / "plain", 42) as loader:
        batches = [batch for _ in range(2) for batch in loader]
    steps = [batches[at : at + 2] for at in range(0, 20, 2)]
    for share, step in zip(measured.shares, steps, strict=True):
        kept = sum(int(one["attention_mask"].sum()) + int((one["labels"] != -100).sum()) for one in step)
        places = sum(one["attention_mask"].numel() + one["labels"].numel() for one in step)
        assert share == pytest.approx(1 - kept / places)
    inputs = np.concatenate([one["attention_mask"].sum(1).numpy() for step in steps for one in step])
    assert sorted(measured.sides[0].lengths) == sorted(inputs.astype(float))
    assert measured.dealt < measured.at_random


def first_difference(a: Path, b: Path, seeds: Sequence[int]) -> int:
    """By the loaders themselves."""
    with loader_of(a, seeds[0]) as one, loader_of(b, seeds[1]) as other:
        for step in range(1, 7):
            mine, theirs = (
                [
                    each.record_ids_at(0, index).tolist()
                    for index in (2 * step - 2, 2 * step - 1)
                    if index < 11
                ]
                for each in (one, other)
            )
            if mine != theirs:
                return step
    raise AssertionError("they do not differ")


def test_runs_that_differ_say_where(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = trained / "plain", trained / "other"
    assert report.main([str(a), str(b), "--out", str(trained / "both.html")]) == 0
    out = capsys.readouterr().out
    assert "configuration: seed, train.max_steps, log.every_steps\n" in out
    expected = first_difference(a, b, (42, 43))
    assert f"other, data: first differ at step {expected}\n" in out
    logged = [{line["step"]: line["loss"] for line in metrics(run)} for run in (a, b)]
    parted = min(step for step in logged[0].keys() & logged[1].keys() if logged[0][step] != logged[1][step])
    assert f"other, loss: first differs at step {parted}" in out
    found = Outline((trained / "both.html").read_text())
    assert found.fetched == []
    assert {"seed", "exactness", "train.max_steps", "free"} <= set(found.words)


def test_runs_that_are_the_same_say_so(trained: Path) -> None:
    values = content([Run.read(trained / "plain"), Run.read(trained / "paged")])
    assert values["settings"] == values["facts"] == []
    (parting,) = values["partings"]
    assert {parting[what].step for what in ("data", "loss", "validation")} == {None}
    assert parting["data"].told == "the same in all 10 steps that both logged, up to step 10"


def test_a_store_that_moved_is_said_and_digests_must_do(trained: Path) -> None:
    facts = json.loads((trained / "other" / "run.json").read_bytes())
    store = Path(facts["store"])
    store.parent.rename(trained / "away")
    try:
        values = content([Run.read(trained / "plain"), Run.read(trained / "other")])
        told = values["partings"][0]["data"].told
        assert told.startswith("first differ at step 1, by the digests in the logs; not closer: ")
        assert "Not shown" in render_of(trained / "other").text
    finally:
        (trained / "away").rename(store.parent)


def test_the_command_writes_the_page_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(tmp_path, "log.report=true", "train.max_steps=3", "eval.every_steps=0") == 0
    out = capsys.readouterr().out
    assert f"report:      {tmp_path}/run/report.html\n" in out
    assert "warning" not in out
    assert "finished at step 3 of 3" in (tmp_path / "run" / "report.html").read_text()
    assert run_here(tmp_path, "train.max_steps=3", "eval.every_steps=0", run="quiet") == 0
    assert not (tmp_path / "quiet" / "report.html").exists()
    assert [line["event"] for line in lines(tmp_path / "quiet")] == ["start", "end"]
