"""`python -m chefgenius.train`: parse, build, fit, close.

Exit codes: 0 done, 1 an error of the model or of a callback, 2 bad configuration or input, 3 resume refused,
4 diverged, 74 input/output, 75 stopped on request: start the same command again, 130 aborted.
"""

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chefgenius.run.signals import Stop, StopRequested, guard, ignore

if __name__ == "__main__":  # before the other imports, which take half a second
    guard()

from chefgenius import commandline
from chefgenius.command import MISNAMED, by_lines, hush
from chefgenius.data.store import ChefGeniusError
from chefgenius.run import decision, resume
from chefgenius.run.descent import Weights
from chefgenius.run.differences import DifferentRunError
from chefgenius.run.manifest import STDOUT, named_errors
from chefgenius.run.rundir import RunDirectory
from chefgenius.run.state import DivergedError, RunError, printable
from chefgenius.run.world import World
from chefgenius.settings import options
from chefgenius.settings.config import Config, ConfigError
from chefgenius.training import explain
from chefgenius.training.ranks import RankError, Ranks

INPUT, IO, ABORTED = 2, 74, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    with Stop() as stop, report_errors() as report, stop.heard():
        world = World.from_environment()
        report.rank = stop.rank = world.rank
        line = commandline.parse(sys.argv[1:] if arguments is None else arguments)
        report.looks = line.explain or line.print_config
        by_lines()
        if line.resume == "never":
            report.again = "start again without `--resume never`"
        config = options.load(line.file, line.overrides)
        if line.print_config:
            print(options.to_yaml(config), end="", flush=True) if world.leads else None
        elif world.leads or not line.explain:
            world.check(config)
            run(config, line, stop, world)
    return report.code


def run(config: Config, line: commandline.CommandLine, stop: Stop, world: World) -> None:
    """Trains as configured, or tells what it would do. Raises what `report_errors` knows how to tell.

    Of several processes rank 0 locks the run directory, decides and prepares; the others follow it.
    """
    with ExitStack() as closing:
        ranks = closing.enter_context(Ranks(World() if line.explain else world, stop))
        directory = RunDirectory(config.run_path)

        def decide() -> tuple[resume.Origin | None, Weights | None]:
            if line.explain:
                directory.refuse_if_locked()
            else:
                closing.callback(directory.lock().close)
            origin = resume.decide(directory, line.resume, _print, touch=not line.explain)
            weights = resume.initial_weights(directory, line.init_from, config.model.name_or_path, _print)
            return origin, weights

        origin, weights = ranks.first("decide", decide, decision.tell, decision.follow)
        if weights is not None:
            config = options.with_weights(config, weights.directory)
        if line.explain:
            _print(*explain.position(origin))
        elif world.leads:
            directory.clean()
        _without_network(config)

        from chefgenius.callbacks import LossPlot, Starts, choose_callbacks, choose_console, guarded
        from chefgenius.model.compute import prepare_environment
        from chefgenius.training import build, dataset  # torch and transformers take seconds: only now
        from chefgenius.training.metrics import Logs

        console = choose_console(config)
        say = console.say if world.leads else _silent
        callbacks = [guarded(Starts(), say), LossPlot(), *choose_callbacks(config, say), console]
        prepare_environment(config.train.determinism)
        ranks.meet()
        saved = None if origin is None else origin.directory
        data = ranks.first(
            "data",
            lambda: dataset.prepare_data(config, say, ranks.world, saved=saved),
            lambda data: str(data.store.path.absolute()),
            lambda path: dataset.prepare_data(config, say, ranks.world, Path(path), saved),
        )
        closing.callback(data.close)
        try:
            built = build.build_run(
                config, data, origin, say, line.allowed, weights, world, ranks if not line.explain else None
            )
        except DifferentRunError as error:
            if line.explain:
                _print(*explain.differences(error.comparison))
            raise
        if line.explain:
            _print(*explain.differences(built.comparison))
            if built.finished:
                build.examine(built, callbacks)
            else:
                build.rehearse(built, directory, callbacks)
            _print(*explain.verdict(built))
            return
        if built.finished:  # else what somebody put there would say so
            build.examine(built, callbacks)
            for text in built.told:
                say(text)
            return
        logs = Logs(config.run_path, say, write=world.leads)
        closing.callback(logs.close)
        if not world.leads:
            callbacks = []
        trainer = build.start(built, directory, logs, stop, callbacks)
        for text in built.told:  # not before it is true: until here the start may have been refused
            say(text)
        trainer.fit()
        if world.leads:
            build.mark_finished(built, trainer.memory.progress.step)


def _silent(text: str) -> None:
    """What rank 0 says already."""


def _print(*lines: str) -> None:
    with named_errors(STDOUT):
        print("\n".join(lines), flush=True)


@dataclass
class Report:
    """How a command ended, and how to go on after a stop."""

    code: int = 0
    rank: int = 0
    looks: bool = True
    """whether it only tells something, to a reader who may have enough of it"""
    again: str = "start the same command again"


@contextmanager
def report_errors() -> Iterator[Report]:
    """Turns what may go wrong into one line on stderr and an exit code."""
    report = Report()
    try:
        yield report
    except KeyboardInterrupt as error:
        told = f"aborted: {report.again} to go on from the last checkpoint{_notes(error)}"
        report.code = _tell(told, ABORTED)
    except StopRequested as error:
        if not report.rank:  # else all ranks know of it, and one says so
            print(f"{error}: {report.again} to go on{_notes(error)}", file=sys.stderr)
        report.code = error.exit_code
    except DivergedError as error:
        report.code = _tell(f"{error}{_notes(error)}", error.exit_code, silent=report.rank > 0)
    except (ConfigError, RunError) as error:
        remedy = f": {report.again} to go on" if isinstance(error, RankError) else ""
        report.code = _tell(f"{error}{remedy}{_notes(error)}", error.exit_code, report.rank)
    except ChefGeniusError as error:
        report.code = _tell(f"{error}{_notes(error)}", INPUT, report.rank)
    except OSError as error:
        if report.looks and isinstance(error, BrokenPipeError):
            hush()
            return
        missing = isinstance(error, MISNAMED)
        missing = missing and not _notes(error)  # else it went away while the run was using it
        remedy = "" if missing else f": mend this, then {report.again}"
        report.code = _tell(f"{_place(error)}{remedy}{_notes(error)}", INPUT if missing else IO, report.rank)
    except Exception as error:  # of the model, of a callback, of a defect here
        traceback.print_exception(error)
        told = f"{type(error).__name__}: {error}: mend this, then {report.again} to go on{_notes(error)}"
        report.code = _tell(told, RunError.exit_code, report.rank)


def _place(error: OSError) -> str:
    """An OSError with its file, without the number."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"`{error.filename}`: {error.strerror}"


def _notes(error: BaseException) -> str:
    """What is saved, as the trainer noted it."""
    return "".join(f"; {note}" for note in getattr(error, "__notes__", ()))


def _tell(message: str, code: int, rank: int = 0, *, silent: bool = False) -> int:
    if not silent:
        print(f"error: {f'rank {rank}: ' if rank else ''}{printable(message)}", file=sys.stderr)
    return code


def _without_network(config: Config) -> None:
    """Keeps transformers off the network when nothing names a model on the hub.

    Only before it is imported.
    """
    name = config.model.name_or_path
    if name is None or Path(name).expanduser().exists():
        os.environ["HF_HUB_OFFLINE"] = "1"


if __name__ == "__main__":
    code = main()
    ignore()
    sys.exit(code)
