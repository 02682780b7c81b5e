"""A disk that is full, or fails, at any operation of a save costs nothing that was saved.

Where the disk stays that way the run ends with 74, and the next start goes on to the same end. Where only one
operation failed, it is tried once more and the run does not stop. One run is made, and copied for each case.
"""

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from chefgenius.run.rundir import RunDirectory
from faults.shim import SAVE, Faults, operations
from running import Child, Nursery, assert_same_run, words

QUICK = ("train.max_steps=6", "eval.every_steps=4", "eval.prompts=2", "checkpoint.every_steps=2")
ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
FOR_GOOD = 1_000_000
"""operations, more than there are"""


@dataclass(frozen=True)
class Struck:
    """A run that was killed before a save, its twin that was left alone, and all that the save is made of."""

    nursery: Nursery
    folder: Path
    first: int
    """number of the save's first operation among those of `SAVE`, in a process that goes on with the run"""
    save: list[str]
    """its operations, with what is then retired"""

    def start(self, number: int | None = None, error: int = 0, times: int = 1) -> Child:
        """The same command each time; `number` is that of the save's operation that fails, the first one."""
        faults = None
        if number is not None:
            root, first = str(self.folder / "runs"), self.first + number
            faults = Faults(root=root, strike=SAVE, first=first, times=times, error=error)
        return self.nursery.start(*words(self.folder, *QUICK, run="runs/struck"), faults=faults)

    def numbers(self, every: int) -> range:
        """Of the save's operations, each `every`-th, the last among them."""
        return range((len(self.save) - 1) % every, len(self.save), every)

    def anew(self) -> RunDirectory:
        run = RunDirectory(self.folder / "runs" / "struck")
        shutil.rmtree(run.path)
        shutil.copytree(self.folder / "killed", run.path)
        return run

    def assert_recovers(self, number: int, error: int) -> None:
        """From an operation that fails, as every one after it does."""
        run, told = self.anew(), f"{os.strerror(error)} from `{self.save[number]}` on"
        child = self.start(number, error, FOR_GOOD)
        assert child.wait() == 74, f"{told}: {child.stderr.read_text()}"
        assert os.strerror(error) in child.stderr.read_text()
        assert run.steps()
        for step in run.steps():
            run.verify(step)
        child = self.start()
        assert child.wait() == 0, f"{told}: {child.stderr.read_text()}"
        self.assert_whole(run)

    def assert_goes_on(self, number: int, error: int) -> None:
        """After an operation that fails alone."""
        run = self.anew()
        child = self.start(number, error)
        code = child.wait()
        told = f"{os.strerror(error)} at `{self.save[number]}`: {child.stderr.read_text()}"
        assert code == 0, told
        assert os.strerror(error) in child.stdout.read_text(), told
        self.assert_whole(run)

    def assert_whole(self, run: RunDirectory) -> None:
        assert_same_run(run.path, self.folder / "whole")
        assert not [*run.path.rglob(".*")], "something is left behind"
        assert run.steps() == RunDirectory(self.folder / "whole").steps()


def is_of_a_save(text: str) -> bool:
    """What `SAVE` matches, in the shim's own words."""
    return "checkpoints/" in text or (text.startswith("fsync ") and text.endswith(("checkpoints", ".jsonl")))


@pytest.fixture(scope="module")
def struck(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Struck:
    if nursery.shim is None:
        pytest.skip("without a C compiler `cc` no file operation can fail")
    folder = tmp_path_factory.mktemp("disk-errors")
    (folder / "runs").mkdir()
    line = words(folder, *QUICK, run="runs/struck")
    kill = Faults(root=str(folder / "runs"), strike="mkdir *.tmp-step-00000004", signal=9)
    assert nursery.start(*line, faults=kill).wait() == -9
    shutil.copytree(folder / "runs" / "struck", folder / "killed")
    child = nursery.start(*line, faults=Faults(root=str(folder / "runs"), trace=str(folder / "trace")))
    assert child.wait() == 0, child.stderr.read_text()
    assert nursery.start(*words(folder, *QUICK, run="whole")).wait() == 0
    texts = [str(one) for one in operations(folder / "trace")]
    texts = [text for text in texts if is_of_a_save(text)]
    first = texts.index("mkdir struck/checkpoints/.tmp-step-00000004")
    end = texts.index("rmdir struck/checkpoints/.trash-step-00000000") + 1
    return Struck(nursery, folder, first, texts[first:end])


def test_the_save_is_struck_at_all_that_it_does(struck: Struck) -> None:
    """Directory, files, manifest, logs, the rename and what it retires."""
    names = {text.split()[0] for text in struck.save}
    assert names == {"mkdir", "create", "write", "fsync", "rename", "unlink", "rmdir"}
    assert len(struck.save) >= 40
    struck.anew()
    child = struck.start(0, errno.EACCES)  # nothing that room or a second try may mend
    assert child.wait() == 74
    assert ".tmp-step-00000004`: Permission denied" in child.stderr.read_text()


@pytest.mark.parametrize(
    ("every", "errors"),
    [(14, [errno.EIO]), pytest.param(1, ERRORS, marks=pytest.mark.long)],
    ids=["some", "every"],
)
def test_a_disk_that_fails_for_good_loses_nothing(
    struck: Struck, every: int, errors: tuple[int, ...]
) -> None:
    cases = [(number, error) for error in errors for number in struck.numbers(every)]
    for number, error in cases:
        struck.assert_recovers(number, error)
    print(f"disk errors that stay: {len(cases)} of {len(cases)} lost nothing")
    assert len(cases) >= len(errors) * len(struck.save) // every


@pytest.mark.parametrize(
    ("every", "errors"),
    [(9, [errno.ENOSPC]), pytest.param(1, ERRORS, marks=pytest.mark.long)],
    ids=["some", "every"],
)
def test_an_error_that_passes_does_not_stop_a_run(
    struck: Struck, every: int, errors: tuple[int, ...]
) -> None:
    cases = [(number, error) for error in errors for number in struck.numbers(every)]
    for number, error in cases:
        struck.assert_goes_on(number, error)
    print(f"disk errors that pass: {len(cases)} of {len(cases)} went on")
    assert len(cases) >= len(errors) * len(struck.save) // every
