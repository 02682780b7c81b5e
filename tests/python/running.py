"""What the tests of the trainer are made of: a tiny run, in this process or in a forked one."""

import json
import os
import resource as limits
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import matplotlib.figure  # noqa: F401 - before the fork, so that no child has to
import transformers.models.t5.modeling_t5  # noqa: F401 - likewise
from chefgenius import callbacks, train
from chefgenius.callbacks import Callback
from chefgenius.cookbook import TOKENIZER
from chefgenius.model import compiling
from chefgenius.run import resume
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.signals import Stop
from chefgenius.settings import options
from chefgenius.training import build, dataset
from chefgenius.training.metrics import Logs
from chefgenius.training.trainer import Trainer
from faults.shim import Faults
from samples import recipes, write_lines

if TYPE_CHECKING:
    import pytest

COUNTING = "--counting"
"""among the arguments of a `Nursery`: the run has a callback with a state"""
TRACED = "--traced"
"""likewise: what `train.compile` compiles is traced and stays as it is, without machine code"""

MODEL = {
    "model_type": "t5",
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 1,
    "num_decoder_layers": 1,
    "num_heads": 2,
    "dropout_rate": 0.1,
}


def words(folder: Path, *overrides: str, run: str = "run") -> list[str]:
    """The command line of a tiny run in `folder/run`: 11 micro-batches in 6 steps an epoch, dropout on."""
    source = folder / "recipes.jsonl"
    if not source.exists():
        write_lines(source, recipes(50))
    return [
        f"run_dir={folder / run}",
        f"data.sources=[{source}]",
        f"data.tokenizer={TOKENIZER}",
        f"data.cache_dir={folder / 'stores'}",
        "data.batch_size=4",
        "data.validation_fraction=0.12",
        f"model.config={json.dumps(MODEL)}",
        "optim.warmup_steps=3",
        "train.gradient_accumulation_steps=2",
        "train.max_steps=10",
        "checkpoint.every_steps=3",
        "eval.every_steps=4",
        "eval.prompts=3",
        "eval.samples=2",
        "eval.max_new_tokens=5",
        "log.every_steps=1",
        "log.report=false",
        *overrides,
    ]


def run_here(folder: Path, *overrides: str, run: str = "run") -> int:
    """The command in this process; its exit code."""
    return train.main(words(folder, *overrides, run=run))


@contextmanager
def opened(
    folder: Path, *overrides: str, run: str = "run", callbacks: Sequence[Callback] = ()
) -> Iterator[Trainer]:
    """A tiny run up to the moment before `fit`, with callbacks of one's own."""
    config = options.load(None, words(folder, *overrides, run=run))
    with ExitStack() as closing:
        directory = RunDirectory(config.run_path)
        closing.callback(directory.lock().close)
        origin = resume.decide(directory, "auto", lambda text: None)
        data = dataset.prepare_data(config, lambda text: None)
        closing.callback(data.close)
        built = build.build_run(config, data, origin, lambda text: None)
        logs = Logs(config.run_path)
        closing.callback(logs.close)
        trainer = build.start(built, directory, logs, Stop(), callbacks)
        closing.enter_context(trainer.checkpoints)
        yield trainer


def outcome(run: Path) -> dict[str, Any]:
    """All that two equal runs have in common: the last checkpoint's tensors and memory, the logs."""
    last = RunDirectory(run).step_path(RunDirectory(run).steps()[0])
    sections = json.loads((last / "state.json").read_bytes())["sections"]
    del sections["config"]["run_dir"], sections["logs"]["timing.jsonl"]
    adapter, averages = last / "adapter_model.safetensors", last / "averages.safetensors"
    return {
        "checkpoint": last.name,
        "model": (adapter if adapter.exists() else last / "model.safetensors").read_bytes(),
        "averages": averages.read_bytes() if averages.exists() else b"",
        "optimizer": (last / "optim.safetensors").read_bytes(),
        "sections": sections,
        "metrics": (run / "metrics.jsonl").read_bytes(),
        "samples": (run / "samples.jsonl").read_bytes(),
    }


def assert_same_run(run: Path, expected: Path) -> None:
    """Weights, optimizer, memory and logs are bit-identical."""
    found, wanted = outcome(run), outcome(expected)
    assert len(wanted["model"]) > 1000
    assert len(wanted["metrics"]) > 100
    for name, value in wanted.items():
        assert found[name] == value, name


def answer(by: signal.Signals) -> str:
    """The line that a run in training has for the first request to stop."""
    return f"{by.name}: saving the last boundary, then ending; Ctrl-C from now on aborts at once\n"


def refused(capsys: "pytest.CaptureFixture[str]", code: int, expected: int) -> str:
    """The one line on stderr of a command that ended with this code."""
    error = capsys.readouterr().err
    assert code == expected, error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@dataclass
class Child:
    """A forked trainer; its output goes to two files."""

    pid: int
    stdout: Path
    stderr: Path
    code: int | None = None

    def kill(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float = 500) -> int:
        """The exit code; that of a signal is negative."""
        end = time.monotonic() + seconds
        while self.poll() is None:
            assert time.monotonic() < end, f"no end: {self.stdout.read_text()} {self.stderr.read_text()}"
            time.sleep(0.002)
        assert self.code is not None
        return self.code

    def wait_until(self, true: Callable[[], bool], seconds: float = 120) -> None:
        """Looks as often as it can; fails when the child ends before."""
        end = time.monotonic() + seconds
        while not true():
            assert self.poll() is None, f"ended: {self.stdout.read_text()} {self.stderr.read_text()}"
            assert time.monotonic() < end

    def poll(self) -> int | None:
        if self.code is None:
            done = Path(f"{self.stdout}.code")
            if done.exists() and (text := done.read_text()).endswith("\n"):
                self.code = int(text)
        return self.code


class Nursery:
    """A process that has imported everything and started no thread; the trainers it forks begin at once."""

    def __init__(self, folder: Path, shim: Path | None = None) -> None:
        self.folder = folder
        self.shim = shim
        """the library of `faults`, if its children may be armed"""
        self.count = 0
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "HF_HUB_OFFLINE": "1",
                **({"LD_PRELOAD": str(shim)} if shim is not None else {}),
            },
        )

    def start_ranks(self, size: int, *arguments: str) -> list[Child]:
        """The same as so many processes of one run, as `torchrun` would start them."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(size)}
        return [self.start(*arguments, environment={**meeting, "RANK": str(rank)}) for rank in range(size)]

    def start(
        self,
        *arguments: str,
        file_size: int | None = None,
        faults: Faults | None = None,
        environment: dict[str, str] | None = None,
    ) -> Child:
        """`python -m chefgenius.train` with these arguments; no file may grow beyond `file_size` bytes."""
        assert faults is None or self.shim is not None, "this nursery cannot break anything"
        self.count += 1
        output = self.folder / f"child-{self.count}.out", self.folder / f"child-{self.count}.err"
        order = {
            "arguments": arguments,
            "output": [str(path) for path in output],
            "file_size": file_size,
            "environment": environment or {},
            "faults": None if faults is None else faults.order(),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Child(int(self._process.stdout.readline()), *output)

    def close(self) -> None:
        self._process.communicate(timeout=60)


def _serve() -> None:
    """The nursery's own loop: one order a line, one process each, a file with its exit code at its end."""
    assert threading.active_count() == 1
    codes: dict[int, str] = {}

    def reap(*_: object) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            Path(codes[pid]).write_text(f"{os.waitstatus_to_exitcode(status)}\n")

    signal.signal(signal.SIGCHLD, reap)
    for line in sys.stdin:
        order = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        if (pid := os.fork()) == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            _train(order)
        codes[pid] = f"{order['output'][0]}.code"
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        print(pid, flush=True)


def _count() -> None:
    """Gives this process's runs a callback with a state."""
    from fitting import Counting

    plain = callbacks.choose_callbacks
    callbacks.choose_callbacks = lambda *given: [Counting(), *plain(*given)]


def _train(order: dict[str, Any]) -> NoReturn:
    """The command in a forked process, which ends with it instead of going back into its parent's loop."""
    code = 70
    try:
        if COUNTING in order["arguments"]:
            order["arguments"].remove(COUNTING)
            _count()
        if TRACED in order["arguments"]:
            order["arguments"].remove(TRACED)
            compiling.BACKEND = "eager"
        for number, path in zip((1, 2), order["output"], strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        if (most := order["file_size"]) is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            limits.setrlimit(limits.RLIMIT_FSIZE, (most, most))
        os.environ.update(order["environment"])
        if order["faults"] is not None:
            Faults.of(order["faults"]).arm()
        code = train.main(order["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
