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

from chefgenius import options, resume
from chefgenius.config import Config, ConfigError
from chefgenius.rundir import RunDirectory
from chefgenius.signals import Stop
from chefgenius.state import RunError, StopRequested
from chefgenius.store import ChefGeniusError

INPUT, IO, ABORTED = 2, 74, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    with report_errors() as report:
        line = options.parse(sys.argv[1:] if arguments is None else arguments)
        if line.resume == "never":
            report.again = "start again without `--resume never`"
        config = options.load(line.file, line.overrides)
        if line.print_config:
            print(options.to_yaml(config), end="")
        else:
            with Stop() as stop:
                run(config, line.resume, stop, dry_run=line.dry_run)
    return report.code


def run(config: Config, wish: str, stop: Stop, *, dry_run: bool = False) -> None:
    """Trains as configured. Raises what `report_errors` knows how to tell."""
    _without_network(config)
    with ExitStack() as closing:
        directory = RunDirectory(config.run_path)
        if not dry_run:
            closing.callback(directory.lock().close)
            directory.clean()
        origin = resume.decide(directory, wish, print, touch=not dry_run)

        from chefgenius import build, dataset  # torch and transformers take seconds: only now
        from chefgenius.callbacks import Console, LossPlot
        from chefgenius.compute import prepare_environment
        from chefgenius.metrics import Logs

        console = Console()
        prepare_environment(config.train.determinism)
        data = dataset.prepare_data(config, console.say)
        closing.callback(data.close)
        built = build.build_run(config, data, origin, console.say)
        if origin is not None:
            console.say(f"going on from {origin.directory}")
        for difference in built.free:
            console.say(f"changed: {difference}")
        if built.finished:
            console.say(f"finished: {config.run_path} {built.ending}")
            return
        if dry_run:
            console.say(f"dry run: would train in {config.run_path}")
            return
        logs = Logs(config.run_path, console.say)
        closing.callback(logs.close)
        trainer = build.start(built, directory, logs, stop, [LossPlot(), console])
        with stop.deferred():
            trainer.fit()
        build.mark_finished(built)


@dataclass
class Report:
    """How a command ended, and how to go on after a stop."""

    code: int = 0
    again: str = "start the same command again"


@contextmanager
def report_errors() -> Iterator[Report]:
    """Turns what may go wrong into one line on stderr and an exit code."""
    report = Report()
    try:
        yield report
    except KeyboardInterrupt:
        report.code = _tell(f"aborted: {report.again} to go on from the last checkpoint", ABORTED)
    except StopRequested as error:
        print(f"{error}: {report.again} to go on", file=sys.stderr)
        report.code = error.exit_code
    except (ConfigError, RunError) as error:
        report.code = _tell(f"{error}{_notes(error)}", error.exit_code)
    except ChefGeniusError as error:
        report.code = _tell(f"{error}{_notes(error)}", INPUT)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError)
        remedy = "" if missing else f": mend this, then {report.again}"
        report.code = _tell(f"{_place(error)}{remedy}{_notes(error)}", INPUT if missing else IO)
    except Exception as error:  # of the model, of a callback, of a defect here
        traceback.print_exception(error)
        told = f"{type(error).__name__}: {error}: mend this, then {report.again} to go on{_notes(error)}"
        report.code = _tell(told, RunError.exit_code)


def _place(error: OSError) -> str:
    """An OSError with its file, without the number."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"`{error.filename}`: {error.strerror}"


def _notes(error: BaseException) -> str:
    """What is saved, as the trainer noted it."""
    return "".join(f"; {note}" for note in getattr(error, "__notes__", ()))


def _tell(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


def _without_network(config: Config) -> None:
    """Keeps transformers off the network when nothing names a model on the hub.

    Only before it is imported.
    """
    name = config.model.name_or_path
    if name is None or Path(name).expanduser().exists():
        os.environ["HF_HUB_OFFLINE"] = "1"


if __name__ == "__main__":
    sys.exit(main())
