"""What a resume needs is named, saved and taken back; a section from anywhere is refused at worst."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from adapters import on_base
from chefgenius.run.manifest import hash_file
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import ResumeError
from chefgenius.settings.config import OptimizerKind
from chefgenius.training.optim import entries
from chefgenius.training.tensors import read_tensors
from fitting import Counting, stop_at
from running import opened, outcome

NEEDS = {
    "global step": ("progress", "step"),
    "epoch": ("progress", "epoch"),
    "place in the epoch": ("progress", "index"),
    "epoch losses": ("losses", "epochs"),
    "loss of the epoch that goes on": ("losses", "loss_sum"),
    "its tokens": ("losses", "target_tokens"),
    "best evaluations": ("best", "kept"),
    "metric of the best": ("best", "metric"),
    "evaluations without a better one": ("early_stopping", "evaluations"),
    "what they are compared with": ("early_stopping", "best"),
    "first and last evaluation": ("evaluation", "last"),
    "records seen, in order": ("digest", "value"),
    "work pending": ("pending", "work"),
    "scale of the loss under fp16": ("scaler", "scale"),
    "steps since it changed": ("scaler", "good_steps"),
    "steps that overflowed": ("scaler", "overflows"),
    "rows that go forward together": ("facts", "rows_per_forward"),
    "learning rate": ("schedule", "learning_rate"),
    "kind of the optimizer": ("optimizer", "kind"),
    "configuration": ("config", "seed"),
    "split": ("config", "data.validation_fraction"),
    "seed of the split": ("config", "data.split_seed"),
    "device, threads, versions": ("facts", "threads"),
    "since when it is not exact": ("exactness", "changes"),
    "way through the data": ("course", "legs"),
    "windows skipped in former stores": ("course", "skipped"),
    "configured tombstones": ("facts", "tombstones"),
    "what an adapter was trained on": ("facts", "base"),
    "skipped records": ("tombstones", "skipped"),
    "data seed": ("loader", "seed"),
    "cursor: epoch": ("loader", "epoch"),
    "cursor: index": ("loader", "index"),
    "plan and view": ("loader", "plan"),
    "masked records": ("loader", "tombstones"),
    "generator of python": ("generators", "python"),
    "generator of numpy": ("generators", "numpy"),
    "generator of torch": ("generators", "torch"),
    "generators of cuda": ("generators", "cuda"),
    "states of callbacks": ("callbacks", "Counting"),
    "log that a rerun repeats": ("logs", "metrics.jsonl"),
    "samples": ("logs", "samples.jsonl"),
    "timings": ("logs", "timing.jsonl"),
}
"""section and key of all that a resume needs, besides tensors; a component that is added adds its rows"""


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run stopped in its second epoch, after an evaluation."""
    stop_at(tmp_path, step=8, callbacks=(Counting(),))
    return tmp_path


def test_all_that_a_resume_needs_is_saved_and_taken_back(stopped: Path) -> None:
    run = RunDirectory(stopped / "run")
    saved = outcome(run.path)["sections"]
    whole = json.loads((run.step_path(8) / "state.json").read_bytes())["sections"]
    with opened(stopped, callbacks=[Counting()]) as trainer:
        assert set(trainer.registry.names) == set(whole) == {section for section, _ in NEEDS.values()}
        missing = [
            name
            for name, (section, key) in NEEDS.items()
            if key not in (saved if section == "config" else whole)[section]
        ]
        assert missing == []
        assert trainer.registry.state_dict() == whole
        parameters = {name for name, _ in trainer.model.named_parameters()}
    assert set(read_tensors(run.step_path(8) / "model.safetensors")) == parameters
    moments = {f"{name}/{key}" for name in parameters for key in ("step", "exp_avg", "exp_avg_sq")}
    assert set(read_tensors(run.step_path(8) / "optim.safetensors")) == moments


def test_of_an_adapter_its_weights_and_moments_are_saved_and_the_base_is_named(tmp_path: Path) -> None:
    words = on_base(tmp_path)
    stop_at(tmp_path, *words, step=8)
    run = RunDirectory(tmp_path / "run")
    with opened(tmp_path, *words) as trainer:
        trained = {name for name, one in trainer.model.named_parameters() if one.requires_grad}
        assert all(".lora_" in name for name in trained)
        sections = json.loads((run.step_path(8) / "state.json").read_bytes())["sections"]
        assert trainer.registry.state_dict() == sections
    base = hash_file(tmp_path / "base" / "model.safetensors")
    assert sections["facts"]["base"] == f"b3:{base}"
    assert sections["facts"]["peft"]
    held = {f"base_model.model.{name.replace('.default', '')}" for name in trained}
    assert set(read_tensors(run.step_path(8) / "adapter_model.safetensors")) == held
    assert not (run.step_path(8) / "model.safetensors").exists()
    moments = {f"{name}/{key}" for name in trained for key in ("step", "exp_avg", "exp_avg_sq")}
    assert set(read_tensors(run.step_path(8) / "optim.safetensors")) == moments


@pytest.mark.parametrize("kind", ["adamw", "adafactor"])
def test_all_tensors_that_a_resume_needs_are_saved(tmp_path: Path, kind: OptimizerKind) -> None:
    """Those of weights, averages and optimizer, each by the name of its parameter."""
    options = ("eval.every_steps=0", "train.ema_decay=0.9", f"optim.kind={kind}")
    stop_at(tmp_path, *options, step=2)
    saved = RunDirectory(tmp_path / "run").step_path(2)
    with opened(tmp_path, *options) as trainer:
        parameters = dict(trainer.model.named_parameters())
    for name in ("model.safetensors", "averages.safetensors"):
        assert set(read_tensors(saved / name)) == set(parameters)
    expected = {f"{name}/{key}" for name, one in parameters.items() for key in entries(kind, one)}
    assert set(read_tensors(saved / "optim.safetensors")) == expected
    assert len(expected) > 2 * len(parameters)


def test_no_section_can_be_missing(stopped: Path) -> None:
    with opened(stopped, callbacks=[Counting()]) as trainer:
        sections = trainer.registry.state_dict()
        for name in sections:
            with pytest.raises(ResumeError, match=f"without section `{name}`"):
                trainer.registry.load_state_dict({one: sections[one] for one in sections if one != name})


JUNK: list[Any] = [None, True, -1, 2**70, 1e308, "", "x", [], [[]], {}, {"x": 1}]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to everything inside a JSON value, itself included."""
    yield path
    inner: Any = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        inner = enumerate(value[:2])
    for key, one in inner:
        yield from leaves(one, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], junk)
    return copied


def test_junk_in_a_section_is_refused_and_never_crashes(stopped: Path) -> None:
    """Every place of every section, replaced by every kind of JSON value."""
    tried = refused = 0
    with opened(stopped, callbacks=[Counting()]) as trainer:
        sections = trainer.registry.state_dict()
        for name in [one for one in sections if one not in ("config", "facts", "optimizer", "logs")]:
            for path in leaves(sections[name]):
                for junk in JUNK:
                    tried += 1
                    try:
                        trainer.registry.load_state_dict(
                            {**sections, name: replaced(sections[name], path, junk)}
                        )
                    except ResumeError:
                        refused += 1
        trainer.registry.load_state_dict(sections)
        assert trainer.registry.state_dict() == sections
    assert tried > 500
    assert refused > tried / 2


def test_junk_in_the_lengths_of_the_logs_is_refused_and_they_stay(stopped: Path) -> None:
    places: list[Any] = [None, [], {}, {"bytes": "x"}]
    places += [{"bytes": length, "blake3": ""} for length in (-1, 2**70, 1e308)]
    metrics = stopped / "run" / "metrics.jsonl"
    before = metrics.read_bytes()
    with opened(stopped, callbacks=[Counting()]) as trainer:
        sections = trainer.registry.state_dict()
        for name in sections["logs"]:
            for junk in places:
                logs = {**sections["logs"], name: junk}
                with pytest.raises(ResumeError):
                    trainer.registry.load_state_dict({**sections, "logs": logs})
                assert metrics.read_bytes() == before
