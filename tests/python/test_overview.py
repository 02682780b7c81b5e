"""The table of runs, without torch."""

import json
from pathlib import Path

import chefgenius
import pytest
from chefgenius.overview import look_at, runs
from chefgenius.run.inventory import NotFoundError
from chefgenius.run.rundir import RunDirectory
from samples import run_python
from stored import add_checkpoint


def evaluated(path: Path, **losses: float) -> None:
    lines = [
        {"kind": "evaluation", "step": int(step[1:]), "validation_loss": loss}
        for step, loss in losses.items()
    ]
    (path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    one, two = RunDirectory(tmp_path / "a"), RunDirectory(tmp_path / "b")
    for step in (3, 6, 9):
        add_checkpoint(one, step, best_step=6)
    evaluated(one.path, s3=2.5, s6=1.5, s9=1.75)
    (one.path / "run.json").write_text(json.dumps({"total_steps": 1200, "finished": 9, "exact": True}))
    add_checkpoint(two, 4)
    (two.path / "run.json").write_text(json.dumps({"total_steps": "?", "finished": None, "exact": False}))
    RunDirectory(tmp_path / "c").checkpoints.mkdir(parents=True)
    (tmp_path / "stores").mkdir()
    (tmp_path / "notes.txt").touch()
    return tmp_path


def test_every_run_is_in_the_table(folder: Path) -> None:
    found = chefgenius.runs(folder)
    assert [one.path.name for one in found] == ["a", "b", "c"]
    one, two, empty = found
    assert (one.step, one.total_steps, one.finished, one.exact) == (9, 1200, True, True)
    assert (one.metric, one.best, one.best_step) == ("validation_loss", 1.5, 6)
    assert (two.step, two.total_steps, two.finished, two.exact, two.best) == (4, None, False, False, None)
    assert (empty.step, empty.saved, empty.size, empty.exact) == (None, None, 0, None)
    (empty.path / "run.json").write_text('{"exact": true}')
    assert look_at(empty.path).exact is None, "nothing was done yet"
    (two.path / "run.json").write_bytes(b"")
    assert look_at(two.path).exact is None
    add_checkpoint(RunDirectory(two.path), 5, exactness={"changes": []})
    assert look_at(two.path).exact is True, "by its newest checkpoint"
    head, *rows = repr(found).splitlines()
    assert head.split() == ["run", "step", "of", "best", "at", "step", "exact", "saved", "size"]
    assert rows[0].split()[:7] == ["a", "9", "1,200,", "done", "1.5000", "6", "yes"]
    assert rows[1].split()[:3] == ["b", "4", "no"]
    assert rows[2].split() == ["c", "none", "-", "0", "bytes"]


def test_one_run_is_a_table_too(folder: Path) -> None:
    assert runs(folder / "a") == [look_at(folder / "a")]
    (folder / "none").mkdir()
    assert repr(runs(folder / "none")) == "no runs"
    with pytest.raises(FileNotFoundError, match="no such directory"):
        runs(folder / "nowhere")
    with pytest.raises(NotFoundError, match="no run in"):
        look_at(folder / "none")
    assert repr(RunDirectory(folder / "a")) == f"RunDirectory('{folder / 'a'}', newest step 9 of 3)"
    assert repr(RunDirectory(folder / "c")) == f"RunDirectory('{folder / 'c'}', no checkpoint)"


def test_it_needs_no_torch(folder: Path) -> None:
    code = "import chefgenius; print(chefgenius.runs(sys.argv[1])); print('torch' in sys.modules)"
    assert run_python(code, folder).splitlines()[-1] == "False"
