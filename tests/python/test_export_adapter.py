"""Checkpoints of adapters under `ckpt`: merged or alone, listed, verified, compared, removed."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from adapters import logits, on_base, t5
from chefgenius import ckpt
from chefgenius.run.base import find_base
from chefgenius.run.rundir import RunDirectory
from fitting import QUIET, fit
from peft import PeftModel
from running import opened
from samples import files_below, run_python
from test_stranger import reseal
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

# peft's own call, which transformers warns of.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `base`, `run` with an adapter that learned something, and `twin`, another one."""
    made = tmp_path_factory.mktemp("adapters")
    for run, seed in (("run", 42), ("twin", 43)):
        fit(made, *words(made), f"seed={seed}", run=run)
    return made


def words(folder: Path) -> tuple[str, ...]:
    return (
        *on_base(folder),
        *QUIET,
        "train.max_steps=4",
        "optim.learning_rate=0.1",
        "checkpoint.every_steps=2",
    )


@pytest.fixture
def expected(folder: Path) -> torch.Tensor:
    """What the run itself computes."""
    with opened(folder, *words(folder)) as trainer:
        return logits(trainer.model)


def whole(place: Path) -> Any:
    return AutoModelForSeq2SeqLM.from_pretrained(place, local_files_only=True)


def test_an_adapter_is_merged_into_its_base(folder: Path, expected: torch.Tensor, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "from chefgenius import ckpt; print(ckpt.main(['export', *sys.argv[1:]]), 'torch' in sys.modules)"
    assert run_python(code, folder / "run", out).endswith("\n0 False\n"), "without torch"
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert (logits(whole(out)) - expected).abs().max() < 1e-5
    assert (logits(whole(folder / "base")) - expected).abs().max() > 1e-2, "it learned something"
    assert AutoTokenizer.from_pretrained(out).eos_token_id == 1


def test_an_adapter_is_exported_alone(folder: Path, expected: torch.Tensor, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert ckpt.main(["export", str(folder / "run"), str(out), "--adapter", "--step", "4"]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    for place in (out, RunDirectory(folder / "run").step_path(4)):
        both = PeftModel.from_pretrained(whole(folder / "base"), place)
        assert torch.equal(logits(both), expected)


def test_a_base_that_moved_is_named(
    folder: Path, expected: torch.Tensor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = str(folder / "run"), tmp_path / "out"
    moved, other = folder / "moved", t5(tmp_path / "other", seed=4)
    (folder / "base").rename(moved)
    try:
        assert ckpt.main(["export", run, str(out)]) == 2
        told = capsys.readouterr().err
        assert f"no such directory: `{folder / 'base'}`" in told
        assert "give the directory that holds it with `--base`" in told
        assert ckpt.main(["export", run, str(out), "--base", str(other)]) == 2
        told = capsys.readouterr().err
        assert f"trained on weights `{find_base(str(moved)).fingerprint}`" in told
        assert f"those in `{other}` are `{find_base(str(other)).fingerprint}`" in told
        assert not out.exists()
        assert ckpt.main(["export", run, str(out), "--base", str(moved)]) == 0
    finally:
        moved.rename(folder / "base")
    assert (logits(whole(out)) - expected).abs().max() < 1e-5
    assert not list(tmp_path.glob(".tmp-*"))


def test_of_a_whole_model_there_is_no_adapter(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(folder, *QUIET, "train.max_steps=1", run="plain")
    for option in (["--adapter"], ["--base", str(folder / "base")]):
        assert ckpt.main(["export", str(folder / "plain"), str(tmp_path / "out"), *option]) == 2
        assert f"holds a whole model: leave `{option[0]}` out" in capsys.readouterr().err


def strange(folder: Path, tmp_path: Path) -> Path:
    """A copy of the run's newest checkpoint, for a stranger to change."""
    place = tmp_path / "strange" / "checkpoints" / "step-00000004"
    shutil.copytree(RunDirectory(folder / "run").step_path(4), place)
    return place


@pytest.mark.parametrize("values", [{"use_dora": True}, {"r": 2**70}, {"base_model_name_or_path": "/etc"}])
def test_what_a_stranger_made_of_the_description_is_refused_or_means_nothing(
    folder: Path, tmp_path: Path, values: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    place = strange(folder, tmp_path)
    described = json.loads((place / "adapter_config.json").read_bytes())
    (place / "adapter_config.json").write_text(json.dumps({**described, **values}))
    reseal(place, step=4)
    code = ckpt.main(["export", str(place), str(tmp_path / "out")])
    if "base_model_name_or_path" in values:
        assert code == 0, "the base is known by its content, not by this name"
    else:
        assert code == 2
        assert "cannot merge the adapter" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("junk", [None, 3, "b3:0", [], {}])
@pytest.mark.parametrize("key", ["base", "model.name_or_path"])
def test_a_state_that_names_no_base_is_refused(
    folder: Path, tmp_path: Path, junk: Any, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = strange(folder, tmp_path)
    state = json.loads((place / "state.json").read_bytes())
    state["sections"]["facts" if key == "base" else "config"][key] = junk
    (place / "state.json").write_text(json.dumps(state))
    reseal(place, step=4)
    assert ckpt.main(["export", str(place), str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_adapters_are_listed_verified_compared_and_removed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, twin = (shutil.copytree(folder / name, tmp_path / name) for name in ("run", "twin"))
    before = files_below(run)
    assert ckpt.main(["ls", str(run), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["checkpoints"]
    assert [one["step"] for one in listed] == [4, 2]
    assert all(one["problem"] is None for one in listed)
    weights = RunDirectory(run).step_path(4) / "adapter_model.safetensors"
    assert weights.stat().st_size < listed[0]["size"] < 100_000
    assert ckpt.main(["verify", str(run)]) == 0
    assert ckpt.main(["diff", str(run), str(run)]) == 0
    capsys.readouterr()
    assert ckpt.main(["diff", str(run), str(twin)]) == 1
    told = capsys.readouterr().out
    assert "exactness    seed: 42 in a, 43 in b" in told
    assert "tensor       adapter_model base_model.model.encoder.block.0" in told
    assert "tensor       optim encoder.block.0" in told
    assert files_below(run) == before
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert ckpt.main(["verify", str(run)]) == 1
    assert "the checksum of `adapter_model.safetensors` does not match" in capsys.readouterr().out
    assert ckpt.main(["export", str(run), str(tmp_path / "out")]) == 2
    assert ckpt.main(["prune", str(twin), "--keep", "2"]) == 0
    assert RunDirectory(twin).steps() == [4, 2]
