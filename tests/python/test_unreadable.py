"""A checkpoint that cannot be read is neither damaged nor lost: it stays, and another is taken meanwhile."""

import errno
import os
from pathlib import Path

import pytest
from chefgenius import ckpt
from chefgenius.run import manifest
from chefgenius.run.resume import decide
from chefgenius.run.rundir import RunDirectory
from stored import add_checkpoint


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """Steps 4 and 9, of which the newer one lies on a bad place of the disk."""
    made = RunDirectory(tmp_path / "run")
    for step in (4, 9):
        add_checkpoint(made, step)
    bad, hash_file = made.step_path(9) / "optim.safetensors", manifest.hash_file

    def failing(path: Path) -> str:
        if path == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return hash_file(path)

    monkeypatch.setattr(manifest, "hash_file", failing)
    return made


def test_without_another_one_it_is_an_error_of_the_disk(run: RunDirectory) -> None:
    run.delete(4)
    with pytest.raises(OSError, match="Input/output error") as error:
        decide(run, "auto", lambda _: None)
    assert error.value.errno == errno.EIO
    assert run.steps() == [9]


def test_the_command_tells_of_it(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    assert ckpt.main(["verify", str(run.path)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("step 9: cannot be read: ")
    assert told[1].startswith("step 4: good")
    assert ckpt.main(["export", str(run.step_path(9)), str(run.path / "out")]) == 74
    assert capsys.readouterr().err.startswith("error: `")
    assert not (run.path / "out").exists()
