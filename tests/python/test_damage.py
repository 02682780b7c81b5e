"""Whatever befell the files of the newest checkpoint is found, and the run goes on from the right one.

One run is made and copied for each case. What a file holds may be wrong, or it cannot be read: then it stays.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from chefgenius.run import resume
from chefgenius.run.rundir import RunDirectory
from faults.shim import Faults
from running import Nursery, assert_same_run, words
from samples import run_python

QUICK = ("train.max_steps=6", "eval.every_steps=4", "eval.prompts=2", "checkpoint.every_steps=2")
OLDER, NEWEST = 2, 4


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[random.Random(file.name).randrange(len(data))] ^= 1 << 4
    file.write_bytes(data)


def from_another_step(file: Path) -> None:
    shutil.copyfile(RunDirectory(file.parents[2]).step_path(OLDER) / file.name, file)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "truncated": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "one bit flipped": flipped,
    "from another step": from_another_step,
    "zero-length": lambda file: file.write_bytes(b""),
}
UNREADABLE = {"unreadable": False, "impossible to open": True}
"""by the shim, with EIO; whether on opening"""


@dataclass(frozen=True)
class Ruined:
    """A run that was killed with two checkpoints, and its twin that was left alone."""

    folder: Path

    @property
    def files(self) -> list[str]:
        """Those of a checkpoint."""
        return sorted(path.name for path in RunDirectory(self.folder / "killed").step_path(NEWEST).iterdir())

    def copy(self, name: str) -> RunDirectory:
        return RunDirectory(shutil.copytree(self.folder / "killed", self.folder / name))

    def is_the_same(self, file: str) -> bool:
        """Whether the file is equal in both checkpoints, as the tokenizer is."""
        run = RunDirectory(self.folder / "killed")
        return (run.step_path(OLDER) / file).read_bytes() == (run.step_path(NEWEST) / file).read_bytes()

    def cases(self) -> list[tuple[str, str]]:
        """File and damage, each with each, but for a file in its own place."""
        every = [(file, kind) for kind in (*DAMAGE, *UNREADABLE) for file in self.files]
        return [one for one in every if not (one[1] == "from another step" and self.is_the_same(one[0]))]

    def go_on(self, nursery: Nursery, file: str, kind: str) -> None:
        """Damages a copy, goes on to its end and compares that with the twin's."""
        run = self.copy(f"{kind} {file}")
        struck = run.step_path(NEWEST) / file
        faults = None
        if kind in DAMAGE:
            DAMAGE[kind](struck)
        else:
            faults = Faults(root=str(run.path), unreadable=below(run, struck), on_open=UNREADABLE[kind])
        child = nursery.start(*words(self.folder, *QUICK, run=run.path.name), faults=faults)
        assert child.wait() == 0, child.stderr.read_text()
        told = child.stdout.read_text().replace("\n", "")
        assert f"going on from {run.step_path(OLDER)}" in told
        assert_same_run(run.path, self.folder / "whole")
        shutil.rmtree(run.path)


def below(run: RunDirectory, file: Path) -> str:
    return str(file.relative_to(run.path))


@pytest.fixture(scope="module")
def ruined(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Ruined:
    if nursery.shim is None:
        pytest.skip("without a C compiler `cc` no file can be made unreadable")
    made = Ruined(tmp_path_factory.mktemp("ruined"))
    whole = nursery.start(*words(made.folder, *QUICK, run="whole"))
    assert whole.wait() == 0, whole.stderr.read_text()
    kill = Faults(root=str(made.folder / "killed"), strike="mkdir *.tmp-step-00000006", signal=9)
    assert nursery.start(*words(made.folder, *QUICK, run="killed"), faults=kill).wait() == -9
    assert RunDirectory(made.folder / "killed").steps() == [NEWEST, OLDER]
    return made


def test_every_damaged_file_gives_way_to_the_older_checkpoint(ruined: Ruined) -> None:
    """It is set aside with the reason, which names the file."""
    cases = [(file, kind) for file, kind in ruined.cases() if kind in DAMAGE]
    for number, (file, kind) in enumerate(cases):
        run = ruined.copy(f"damage-{number}")
        DAMAGE[kind](run.step_path(NEWEST) / file)
        told: list[str] = []
        origin = resume.decide(run, "auto", told.append)
        assert origin is not None
        assert origin.step == OLDER, (file, kind)
        aside = run.checkpoints / f"corrupt-{run.step_path(NEWEST).name}"
        assert (run.steps(), run.set_aside()) == ([OLDER], [aside])
        reason = (aside / "reason.txt").read_text().strip()
        assert f": {reason}" in told[0]
        if (file, kind) != ("manifest.json", "from another step"):  # then it is the others that do not fit
            assert f"`{file}`" in reason
        shutil.rmtree(run.path)
    print(f"damage: {len(cases)} of {len(cases)} found")
    assert len(cases) >= 5 * len(ruined.files) - 6
    assert {"model.safetensors", "optim.safetensors", "state.json", "manifest.json"} <= {*ruined.files}


EVERY = """
from pathlib import Path
from faults.shim import Faults
from chefgenius.run.resume import decide
from chefgenius.run.rundir import RunDirectory

folder, *files = sys.argv[1:]
run = RunDirectory(Path(folder))
for file in files:
    for on_open in (False, True):
        Faults(root=folder, unreadable=f"checkpoints/step-00000004/{file}", on_open=on_open).arm()
        told = []
        print(file, decide(run, "auto", told.append).step, run.steps(), run.set_aside(), *told)
Faults(root=folder, unreadable="nothing").arm()
print("recovered", decide(run, "auto", print).step)
"""


def test_every_unreadable_file_gives_way_and_stays(ruined: Ruined, faulty: Nursery) -> None:
    """A disk that fails says nothing of what is on it: once it has recovered, the newest is taken."""
    run = ruined.copy("unreadable")
    lines = run_python(EVERY, run.path, *ruined.files, preload=faulty.shim).splitlines()
    assert lines.pop() == f"recovered {NEWEST}"
    assert len(lines) == len(UNREADABLE) * len(ruined.files)
    for number, line in enumerate(lines):
        assert line.startswith(f"{ruined.files[number // 2]} {OLDER} [{NEWEST}, {OLDER}] [] checkpoint `")
        assert "cannot be read: " in line
        assert "Input/output error" in line
    print(f"unreadable: {len(lines)} of {len(lines)} found")


def test_a_run_with_a_damaged_checkpoint_ends_bit_identical(ruined: Ruined, faulty: Nursery) -> None:
    """Each kind of damage once, and each file of which a run reads more than its checksum."""
    files = "model.safetensors", "optim.safetensors", "state.json", "manifest.json"
    for number, kind in enumerate((*DAMAGE, *UNREADABLE)):
        file = files[number % len(files)]
        ruined.go_on(faulty, file, kind)


@pytest.mark.long
def test_every_run_with_a_damaged_checkpoint_ends_bit_identical(ruined: Ruined, faulty: Nursery) -> None:
    cases = ruined.cases()
    for file, kind in cases:
        ruined.go_on(faulty, file, kind)
    print(f"damage: {len(cases)} of {len(cases)} end bit-identical")
