import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from chefgenius.run.signals import SaveRequests, Stop, StopRequested, held_back, surely
from running import answer


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_handlers_are_put_back() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    with Stop():
        assert not {signal.getsignal(number) for number in numbers} & set(before)
    assert [signal.getsignal(number) for number in numbers] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_before_the_training_a_request_ends_the_program_at_once(number: signal.Signals) -> None:
    with Stop(), pytest.raises(StopRequested, match=number.name):
        send(number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_in_the_training_a_request_waits_for_a_check(number: signal.Signals) -> None:
    with Stop() as stop, stop.deferred():
        stop.check()
        send(number)
        with pytest.raises(StopRequested, match=number.name):
            stop.check()


def test_the_second_interrupt_aborts() -> None:
    with Stop() as stop, stop.deferred():
        send(signal.SIGINT)
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_what_is_held_back_is_heard_at_the_end() -> None:
    done: list[str] = []
    before = signal.getsignal(signal.SIGINT)

    def body() -> None:
        with held_back(lambda: done.append("told")):
            with held_back():
                send(signal.SIGINT)
                send(signal.SIGINT)
                done.append("inner")
            done.append("outer")
        done.append("never")

    with pytest.raises(KeyboardInterrupt):
        body()
    assert done == ["inner", "told", "outer"]
    assert signal.getsignal(signal.SIGINT) is before
    with Stop() as stop, stop.deferred(), held_back():
        send(signal.SIGTERM)
        assert stop.requested is None
    assert stop.requested == "SIGTERM"


def test_what_is_held_back_may_fail() -> None:
    def fail() -> None:
        with held_back(lambda: 1 / 0):
            send(signal.SIGTERM)
            raise ValueError("x")

    before = signal.getsignal(signal.SIGTERM)
    with Stop() as stop, stop.deferred(), pytest.raises(ValueError, match="x"):
        fail()
    assert stop.requested == "SIGTERM", "it is heard although the block failed"
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_must_be_done_is_done_though_a_signal_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    plain, calls = signal.getsignal, iter(range(9))

    def interrupted(number: int) -> object:
        if next(calls) == 0:
            send(signal.SIGINT)
        return plain(number)

    monkeypatch.setattr(signal, "getsignal", interrupted)
    with pytest.raises(KeyboardInterrupt):
        surely(lambda: done.append("done"))
    assert done == ["done"]


def test_nothing_is_held_back_beside_the_main_thread() -> None:
    done: list[str] = []

    def body() -> None:
        with held_back():
            done.append("here")

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert done == ["here"]


def test_a_wish_to_save_is_taken_once() -> None:
    with Stop() as stop, stop.deferred():
        assert not stop.take_save()
        send(signal.SIGUSR1)
        send(signal.SIGUSR1)
        assert stop.take_save()
        assert not stop.take_save()
        stop.check()


def test_outside_the_training_a_wish_to_save_is_ignored_and_told(capfd: pytest.CaptureFixture[str]) -> None:
    with Stop() as stop:
        send(signal.SIGUSR1)
        assert not stop.take_save()
    assert capfd.readouterr().err.startswith("SIGUSR1 is ignored: ")


def test_time_asks_from_the_beginning_of_the_last_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("chefgenius.run.signals.time.monotonic", lambda: now)
    requests, never = (SaveRequests(Stop(), tmp_path / "save", minutes) for minutes in (2.0, None))
    for at, expected in ((219.9, False), (220.0, True), (300.0, True)):
        now = at
        assert requests.due() is expected
    requests.begun(tmp_path / "step")
    for at, expected in ((419.9, False), (420.0, True)):
        now = at
        assert requests.due() is expected
    assert not never.due()


def test_a_file_asks_until_its_checkpoint_stands(tmp_path: Path) -> None:
    file, checkpoint = tmp_path / "save", tmp_path / "step"
    requests = SaveRequests(Stop(), file, None)
    assert not requests.due()
    file.touch()
    assert requests.due()
    requests.begun(checkpoint)
    assert not requests.due(), "its save is in flight"
    requests.settle()
    assert file.exists()
    checkpoint.mkdir()
    requests.settle()
    assert not file.exists()
    assert not requests.due()


def test_a_file_made_anew_while_its_save_is_in_flight_asks_again(tmp_path: Path) -> None:
    file, first, second = tmp_path / "save", tmp_path / "first", tmp_path / "second"
    requests = SaveRequests(Stop(), file, None)
    file.touch()
    assert requests.due()
    requests.begun(first)
    os.utime(file, ns=(1, 1))
    first.mkdir()
    requests.settle()
    assert file.exists()
    assert requests.due()
    requests.begun(second)
    second.mkdir()
    requests.settle()
    assert not file.exists()


@pytest.mark.parametrize("kind", ["directory", "link"])
def test_only_a_plain_file_asks(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "save"
    if kind == "directory":
        file.mkdir()
    else:
        file.symlink_to(tmp_path)
    assert not SaveRequests(Stop(), file, None).due()


# The edges of a command: its imports at the begin, and what comes after its end.


def catches(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Whether the process has a handler of its own for the signal."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_during_the_imports_gives_75_and_a_line(tmp_path: Path, number: signal.Signals) -> None:
    """The signal comes as soon as there is a handler for SIGUSR1, which Python itself has none for."""
    command = [sys.executable, "-m", "chefgenius.train", f"run_dir={tmp_path / 'run'}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not catches(process, signal.SIGUSR1):
            assert process.poll() is None
        process.send_signal(signal.SIGUSR1)
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 75
    assert told.endswith(f"stopped on request ({number.name}): start the same command again to go on\n")
    assert "Traceback" not in told
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_request_after_the_end_changes_nothing(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Stop() as stop:
        with pytest.raises(StopRequested), stop.heard():
            send(signal.SIGTERM)
        send(number)
    assert signal.getsignal(number) is before


def test_the_first_request_is_answered_once(capfd: pytest.CaptureFixture[str]) -> None:
    with Stop() as stop, stop.deferred():
        send(signal.SIGINT)
        send(signal.SIGTERM)
        assert stop.requested == "SIGTERM"
    assert capfd.readouterr().err == answer(signal.SIGINT)
