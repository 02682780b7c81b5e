import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from chefgenius.cookbook import TOKENIZER
from chefgenius.model.loss import TokenLoss
from chefgenius.model.model import Vocabulary, build_model, describing_files, named_tensors
from chefgenius.model.tokenizer import TextDecoder
from chefgenius.run import manifest
from chefgenius.run.resume import Origin, read_sections
from chefgenius.run.retention import Retention
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import ResumeError, State
from chefgenius.settings.config import ConfigError, ModelConfig, OptimConfig
from chefgenius.training import checkpoint
from chefgenius.training.checkpoint import Checkpointer
from chefgenius.training.loading import load_tensors
from chefgenius.training.optim import build_optimizer, describe, state_tensors, trained_parameters
from chefgenius.training.tensors import write_tensors
from running import MODEL
from torch import nn
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedModel

WORDS = Vocabulary(40, 0, 1)


class Run:
    """A model that takes steps, and its checkpointer."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.model = build_model(ModelConfig(config={**MODEL, "dropout_rate": 0.0, **changes}), WORDS, 1)
        self.optimizer = build_optimizer(self.model, OptimConfig(learning_rate=0.01))
        self.synced = 0
        self.said: list[str] = []
        decoder = TextDecoder(TOKENIZER)
        self.checkpoints = Checkpointer(
            run=RunDirectory(folder / "run").lock(),
            model=self.model,
            optimizer=self.optimizer,
            companions={**describing_files(self.model), **decoder.files(0, 1)},
            fingerprints={"store": "b3:1"},
            retention=Retention(2),
            sync_logs=self._sync,
            say=self.said.append,
        )
        self.step = 0

    def _sync(self) -> None:
        self.synced += 1

    def go(self, steps: int = 1) -> None:
        ids = torch.arange(12).reshape(2, 6) + self.step
        for _ in range(steps):
            batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
            TokenLoss(self.model, "float32")(batch).backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.step += 1

    def sections(self) -> dict[str, State]:
        described = describe(trained_parameters(self.model), self.optimizer)
        progress = {"step": self.step}
        return {"progress": progress, "optimizer": described, "config": {}, "facts": {}}

    def save(self, *best: int) -> Path:
        self.checkpoints.save(self.sections(), best)
        assert self.checkpoints.drain() in ([], [self.checkpoints.run.step_path(self.step)])
        return self.checkpoints.run.step_path(self.step)

    def origin(self) -> Origin:
        run = self.checkpoints.run
        step = run.steps()[0]
        return Origin(
            run.step_path(step), run.verify(step), read_sections(run.step_path(step)), foreign=False
        )

    def tensors(self) -> dict[str, torch.Tensor]:
        both = {**named_tensors(self.model), **state_tensors(self.model, self.optimizer)}
        return {name: tensor.detach().clone() for name, tensor in both.items()}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def names(run: Run) -> list[str]:
    return sorted(path.name for path in run.checkpoints.run.checkpoints.iterdir())


@pytest.mark.parametrize(
    ("make", "dtype", "told"),
    [
        (
            lambda ours: torch.optim.SGD(ours, 0.1),
            torch.float32,
            "the state of `SGD` is not restored: use one",
        ),
        (lambda ours: torch.optim.AdamW(ours, amsgrad=True), torch.float32, "of AdamW with `amsgrad`"),
        (torch.optim.AdamW, torch.bfloat16, "is trained in torch.bfloat16, whose small updates are lost"),
    ],
)
def test_what_could_not_be_restored_is_never_saved(
    tmp_path: Path, make: Callable[[Any], torch.optim.Optimizer], dtype: torch.dtype, told: str
) -> None:
    model = build_model(ModelConfig(config=MODEL), WORDS, 1)
    nn.Module.to(model, dtype)
    with pytest.raises(ConfigError, match=told):
        Checkpointer(RunDirectory(str(tmp_path / "run")), model, make(model.parameters()))


def test_a_checkpoint_holds_what_the_design_says(run: Run) -> None:
    run.go(3)
    path = run.save()
    assert path.name == "step-00000003"
    assert sorted(one.name for one in path.iterdir()) == [
        "config.json",
        "generation_config.json",
        "manifest.json",
        "model.safetensors",
        "optim.safetensors",
        "state.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    found = manifest.verify(path)
    assert (found.step, found.fingerprints) == (3, {"store": "b3:1"})
    assert run.synced == 1


def test_it_opens_with_from_pretrained_and_equal_weights(run: Run) -> None:
    run.go(3)
    path = run.save()
    opened = AutoModelForSeq2SeqLM.from_pretrained(path, local_files_only=True)
    assert type(opened) is type(run.model)
    own, theirs = run.model.state_dict(), opened.state_dict()
    assert own.keys() == theirs.keys()
    for name, tensor in own.items():
        assert theirs[name].dtype == torch.float32
        assert torch.equal(theirs[name], tensor), name
    ids = torch.tensor([[3, 4, 1]])
    with torch.no_grad():
        run.model.eval()  # type: ignore[no-untyped-call]
        expected = run.model(input_ids=ids, labels=ids).logits
        assert torch.equal(opened(input_ids=ids, labels=ids).logits, expected)
    assert AutoTokenizer.from_pretrained(path).eos_token_id == 1


def test_weights_and_optimizer_come_back_into_their_own_memory(run: Run, tmp_path: Path) -> None:
    run.go(3)
    run.save()
    expected = run.tensors()
    places = {name: tensor.data_ptr() for name, tensor in named_tensors(run.model).items()}
    run.go(2)
    load_tensors(run.origin(), run.model, run.optimizer)
    found = run.tensors()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert {name: tensor.data_ptr() for name, tensor in named_tensors(run.model).items()} == places

    fresh = Run(tmp_path / "fresh")
    load_tensors(run.origin(), fresh.model, fresh.optimizer)
    assert len(expected) == len(fresh.tensors()) > 50
    run.go()
    fresh.step = run.step - 1
    fresh.go()
    assert all(torch.equal(fresh.tensors()[name], tensor) for name, tensor in run.tensors().items())


def test_the_beginning_can_be_saved_and_loaded(run: Run, tmp_path: Path) -> None:
    run.save()
    fresh = Run(tmp_path / "fresh")
    load_tensors(run.origin(), fresh.model, fresh.optimizer)
    assert not fresh.optimizer.state


def test_a_snapshot_stands_still_while_the_run_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Event()
    run.checkpoints.sync_logs = lambda: None if gate.wait(20) else pytest.fail("nobody opened")
    plain, begin = manifest.write_file, Event()

    def late(path: Path, chunks: Any) -> manifest.Entry:
        assert begin.wait(20)
        return plain(path, chunks)

    monkeypatch.setattr(checkpoint, "write_file", late)
    run.go()
    expected = run.tensors()
    run.checkpoints.save(run.sections(), [])
    run.go()  # before the first byte is written
    begin.set()
    run.go()
    assert run.checkpoints.check() == []
    gate.set()
    assert run.checkpoints.drain() == [run.checkpoints.run.step_path(1)]
    run.step = 1
    load_tensors(run.origin(), run.model, run.optimizer)
    assert all(torch.equal(run.tensors()[name], tensor) for name, tensor in expected.items())


def test_a_step_that_is_saved_is_not_saved_again(run: Run) -> None:
    run.go()
    first = os.stat(run.save() / "manifest.json")
    second = os.stat(run.save() / "manifest.json")
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)
    assert run.synced == 1


def test_a_damaged_step_is_set_aside_and_saved_again(run: Run) -> None:
    run.go()
    path = run.save()
    (path / "state.json").write_bytes(b"x")
    run.save()
    manifest.verify(path)
    assert names(run) == ["corrupt-step-00000001", "step-00000001"]


def test_the_newest_and_the_best_are_kept(run: Run) -> None:
    for best in (0, 1, 1, 1, 4):
        run.save(best)
        run.go()
    assert run.checkpoints.run.steps() == [4, 3]
    run.save(3)
    run.go()
    run.save(3)
    assert run.checkpoints.run.steps() == [6, 5, 3]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_full_disk_leaves_what_was_there(run: Run, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    run.go()
    run.save()
    run.go()
    kept = {path.name: path.stat().st_mtime_ns for path in run.checkpoints.run.step_path(1).iterdir()}
    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left"):
        run.save()
    monkeypatch.undo()
    assert names(run) == ["step-00000001"]
    assert {path.name: path.stat().st_mtime_ns for path in run.checkpoints.run.step_path(1).iterdir()} == kept
    run.save()
    assert run.checkpoints.run.steps() == [2, 1]


def resealed(path: Path, change: Callable[[dict[str, torch.Tensor]], None], file: str) -> None:
    """Changes tensors of a checkpoint and makes its manifest match."""
    from safetensors.torch import load_file

    found = manifest.verify(path)
    tensors = {name: tensor.clone() for name, tensor in load_file(path / file).items()}
    change(tensors)
    (path / file).unlink()
    (path / "manifest.json").unlink()
    files = {**found.files, file: write_tensors(path / file, tensors)}
    manifest.seal(path, found.step, found.fingerprints, files)


def rename_one(tensors: dict[str, torch.Tensor]) -> None:
    tensors["strange"] = tensors.pop(sorted(tensors)[0])


def widen_one(tensors: dict[str, torch.Tensor]) -> None:
    name = sorted(tensors)[0]
    tensors[name] = torch.zeros(*tensors[name].shape, 2)


def lower_one(tensors: dict[str, torch.Tensor]) -> None:
    name = sorted(tensors)[0]
    tensors[name] = tensors[name].bfloat16()


def empty_all(tensors: dict[str, torch.Tensor]) -> None:
    tensors.clear()


@pytest.mark.parametrize("file", ["model.safetensors", "optim.safetensors"])
@pytest.mark.parametrize("change", [rename_one, widen_one, lower_one, empty_all])
def test_tensors_that_do_not_fit_are_refused_and_nothing_changes(
    run: Run, tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], None], file: str
) -> None:
    run.go(2)
    resealed(run.save(), change, file)
    fresh = Run(tmp_path / "fresh")
    before = fresh.tensors()
    with pytest.raises(ResumeError, match=r"of another model|the saved optimizer"):
        load_tensors(run.origin(), fresh.model, fresh.optimizer)
    after = fresh.tensors()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_a_missing_section_or_a_missing_or_broken_file_is_refused(run: Run) -> None:
    run.go()
    path = run.save()
    origin = run.origin()
    sections = {name: one for name, one in origin.sections.items() if name != "optimizer"}
    with pytest.raises(ResumeError, match="a state without section `optimizer`"):
        load_tensors(replace(origin, sections=sections), run.model, run.optimizer)
    (path / "optim.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ResumeError, match="cannot read the tensors"):
        load_tensors(origin, run.model, run.optimizer)
    (path / "optim.safetensors").unlink()
    with pytest.raises(ResumeError, match="cannot read the tensors"):
        load_tensors(origin, run.model, run.optimizer)


def test_persistent_buffers_are_part_of_a_checkpoint(tmp_path: Path) -> None:
    shape = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "max_position_embeddings": 32}
    heads = {
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16,
    }
    bart: PreTrainedModel = build_model(
        ModelConfig(config={"model_type": "bart", **shape, **heads}), WORDS, 1
    )
    assert "final_logits_bias" in named_tensors(bart)
    for name, data in describing_files(bart).items():
        (tmp_path / name).write_bytes(data)
    write_tensors(tmp_path / "model.safetensors", named_tensors(bart))
    opened = AutoModelForSeq2SeqLM.from_pretrained(tmp_path, local_files_only=True)
    assert all(torch.equal(opened.state_dict()[name], one) for name, one in bart.state_dict().items())


def test_state_json_is_plain_json(run: Run) -> None:
    run.go()
    state = json.loads((run.save() / "state.json").read_bytes())
    assert state == {"schema": "chefgenius.state/1", "sections": run.sections()}
