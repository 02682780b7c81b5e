"""The bench of checkpoints saves and loads the same state in three ways, and measures what it says."""

from pathlib import Path

import checkpoint
import damage
import pytest
import torch
from chefgenius.model.model import count_parameters, named_tensors
from chefgenius.training.optim import state_tensors
from saving import FEW, SMALL, TINY, WORDS, Ours, fresh, new_model, peer


def tensors(ours: Ours) -> dict[str, torch.Tensor]:
    both = {**named_tensors(ours.model), **state_tensors(ours.model, ours.optimizer)}
    return {name: tensor.detach().clone() for name, tensor in both.items()}


def test_the_model_has_the_size_that_is_told() -> None:
    with torch.device("meta"):
        parameters = count_parameters(new_model(SMALL, WORDS))
    assert 76e6 < parameters < 78e6


@pytest.mark.parametrize("way", ["chefgenius", "torch"])
def test_each_way_brings_the_same_state_back(tmp_path: Path, way: str) -> None:
    ours = Ours(tmp_path, TINY, FEW)
    for _ in range(3):
        ours.step()
    saved = tensors(ours)
    if way == "chefgenius":
        stall, durable = ours.save_and_wait()
        assert 0 < stall <= durable
    else:
        assert ours.torch_save(sync=True) > 0
    ours.step()
    assert not all(torch.equal(tensor, saved[name]) for name, tensor in tensors(ours).items())
    assert (ours.load if way == "chefgenius" else ours.torch_load)() > 0
    found = tensors(ours)
    assert found.keys() == saved.keys()
    assert len(saved) > 100
    assert all(torch.equal(tensor, saved[name]) for name, tensor in found.items())
    ours.close()


def test_training_goes_on_beside_the_writer(tmp_path: Path) -> None:
    ours = Ours(tmp_path, TINY, FEW)
    stall, ratio = ours.save_and_train(2)
    assert stall > 0
    assert ratio is None or ratio > 0
    assert ours.run.steps() == [2]
    ours.close()


def test_the_trainer_saves_and_loads_weights_and_optimizer(tmp_path: Path) -> None:
    trainer = peer(fresh(tmp_path / "out"), TINY, FEW, 2)
    rounds: list[int] = []

    def around(save: object) -> None:
        assert callable(save)
        save()
        rounds.append(trainer.state.global_step)

    trainer.around = around
    trainer.train()
    assert rounds == [1, 2]
    checkpoint = tmp_path / "out" / "checkpoint-2"
    names = {path.name for path in checkpoint.iterdir()}
    assert {"model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json"} <= names
    assert trainer.model is not None
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    assert trainer.optimizer is not None
    moments = [state["exp_avg"].clone() for state in trainer.optimizer.state.values()]
    with torch.no_grad():
        for parameter, state in trainer.optimizer.state.items():
            parameter.add_(1)
            state["exp_avg"].add_(1)
    assert trainer.load(checkpoint) > 0
    after = trainer.model.state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
    found = [state["exp_avg"] for state in trainer.optimizer.state.values()]
    assert len(found) == len(moments) > 20
    assert all(torch.equal(one, other) for one, other in zip(found, moments, strict=True))


def test_damage_does_what_its_name_says(tmp_path: Path) -> None:
    file, other = tmp_path / "a.json", tmp_path / "b.json"
    for kind, change in damage.KINDS.items():
        file.write_bytes(b'{"x": 24, "y": "z"}')
        other.write_bytes(b"other")
        change(file, other)
        expected = {
            "missing": None,
            "cut to half": b'{"x": 24,',
            "one bit flipped": b'{"x": 25, "y": "z"}',
            "of the step before": b"other",
        }
        assert (file.read_bytes() if file.exists() else None) == expected[kind]


@pytest.mark.long
def test_the_command_measures_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = str(torch.get_num_threads())
    assert checkpoint.main(["--quick", "--threads", threads, "--work", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    figures = {row[0]: row for row in rows if len(row) == 5}
    assert figures["stall of training per save, chefgenius"][1:3] == ["0.300 s", "0.200 s"]
    assert figures["verified load, chefgenius"][1:3] == ["1.000 s", "0.600 s"]
    assert figures["damage that chefgenius goes on from, of 12"][3:] == ["0", "aim"]
    assert 0 < int(figures["damage that Trainer goes on from, of 12"][3]) < 12
    for part in (
        "torch.save, without fsync",
        "torch.save and fsync",
        "Trainer, without",
        "until it is durable",
    ):
        assert any(part in name for name in figures), part
    for plan in ("fixed", "bucketed", "packed"):
        assert figures[f"seek to step 10,000,000, {plan}"][1:3] == ["50.000 ms", "5.000 ms"]
    cases = [row for row in rows if len(row) == 3 and row[2] in ("goes on", "falls back", "stops")]
    assert len(cases) == 24
    assert not (tmp_path / "checkpoint").exists(), "what was saved is gone"
