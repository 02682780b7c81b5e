"""Whether a run that is killed goes on exactly, tried here and now; for `doctor`, in a process of its own.

1. A tiny run goes to its end; the same run is killed by SIGKILL in its middle, and a third process goes on.
2. `differing` names what is not equal to the byte: weights, optimizer, memory, metrics, samples.
3. `python -m chefgenius.selftest FOLDER` prints JSON lines: how far it is, and at last what came of it, with
   what torch says of the machine.

Torch is imported once; the trainers are forks of that process, which has started no thread.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from chefgenius.cookbook import RECIPES, TOKENIZER
from chefgenius.run.rundir import RunDirectory

STEPS, EVERY, RECORDS = 60, 20, 96
PATIENCE = 120.0
"""seconds after which a trainer counts as hung"""
MODEL = {
    "model_type": "t5", "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_decoder_layers": 1,
    "num_heads": 2, "dropout_rate": 0.1,
}  # fmt: skip


class SelfTestError(Exception):
    """The test could not be carried out; the message says why."""


def try_resume(folder: Path, advance: Callable[[int], None]) -> dict[str, Any]:
    """Train, kill and go on, in an empty folder; what came of it. `advance` is told steps of 2 * STEPS.

    Raises SelfTestError, OSError.
    """
    with gzip.open(RECIPES, "rt", encoding="utf-8") as lines:
        (folder / "recipes.jsonl").write_text("".join(itertools.islice(lines, RECORDS)), encoding="utf-8")
    whole = _Trainer(folder, "whole")
    whole.wait(lambda: advance(_logged(whole.run)))
    victim = _Trainer(folder, "killed")
    killed_at = victim.kill_after(EVERY, lambda: advance(STEPS + _logged(victim.run)))
    resumed_from = RunDirectory(victim.run).steps()[0]
    again = _Trainer(folder, "killed")
    again.wait(lambda: advance(STEPS + _logged(again.run)))
    return {
        "steps": STEPS,
        "killed_at": killed_at,
        "resumed_from": resumed_from,
        "differing": differing(whole.run, again.run),
    }


def differing(one: Path, other: Path) -> list[str]:
    """The parts of two finished runs that are not equal to the byte; places and times do not count."""
    parts, others = _parts(one), _parts(other)
    return [name for name in parts if parts[name] != others.get(name)]


def machine() -> dict[str, Any]:
    """What torch says of the machine; starts CUDA where there is one."""
    import torch
    import transformers

    devices = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cuda": torch.version.cuda,
        "devices": devices,
        "bf16": bool(devices) and torch.cuda.is_bf16_supported(),
        "threads": torch.get_num_threads(),
    }


class _Trainer:
    """The command `train` in a fork of this process; its output goes to a file."""

    def __init__(self, folder: Path, name: str) -> None:
        self.run, self._output = folder / name, folder / f"{name}.out"
        self._began = time.monotonic()
        words = [
            f"run_dir={self.run}",
            f"data.sources=[{json.dumps(str(folder / 'recipes.jsonl'))}]",
            f"data.tokenizer={TOKENIZER}",
            f"data.cache_dir={folder / 'stores'}",
            "data.batch_size=2",
            f"model.config={json.dumps(MODEL)}",
            "train.gradient_accumulation_steps=2",
            f"train.max_steps={STEPS}",
            "train.device=cpu",
            f"checkpoint.every_steps={EVERY}",
            "eval.every_steps=30",
            "eval.prompts=2",
            "eval.max_new_tokens=8",
            "log.every_steps=1",
            "log.report=false",
            "log.report=false",
        ]
        self._pid = os.fork()
        if self._pid == 0:
            self._become(words)

    def wait(self, tick: Callable[[], None]) -> None:
        """Until it ends, well."""
        while (code := self._poll()) is None:
            tick()
        if code:
            raise SelfTestError(f"a tiny run ended with {code}: {self._last_words()}")

    def kill_after(self, step: int, tick: Callable[[], None]) -> int:
        """SIGKILL some steps after the checkpoint of this step; the last step in its log then."""
        while _logged(self.run) < step + 5 or max(RunDirectory(self.run).steps(), default=0) < step:
            if (code := self._poll()) is not None:
                raise SelfTestError(f"a tiny run ended with {code}: {self._last_words()}")
            tick()
        os.kill(self._pid, signal.SIGKILL)
        _, status = os.waitpid(self._pid, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            raise SelfTestError("a tiny run was over before it could be killed")
        return _logged(self.run)

    def _become(self, words: list[str]) -> NoReturn:
        code = 70
        try:
            output = os.open(self._output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdout = sys.stderr = os.fdopen(output, "w")
            from chefgenius.train import main

            code = main(words)
            sys.stdout.flush()
        finally:
            os._exit(code)

    def _poll(self) -> int | None:
        """Its exit code once it has ended; waits a moment else."""
        done, status = os.waitpid(self._pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() - self._began > PATIENCE:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            raise SelfTestError(f"a tiny run took more than {PATIENCE:.0f} s: {self._last_words()}")
        time.sleep(0.005)
        return None

    def _last_words(self) -> str:
        lines = self._output.read_text(errors="replace").splitlines() if self._output.exists() else []
        return lines[-1] if lines else "it said nothing"


def _logged(run: Path) -> int:
    """The last step in the log; 0 before the first."""
    try:
        return (run / "metrics.jsonl").read_bytes().count(b'"kind": "step"')
    except FileNotFoundError:
        return 0


def _parts(run: Path) -> dict[str, Any]:
    step = RunDirectory(run).steps()[0]
    last = RunDirectory(run).step_path(step)
    sections = json.loads((last / "state.json").read_bytes())["sections"]
    del sections["config"]["run_dir"], sections["logs"]["timing.jsonl"]
    files = {name: (run / name).read_bytes() for name in ("metrics.jsonl", "samples.jsonl")}
    tensors = {name: (last / f"{name}.safetensors").read_bytes() for name in ("model", "optim")}
    return {"step": step, **tensors, **files, **{f"section {name}": one for name, one in sections.items()}}


def main(arguments: list[str] | None = None) -> int:
    """Try it in a folder, or without one only say what torch says; 1 where anything differs."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    for name in (
        "torch",
        "matplotlib.figure",
        "transformers.models.t5.modeling_t5",
        "chefgenius.training.build",
    ):
        import_module(name)  # before the forks, which would import it each
    told: dict[str, Any] = {}
    for folder in sys.argv[1:] if arguments is None else arguments:
        try:
            told = try_resume(Path(folder), lambda done: print(json.dumps({"done": done}), flush=True))
        except SelfTestError as error:
            told = {"differing": [], "problem": str(error)}
    print(json.dumps({**told, **machine()}), flush=True)
    return int(bool(told.get("differing") or told.get("problem")))


if __name__ == "__main__":
    sys.exit(main())
