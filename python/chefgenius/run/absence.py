"""What is to be said of a run that has no checkpoint: none yet, none any more, or only damaged ones.

Nothing here imports torch.
"""

from pathlib import Path

from chefgenius.run.descent import read_descent
from chefgenius.run.logbook import last_step
from chefgenius.run.rundir import RUN_SCHEMA, RunDirectory, read_run_facts
from chefgenius.run.state import ResumeError

YET = "no checkpoint yet"
_REMEDY = "restore them from a copy, or choose another `run_dir`"


def is_stripped(path: Path) -> bool:
    """Whether it is the directory of a run whose `checkpoints` somebody removed."""
    if (path / "checkpoints").is_dir():
        return False
    files = all((path / name).is_file() for name in ("metrics.jsonl", "config.yaml"))
    return files or read_run_facts(path).get("schema") == RUN_SCHEMA


def why_none(path: Path) -> str:
    """Of a run without a checkpoint to take: why there is none, and what to do where that is to be mended."""
    run = RunDirectory(path)
    if run.steps() or run.set_aside():
        return f"run `{path}` has no whole checkpoint: look at it with `chefgenius ckpt ls {path}`"
    if is_stripped(path):
        return f"the checkpoints of run `{path}` are gone, with `checkpoints` itself: {_REMEDY}"
    if were_there(path):
        return f"the checkpoints of run `{path}` are gone, its metrics.jsonl tells of steps: {_REMEDY}"
    return f"run `{path}` has {YET}: wait for its first one, or start it"


def were_there(path: Path) -> bool:
    """Whether the log tells of a step of the run's own: its first checkpoint stood before that."""
    try:
        descent = read_descent(path)
    except ResumeError:
        descent = None
    return last_step(path) > (0 if descent is None else descent.step)
