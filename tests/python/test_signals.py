import os
import signal

import pytest
from chefgenius.signals import Stop
from chefgenius.state import StopRequested


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with Stop():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


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
