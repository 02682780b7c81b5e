"""Micro-batches in pieces: the same rows, the same gradient, and a size that is found once and kept."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius import TokenStore
from chefgenius.model.generators import capture
from chefgenius.model.loss import TokenLoss
from chefgenius.run.state import ResumeError
from chefgenius.training.pieces import WHOLE, cut, find_rows, largest_batch
from fitting import QUIET, fit, metrics, stop_at
from running import assert_same_run, opened, outcome, refused, run_here
from samples import load, take
from test_loss import batch
from test_model import small


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 100])
def test_pieces_are_the_rows_in_order(rows: int) -> None:
    data = batch(5)
    found = list(cut(data, rows))
    assert [len(one["labels"]) for one in found] == [min(rows, 5 - first) for first in range(0, 5, rows)]
    for name, tensor in data.items():
        assert torch.equal(torch.cat([one[name] for one in found]), tensor)
        assert all(
            one[name].untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr() for one in found
        )


def test_what_is_not_cut_stays_the_batch_itself() -> None:
    data = batch(3)
    for rows in (WHOLE, 3, 4):
        assert next(cut(data, rows)) is data


@pytest.mark.parametrize("layout", ["seq2seq", "causal"])
@pytest.mark.parametrize("rows", [1, 2])
def test_boundaries_of_packed_records_begin_anew_in_each_piece(
    store: TokenStore, layout: str, rows: int
) -> None:
    """Each boundary is where a segment begins among the places of the piece that count."""
    options: dict[str, Any] = {"plan": "packed", "layout": layout}
    kinds = ["", "decoder_"] if layout == "seq2seq" else [""]
    looked = 0
    for packed in take(load(store, **options), 4):
        for piece in cut(packed, rows):
            assert set(piece) == set(packed)
            for kind in kinds:
                segments = piece[f"{kind}segment_ids"]
                counted = segments[segments > 0]
                rows_of = torch.arange(len(segments)).unsqueeze(1).expand_as(segments)[segments > 0]
                keys = torch.stack([rows_of, counted])
                begins = (keys[:, 1:] != keys[:, :-1]).any(0).nonzero().flatten() + 1
                expected = [0, *begins.tolist(), len(counted)]
                assert piece[f"{kind}cu_seqlens"].tolist() == expected
                assert piece[f"{kind}cu_seqlens"].dtype == torch.int32
                looked += len(expected)
    assert looked > 40


def test_the_largest_batch_is_as_large_as_any_of_an_epoch(store: TokenStore) -> None:
    loader = load(store)
    shapes = [
        (len(one["labels"]), one["input_ids"].shape[1], one["labels"].shape[1])
        for one in (loader.batch_at(epoch, index) for epoch in (0, 1) for index in range(12))
    ]
    free = largest_batch(loader, free=True)
    assert free["labels"].shape == (4, max(one[2] for one in shapes))
    assert free["input_ids"].shape == free["attention_mask"].shape == (4, max(one[1] for one in shapes))
    assert free["attention_mask"].all()
    assert (free["labels"] >= 0).all()

    bucketed = load(store, plan="bucketed")
    largest = largest_batch(bucketed, free=False)
    places = [
        one["input_ids"].numel() + one["labels"].numel()
        for one in (bucketed.batch_at(0, index) for index in range(bucketed.micro_batches))
    ]
    assert largest["input_ids"].numel() + largest["labels"].numel() == max(places)
    assert (loader.epoch, loader.index) == (bucketed.epoch, bucketed.index) == (0, 0)


def short_of_memory(monkeypatch: pytest.MonkeyPatch, most: int) -> list[int]:
    """A device that holds `most` rows; the rows of each forward pass that was tried."""
    plain, tried = TokenLoss.forward, []

    def forward(self: TokenLoss, batch: Any) -> torch.Tensor:
        tried.append(len(batch["labels"]))
        if tried[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return plain(self, batch)

    monkeypatch.setattr(TokenLoss, "forward", forward)
    return tried


@pytest.mark.parametrize(("most", "found"), [(100, 13), (13, 13), (12, 7), (6, 4), (3, 2), (1, 1)])
def test_rows_are_halved_until_they_fit_and_nothing_stays(
    monkeypatch: pytest.MonkeyPatch, most: int, found: int
) -> None:
    model, data = small(), batch(13)
    tried, before = short_of_memory(monkeypatch, most), capture()
    weights = {name: one.clone() for name, one in model.named_parameters()}
    assert find_rows(TokenLoss(model), data, 1000) == found
    halved = [13, 7, 4, 2, 1]
    assert tried == [*halved[: halved.index(found)], found, found]
    assert capture() == before
    assert all(one.grad is None for one in model.parameters())
    assert all(torch.equal(one, weights[name]) for name, one in model.named_parameters())


def test_a_device_that_holds_no_row_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    short_of_memory(monkeypatch, 0)
    with pytest.raises(torch.OutOfMemoryError) as raised:
        find_rows(TokenLoss(small()), batch(4))
    assert raised.value.__notes__ == [
        "not even one row fits: take a smaller model or smaller `data.max_*_length`"
    ]


AUTO = (*QUIET, "data.batch_size=8", "train.gradient_accumulation_steps=1")


def test_the_size_found_is_recorded_before_the_first_step_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process finds it, the next looks no more; both take the steps of one that was told."""
    monkeypatch.setattr("chefgenius.training.pieces.is_searched", lambda device: True)
    tried = short_of_memory(monkeypatch, 3)
    with opened(tmp_path, *AUTO) as trainer:
        assert tried == [8, 4, 2, 2]
        assert trainer.rows == 2
        assert json.loads((tmp_path / "run" / "run.json").read_bytes())["facts"]["rows_per_forward"] == 2
    tried.clear()
    stop_at(tmp_path, *AUTO, step=4)
    assert outcome(tmp_path / "run")["sections"]["facts"]["rows_per_forward"] == 2
    tried.clear()
    fit(tmp_path, *AUTO)
    assert max(tried) == 2
    fit(tmp_path, *AUTO, "train.rows_per_forward=2", run="told")
    sections = (outcome(tmp_path / "run")["sections"], outcome(tmp_path / "told")["sections"])
    assert [one["config"].pop("train.rows_per_forward") for one in sections] == ["auto", 2]
    assert sections[0] == sections[1]
    assert metrics(tmp_path / "run") == metrics(tmp_path / "told")


def test_what_is_tried_is_the_loss_that_is_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its smoothing, and of a compiled model in the widths that it will have."""
    monkeypatch.setattr("chefgenius.training.pieces.is_searched", lambda device: True)
    monkeypatch.setattr("chefgenius.training.build.compile_blocks", lambda model, shapes: None)
    monkeypatch.setattr("chefgenius.training.build.try_out", lambda loss, config: None)
    tried = list[TokenLoss]()
    short_of_memory(monkeypatch, 3)
    held = TokenLoss.forward

    def forward(self: TokenLoss, batch: Any) -> torch.Tensor:
        tried.append(self)
        return held(self, batch)

    monkeypatch.setattr(TokenLoss, "forward", forward)
    with opened(tmp_path, *AUTO, "train.label_smoothing=0.1", "train.compile=true") as trainer:
        loss = trainer.sharing.inner
        assert len(tried) == 4
        assert {one.label_smoothing for one in tried} == {loss.label_smoothing} == {0.1}
        widths = {(one.shapes.inputs, one.shapes.targets) for one in tried if one.shapes is not None}
        assert loss.shapes is not None
        assert widths == {(loss.shapes.inputs, loss.shapes.targets)}
        assert {one.shapes.rows for one in tried if one.shapes is not None} == {1}, "rows are what is sought"
        assert trainer.rows == loss.shapes.rows == 2


def test_a_cpu_cuts_nothing_unasked(tmp_path: Path) -> None:
    with opened(tmp_path, *QUIET) as trainer:
        assert trainer.rows == WHOLE


def test_another_size_is_refused_and_may_be_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_at(tmp_path, *QUIET, step=2)
    code = run_here(tmp_path, *QUIET, "train.rows_per_forward=3")
    error = capsys.readouterr().err
    assert code == ResumeError.exit_code
    assert '`rows_per_forward`: saved `"all"`, here `3`' in error
    assert "--allow-change rows_per_forward" in error
    assert run_here(tmp_path, *QUIET, "train.rows_per_forward=3", "--allow-change", "rows_per_forward") == 0
    changes = outcome(tmp_path / "run")["sections"]["exactness"]["changes"]
    assert changes == [{"step": 2, "allowed": ['rows_per_forward: saved "all", here 3']}]


def test_a_size_of_no_rows_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run_here(tmp_path, "train.rows_per_forward=0")
    assert "`train.rows_per_forward` must be `auto` or at least 1, got `0`" in refused(capsys, code, 2)


def test_a_run_in_pieces_goes_on_exactly(tmp_path: Path) -> None:
    options = (*QUIET, "train.rows_per_forward=3")
    fit(tmp_path, *options, run="whole")
    stop_at(tmp_path, *options, step=3)
    fit(tmp_path, *options)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    fit(tmp_path, *QUIET, run="uncut")
    assert outcome(tmp_path / "uncut")["model"] != outcome(tmp_path / "run")["model"]  # other dropout


def test_running_out_of_memory_in_a_step_says_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short_of_memory(monkeypatch, 3)
    assert run_here(tmp_path, *QUIET) == 1
    error = capsys.readouterr().err
    assert "train.rows_per_forward=" in error
    assert "--allow-change rows_per_forward" in error
    assert "step 0 is saved" in error
