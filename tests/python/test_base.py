"""The weights under an adapter are known by their content, also when a run goes on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from adapters import on_base, t5
from chefgenius.run.base import find_base, weight_files
from chefgenius.run.manifest import hash_file
from chefgenius.run.rundir import RunDirectory
from chefgenius.settings.config import ConfigError
from fitting import QUIET, fit, stop_at, weights
from running import assert_same_run, refused, run_here
from samples import files_below


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds `base`, and `whole`, which trained an adapter on it to the end without a stop."""
    made = tmp_path_factory.mktemp("adapters")
    fit(made, *on_base(made), run="whole")
    return made


def test_a_base_is_named_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    one = find_base(str(t5(tmp_path / "one")))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    two = find_base(str(tmp_path / "two"))
    assert one.fingerprint == two.fingerprint == f"b3:{hash_file(tmp_path / 'one' / 'model.safetensors')}"
    assert (one.name, one.files) == (str(tmp_path / "one"), ("model.safetensors",))
    assert find_base(str(t5(tmp_path / "other", seed=4))).fingerprint != one.fingerprint


def test_of_several_files_each_counts(tmp_path: Path) -> None:
    place = t5(tmp_path / "base", max_shard_size="30KB")
    files = weight_files(place)
    before = find_base(str(place))
    assert before.files == tuple(files)
    assert len(files) >= 2
    for name in files:
        data = (place / name).read_bytes()
        (place / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert find_base(str(place)).fingerprint != before.fingerprint
        (place / name).write_bytes(data)
    assert find_base(str(place)) == before
    (place / files[0]).unlink()
    with pytest.raises(ConfigError, match=f"lacks `{files[0]}`, which its index names"):
        find_base(str(place))


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[]",
        b'{"weight_map": {}}',
        b'{"weight_map": {"a": "../a.safetensors"}}',
        b'{"weight_map": {"a": "a.bin"}}',
        b'{"weight_map": {"a": 3}}',
        b"[" * 100_000,
    ],
)
def test_an_index_that_is_none_is_refused(tmp_path: Path, index: bytes) -> None:
    (tmp_path / "model.safetensors.index.json").write_bytes(index)
    with pytest.raises(ConfigError, match="cannot be read"):
        find_base(str(tmp_path))


def test_what_has_no_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no such directory: .* check the path in `model.name_or_path`"
    ):
        find_base(str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"has no `model.safetensors`: write it as safetensors"):
        find_base(str(tmp_path))
    (tmp_path / "adapter_config.json").touch()
    with pytest.raises(ConfigError, match="has an adapter alone: make a whole model"):
        find_base(str(tmp_path))


def test_a_name_of_the_hub_is_found_in_its_cache(tmp_path: Path) -> None:
    """Laid out by hand as the hub's client does: links into a folder of contents."""
    place = t5(tmp_path / "base")
    repository = tmp_path / "home" / "hub" / "models--somebody--small"
    snapshot = repository / "snapshots" / ("0" * 40)
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    snapshot.mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(place / name, repository / "blobs" / name)
        (snapshot / name).symlink_to(f"../../blobs/{name}")
    code = "from chefgenius.run.base import find_base; one = find_base('somebody/small'); "
    code += "print(one.name, one.fingerprint)"
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.stdout.split() == ["somebody/small", find_base(str(place)).fingerprint], done.stderr


def test_a_run_goes_on_exactly_with_a_base_that_moved(folder: Path) -> None:
    words = on_base(folder)
    stop_at(folder, *words, step=4, run="moved")
    shutil.copytree(folder / "base", folder / "elsewhere")
    fit(folder, *words, f"model.name_or_path={folder / 'elsewhere'}", run="moved")
    assert weights(folder / "moved") == weights(folder / "whole")
    last = RunDirectory(folder / "moved").step_path(10)
    named = json.loads((last / "adapter_config.json").read_bytes())["base_model_name_or_path"]
    assert named == str(folder / "elsewhere")


def test_another_base_is_refused_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = f"model.name_or_path={t5(folder / 'other', seed=4)}"
    words = (*on_base(folder), "train.max_steps=12")
    before, saved = files_below(folder / "whole"), find_base(str(folder / "base")).fingerprint
    assert run_here(folder, *words, other, run="whole") == 3
    told = capsys.readouterr().err
    assert "it is of another model:\n  `base`: saved" in told
    assert "changed besides:\n  `model.name_or_path`" in told
    assert "--allow-change" not in told
    assert run_here(folder, *words, other, "--explain", run="whole") == 3
    assert f'another run, never allowed:\n  `base`:\n    saved `"{saved[:10]}' in capsys.readouterr().out
    gone = f"model.name_or_path={folder / 'gone'}"
    assert "no such directory" in refused(capsys, run_here(folder, *words, gone, run="whole"), 2)
    assert files_below(folder / "whole") == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("model.lora.rank=5", "`model.lora.rank`: saved `4`, here `5`"),
        ("model.lora.rank=null", "`model.lora.rank`: saved `4`, here `null`"),
        ("model.lora.alpha=3", "`model.lora.alpha`: saved `null`, here `3.0`"),
        ("model.lora.dropout=0.1", "`model.lora.dropout`: saved `0.2`, here `0.1`"),
        ("model.lora.target_modules=q", '`model.lora.target_modules`: saved `["auto"]`, here `["q"]`'),
    ],
)
def test_another_adapter_is_refused(
    folder: Path, change: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(folder, *on_base(folder), "train.max_steps=12", change, run="whole") == 3
    assert told in capsys.readouterr().err


def test_layers_that_are_spelled_otherwise_are_taken_with_leave(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*on_base(folder), *QUIET)
    assert run_here(folder, *words, "train.max_steps=1", run="spelled") == 0
    words = (*words, "train.max_steps=2", "--allow-change", "target_modules")
    capsys.readouterr()
    assert run_here(folder, *words, "model.lora.target_modules=[q, v, o]", run="spelled") == 3
    assert "parameters stand on one side only, such as `base_model.model." in capsys.readouterr().err
    assert run_here(folder, *words, "model.lora.target_modules=[q, v]", run="spelled") == 0


def test_a_whole_model_does_not_become_an_adapter(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (*on_base(folder), *QUIET)
    assert run_here(folder, *words, "model.lora.rank=null", "train.max_steps=1", run="tuned") == 0
    capsys.readouterr()
    assert run_here(folder, *words, run="tuned") == 3
    assert "`model.lora.rank`: saved `null`, here `4`" in capsys.readouterr().err


def test_looking_at_a_run_and_when_it_is_saved_change_nothing(folder: Path) -> None:
    fit(folder, *on_base(folder), *QUIET, run="quiet")
    assert weights(folder / "quiet") == weights(folder / "whole")


LONG = pytest.param(("train.precision=bf16", "train.gradient_accumulation_steps=1"), marks=pytest.mark.long)


@pytest.mark.parametrize("changes", [(), LONG])
def test_a_resume_of_a_resume_is_exact(folder: Path, changes: tuple[str, ...]) -> None:
    words, whole = on_base(folder, *changes), "whole"
    if changes:
        whole = "whole, changed"
        fit(folder, *words, run=whole)
    for step in (3, 5, 8):
        stop_at(folder, *words, step=step, run=f"stopped, {whole}")
    fit(folder, *words, run=f"stopped, {whole}")
    assert_same_run(folder / f"stopped, {whole}", folder / whole)
