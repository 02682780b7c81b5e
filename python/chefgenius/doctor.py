"""The command `doctor`: whether this machine can train, and whether a killed run goes on exactly on it.

1. What is known without torch is looked at first: Python, versions, the extension, extras, memory, disk.
2. `selftest` runs in a process of its own; what torch says of CUDA and threads comes from there too.
3. Each finding is a line: ok, a note that nothing depends on, or a failure, which makes the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from chefgenius.command import Parser, finish, page

NEEDED = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pydantic")
EXTRAS = {
    "lora": ("peft",),
    "metrics": ("sacrebleu", "rouge_score"),
    "track": ("tensorboard", "wandb"),
    "cuda": ("torchao",),
}
STYLES = {"ok": "green", "note": "yellow", "FAIL": "bold red"}
ROOM, SLOW, PROBE = 2 * 10**9, 2.0, 8 << 20
"""bytes that should be free, seconds for the bytes that are written and fsynced"""


@dataclass(frozen=True)
class Finding:
    """One line."""

    status: Literal["ok", "note", "FAIL"]
    what: str
    told: str


def parser() -> Parser:
    """The command's options."""
    made = page(
        "doctor",
        "[DIR] [--quick] [--json]",
        "Look at machine, versions, build, disk, CUDA, threads and extras; then train a\n"
        "tiny model, kill it, go on, and compare it to the byte with a run that was\n"
        "never killed. About 20 seconds; the exit code is 1 where something failed.",
        "chefgenius doctor runs",
    )
    add = made.add_argument
    add("directory", nargs="?", type=Path, default=Path(), metavar="DIR", help="whose disk is tried")
    add("--quick", action="store_true", help="without the trial of a resume")
    add("--json", action="store_true", help="a JSON list instead of lines")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = parser().parse_args(arguments)
    return finish(lambda: examine(options))


def examine(options: argparse.Namespace) -> int:
    """Look, and print each finding as it comes."""
    from chefgenius.console.screen import paint

    found = []
    for one in findings(options.directory, quick=options.quick):
        found.append(one)
        if not options.json:
            paint([f"{one.status:<4}  {one.what:<10}  {one.told}"], sys.stdout, STYLES[one.status])
            sys.stdout.flush()
    failed = sum(one.status == "FAIL" for one in found)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    elif failed:
        paint([f"{failed} of {len(found)} checks failed"], sys.stdout, STYLES["FAIL"])
    else:
        print("all is well")
    return int(failed > 0)


def findings(directory: Path, *, quick: bool = False) -> Iterator[Finding]:
    """Everything, in the order of a reader's questions."""
    yield of_python()
    yield of_machine()
    yield of_versions()
    yield of_build()
    yield of_disk(directory)
    yield from of_torch(directory, quick=quick)
    yield of_extras()


def of_python() -> Finding:
    """Python and the system."""
    fit = sys.version_info >= (3, 11)
    told = f"{platform.python_version()} on {platform.system()} {platform.release()}, {platform.machine()}"
    return Finding("ok" if fit else "FAIL", "python", told if fit else f"{told}: 3.11 or later is needed")


def of_machine() -> Finding:
    """Cores that this process may use, and memory."""
    import psutil  # type: ignore[import-untyped]

    from chefgenius.console.screen import gigabytes

    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    told = f"{cores} cores, {gigabytes(memory.total)} of memory, {gigabytes(memory.available)} free"
    return Finding("ok" if memory.available > 10**9 else "note", "machine", told)


def of_versions() -> Finding:
    """The packages that are needed, against what chefgenius asks for."""
    there, wrong = [], []
    for name in NEEDED:
        try:
            there.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            wrong.append(f"{name} is not installed")
    wrong += unfit()
    if wrong:
        return Finding("FAIL", "versions", f"{'; '.join(wrong)}: `pip install --upgrade chefgenius`")
    return Finding("ok", "versions", ", ".join(there))


def unfit(name: str = "chefgenius") -> list[str]:
    """The requirements of an installed package that are not met; none where it was not installed by pip."""
    from packaging.requirements import Requirement

    try:
        asked = [Requirement(one) for one in requires(name) or ()]
    except PackageNotFoundError:
        return []
    wrong = []
    for one in asked:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            if not one.specifier.contains(version(one.name), prereleases=True):
                wrong.append(f"{one.name} is {version(one.name)}, needed is {one.specifier}")
        except PackageNotFoundError:
            wrong.append(f"{one.name} is not installed")
    return wrong


def of_build() -> Finding:
    """The extension: there, and built in release mode."""
    try:
        debug = bool(import_module("chefgenius._core").DEBUG_BUILD)
    except ImportError as error:
        return Finding("FAIL", "build", f"it cannot be loaded: {error}: `maturin develop --release`")
    if debug:
        return Finding("FAIL", "build", "debug, many times slower: `maturin develop --release`")
    return Finding("ok", "build", "release")


def of_disk(directory: Path) -> Finding:
    """Room, and how long bytes take to the disk and through to it."""
    from chefgenius.console.screen import gigabytes

    there = next(one for one in (directory, *directory.absolute().parents) if one.exists())
    try:
        system = os.statvfs(there)
        with TemporaryDirectory(dir=there, prefix=".chefgenius-doctor-") as folder:
            data, began = os.urandom(PROBE), time.perf_counter()
            with open(Path(folder) / "probe", "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            seconds = time.perf_counter() - began
    except OSError as error:
        return Finding("FAIL", "disk", f"`{there}` cannot be written to: {error.strerror}")
    free = system.f_bavail * system.f_frsize
    told = f"{gigabytes(free)} free at `{there.absolute()}`; "
    told += f"{gigabytes(PROBE)} written and fsynced in {1000 * seconds:.0f} ms"
    if free < ROOM or seconds > SLOW:
        return Finding("note", "disk", f"{told}: {'little room' if free < ROOM else 'slow'} for checkpoints")
    return Finding("ok", "disk", told)


def of_extras() -> Finding:
    """The optional packages."""
    missing = [extra for extra, names in EXTRAS.items() if not all(find_spec(name) for name in names)]
    there = ", ".join(extra for extra in EXTRAS if extra not in missing) or "none"
    if not missing:
        return Finding("ok", "extras", there)
    return Finding("note", "extras", f"{there}; others: `pip install 'chefgenius[{','.join(missing)}]'`")


def of_torch(directory: Path, *, quick: bool) -> Iterator[Finding]:
    """CUDA and threads, and the trial of a resume on the same disk."""
    from chefgenius.console.screen import bar
    from chefgenius.selftest import STEPS

    there = next(one for one in (directory, *directory.absolute().parents) if one.exists())
    began = time.monotonic()
    with (
        TemporaryDirectory(dir=there, prefix=".chefgenius-doctor-") as folder,
        bar("trying an exact resume" if not quick else "asking torch", 2 * STEPS) as advance,
    ):
        told, problem = _ask([] if quick else [folder], advance)
    if problem:
        yield Finding("FAIL", "torch", problem)
        return
    if told["devices"]:
        kinds = ", ".join(told["devices"])
        yield Finding("ok", "cuda", f"{told['cuda']}: {kinds}{', bf16' if told['bf16'] else ', no bf16'}")
    else:
        yield Finding("note", "cuda", "no device: training is on the CPU")
    limit = os.environ.get("OMP_NUM_THREADS")
    limited = "" if limit is None else f", as OMP_NUM_THREADS={limit} says"
    yield Finding("ok", "threads", f"{told['threads']} in torch{limited}; a small model is trained by one")
    if not quick:
        yield of_resume(told, time.monotonic() - began)


def of_resume(told: dict[str, Any], seconds: float) -> Finding:
    """What came of the trial."""
    if told.get("problem"):
        return Finding("FAIL", "resume", str(told["problem"]))
    if told["differing"]:
        return Finding(
            "FAIL",
            "resume",
            f"killed at step {told['killed_at']}, went on from {told['resumed_from']}, and differs in "
            f"{', '.join(told['differing'])}: please report this with the lines above",
        )
    return Finding(
        "ok",
        "resume",
        f"killed at step {told['killed_at']}, went on from step {told['resumed_from']}, equal to the byte "
        f"after {told['steps']} steps ({seconds:.0f} s)",
    )


def _ask(folders: list[str], advance: Callable[[int], None]) -> tuple[dict[str, Any], str]:
    """What the other process tells at last, and why it did not, if so."""
    command = [sys.executable, "-m", "chefgenius.selftest", *folders]
    told: dict[str, Any] = {}
    with (
        TemporaryDirectory() as scratch,
        open(Path(scratch) / "errors", "w+b") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            values = json.loads(line)
            if "done" in values:
                advance(values["done"])
            else:
                told = values
        process.wait()
        errors.seek(0)
        last = errors.read().decode(errors="replace").strip().splitlines()[-1:]
    if told:
        return told, ""
    return told, f"cannot be used: {last[0] if last else f'exit code {process.returncode}'}"


if __name__ == "__main__":
    sys.exit(main())
