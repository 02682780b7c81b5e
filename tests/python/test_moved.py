"""A run that was moved, with its store or without, goes on as if it had always been there."""

import os
import shutil
from pathlib import Path

import pytest
from chefgenius.run.rundir import RunDirectory
from running import outcome, run_here


@pytest.mark.parametrize("with_store", [True, False])
def test_a_run_that_was_moved_ends_bit_identical(tmp_path: Path, with_store: bool) -> None:
    old, new = tmp_path / "old", tmp_path / "elsewhere" / "new"
    old.mkdir()
    assert run_here(old) == 0
    wanted = outcome(old / "run")
    RunDirectory(old / "run").delete(10)
    new.parent.mkdir()
    os.rename(old, new)
    if not with_store:
        shutil.rmtree(new / "stores")
    assert RunDirectory(new / "run").steps()[0] == 9
    assert run_here(new) == 0
    found = outcome(new / "run")
    for both in (found, wanted):
        config = both["sections"]["config"]
        assert [config.pop(name) for name in ("data.sources", "data.cache_dir")]
    assert found == wanted
    assert len(wanted["model"]) > 1000
