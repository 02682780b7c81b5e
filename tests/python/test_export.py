import os
from pathlib import Path

import pytest
from chefgenius.exporting.export import ExportError, export
from chefgenius.run import manifest
from chefgenius.run.rundir import RunDirectory
from stored import add_checkpoint, flip


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "run")
    add_checkpoint(made, 4)
    return made


def test_the_model_and_its_companions_are_copied(run: RunDirectory, tmp_path: Path) -> None:
    out = tmp_path / "new" / "model"
    size = export(run.step_path(4), out)
    names = ["README.md", "config.json", "empty.txt", "model.safetensors", "tokenizer.json"]
    assert sorted(path.name for path in out.iterdir()) == names
    for name in names[1:]:
        assert (out / name).read_bytes() == (run.step_path(4) / name).read_bytes()
    assert size == sum(path.stat().st_size for path in out.iterdir()) > 100
    assert [path.name for path in out.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("kind", ["directory", "file", "dangling link"])
def test_what_stands_there_is_left_alone(run: RunDirectory, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    if kind == "directory":
        out.mkdir()
    elif kind == "file":
        out.write_text("mine")
    else:
        out.symlink_to(tmp_path / "nowhere")
    before = out.lstat()
    with pytest.raises(ExportError, match="exists: give a directory that does not"):
        export(run.step_path(4), out)
    assert os.path.samestat(out.lstat(), before)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]


@pytest.mark.parametrize("name", ["model.safetensors", "optim.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_not_exported(run: RunDirectory, tmp_path: Path, name: str) -> None:
    flip(run, 4, name)
    with pytest.raises(ExportError, match=f"damaged: the checksum of `{name}` does not match"):
        export(run.step_path(4), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_file_that_changes_after_the_check_is_noticed(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = manifest.verify

    def and_then_flip(path: Path) -> object:
        found = verify(path)
        flip(run, 4)
        return found

    monkeypatch.setattr("chefgenius.exporting.export.verify", and_then_flip)
    with pytest.raises(ExportError, match=r"model.safetensors` changed while it was copied"):
        export(run.step_path(4), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_a_killed_export_left_does_not_matter(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / ".tmp-out").mkdir()
    (tmp_path / ".tmp-out" / "strange").touch()
    export(run.step_path(4), tmp_path / "out")
    assert not (tmp_path / "out" / "strange").exists()
    assert not (tmp_path / ".tmp-out").exists()
