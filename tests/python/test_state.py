import binascii
import json
import struct

import pytest
from chefgenius.run.state import (
    Best,
    Derived,
    Losses,
    Pending,
    Progress,
    Registry,
    ResumeError,
    State,
    Stateful,
)


def filled() -> tuple[Registry, Progress, Losses, Best, Pending]:
    registry, progress, losses, best, pending = Registry(), Progress(), Losses(), Best(), Pending()
    registry.register("progress", progress)
    registry.register("losses", losses)
    registry.register("best", best)
    registry.register("pending", pending)
    return registry, progress, losses, best, pending


def test_sections_go_through_json_and_back() -> None:
    registry, progress, losses, best, pending = filled()
    progress.step, progress.epoch, progress.samples = 7, 2, 99
    losses.add(0.1 + 0.2, 3)
    losses.end_epoch()
    losses.add(1e-300, 1)
    best.offer(0.25, 6)
    pending.work = ("eval", "samples")
    text = json.dumps(registry.state_dict())
    again, *parts = filled()
    again.load_state_dict(json.loads(text))
    assert parts == [progress, losses, best, pending]
    assert json.dumps(again.state_dict()) == text


def test_a_section_does_not_follow_its_component() -> None:
    losses = Losses()
    losses.add(1.0, 1)
    losses.end_epoch()
    section = losses.state_dict()
    losses.add(2.0, 1)
    losses.end_epoch()
    assert section["epochs"] == [1.0]


def test_a_name_is_taken_once() -> None:
    registry, *_ = filled()
    with pytest.raises(ValueError, match="`best` is registered already"):
        registry.register("best", Best())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"best": None}, "without section `best`"),
        ({"strange": {}}, "with section `strange`"),
        ({"best": {}}, "section `best` of the saved state does not fit: KeyError"),
        ({"best": {"kept": [], "x": 1}}, "unknown fields"),
        ({"pending": 3}, "section `pending`"),
        ({"pending": {"work": "eval"}}, "section `pending`"),
        ({"progress": {**Progress().state_dict(), "step": "7"}}, "section `progress`"),
        ({"losses": {**Losses().state_dict(), "epochs": [True]}}, "section `losses`"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(change: dict[str, object], told: str) -> None:
    registry, *_ = filled()
    sections = {**registry.state_dict(), **change}
    with pytest.raises(ResumeError) as error:
        registry.load_state_dict({name: one for name, one in sections.items() if one is not None})  # type: ignore[misc]
    assert told in str(error.value)


def test_the_first_of_equal_losses_is_the_best() -> None:
    best = Best()
    assert best.offer(2.0, 0)
    assert not best.offer(2.0, 5)
    assert best.offer(1.0, 9)
    assert best.first == (1.0, 9)


def test_the_lowest_are_kept_best_first() -> None:
    best = Best(3)
    entered = [best.offer(loss, step) for step, loss in enumerate([5.0, 4.0, 6.0, 7.0, 4.0, 1.0, 5.0])]
    assert entered == [True, True, True, False, True, True, False]
    assert best.steps == [5, 1, 4]
    fewer, more = Best(1), Best(9)
    for other in (fewer, more):
        other.load_state_dict(json.loads(json.dumps(best.state_dict())))
    assert (fewer.steps, more.steps) == ([5], [5, 1, 4])


def test_an_epoch_without_tokens_has_no_loss() -> None:
    losses = Losses()
    losses.end_epoch()
    assert losses.epochs == [None]
    again = Losses()
    again.load_state_dict(json.loads(json.dumps(losses.state_dict())))
    assert again == losses


@pytest.mark.parametrize(
    "error",
    [RuntimeError, OverflowError, IndexError, struct.error, binascii.Error, MemoryError, AssertionError],
)
def test_whatever_a_section_raises_it_does_not_fit(error: type[Exception]) -> None:
    class Strange:
        def state_dict(self) -> State:
            return {}

        def load_state_dict(self, state: State) -> None:
            raise error("strange")

    registry = Registry()
    registry.register("strange", Strange())
    with pytest.raises(ResumeError, match=f"`strange` of the saved state does not fit: {error.__name__}"):
        registry.load_state_dict({"strange": {}})


@pytest.mark.parametrize("error", [OSError, ResumeError])
def test_an_error_of_the_disk_is_none_of_the_section(error: type[Exception]) -> None:
    def broken(state: State) -> None:
        raise error("strange")

    registry = Registry()
    derived = Derived(dict)
    derived.load_state_dict = broken  # type: ignore[method-assign]
    registry.register("strange", derived)
    with pytest.raises(error, match=r"^strange$"):
        registry.load_state_dict({"strange": {}})


def test_epoch_losses_are_means_by_token() -> None:
    losses = Losses()
    losses.add(6.0, 2)
    losses.add(4.0, 3)
    losses.end_epoch()
    assert losses.epochs == [2.0]
    assert (losses.loss_sum, losses.target_tokens) == (0.0, 0)


def test_a_derived_section_is_written_and_not_loaded() -> None:
    derived = Derived(lambda: {"a": 1})
    assert isinstance(derived, Stateful)
    assert derived.state_dict() == {"a": 1}
    derived.load_state_dict({"b": 2})
    assert derived.state_dict() == {"a": 1}
