"""Where the data of a run go on that was saved, also when it is no longer quite the same run.

1. `enter` puts the loader where the checkpoint stands. With changes that were allowed by name it finishes the
   epoch that was begun with the saved plan, or leaves it for the next one; the memory of the boundary
   follows.
2. `follow` takes down that way, by which `inspect` finds the recipes of every step.
3. `bounds` counts from there: what was taken, and what is left.
"""

from dataclasses import replace
from pathlib import Path

from chefgenius.data.course import Course, saved_course
from chefgenius.data.feed import Feed, Tombstones
from chefgenius.data.loader import StateMismatchError
from chefgenius.run.differences import Comparison
from chefgenius.run.state import Losses, Progress, ResumeError, State, one_line
from chefgenius.settings.config import Config
from chefgenius.settings.meanings import GROUPS, ORDER


def enter(
    feed: Feed, sections: dict[str, State], comparison: Comparison, step: int, directory: Path
) -> tuple[dict[str, State], str]:
    """The sections to go on with, once the feed stands where they say, and a line that tells of a move.

    Exactly there; or, where a change is allowed, with the saved plan until the epoch ends; or at the start of
    the next epoch, where the saved one has no meaning any more. Raises ResumeError.
    """
    progress, losses = Progress(), Losses()
    changed = {one.name for one in comparison.changes}
    if "store" in changed:  # in which other records have the numbers
        sections = {**sections, "tombstones": Tombstones(feed).state_dict()}
    try:
        progress.load_state_dict(sections["progress"])
        losses.load_state_dict(sections["losses"])
        saved = dict(sections["loader"])
        at = saved["epoch"], saved["index"]
        Tombstones(feed).load_state_dict(sections["tombstones"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ResumeError(
            f"`{directory}` has a state that does not fit: {type(error).__name__}: {one_line(error)}: "
            "use another checkpoint"
        ) from error
    if (progress.epoch, progress.index) != at or progress.step != step:
        raise ResumeError(
            f"`{directory}` contradicts itself: progress stands at step {progress.step}, "
            f"epoch {progress.epoch}, micro-batch {progress.index}, the loader at {one_line(at)}: "
            "use another checkpoint"
        )
    loader = feed.loader
    if reordered := [name for name in ORDER if name in changed]:
        return _leave_epoch(feed, sections, progress, losses, f"`{reordered[0]}` is another")
    try:
        loader.load_state_dict(saved, allow=("tombstones",) if "tombstones" in changed else ())
    except StateMismatchError as error:
        if "`plan` differs" not in str(error):
            raise ResumeError(f"cannot go on from `{directory}`: {one_line(error)}") from error
        if not comparison.allowed & set(GROUPS):
            raise ResumeError(
                f"cannot go on from `{directory}`: {one_line(error)}; "
                "or leave its epoch with `--allow-change plan`"
            ) from error
        return _leave_epoch(feed, sections, progress, losses, "its plan is not kept, or holds other recipes")
    except ValueError as error:
        remedy = "use another checkpoint"
        if "`world_size`" in str(error):  # of the saved steps, which the epoch goes on with
            remedy = "go on with at most that many processes until its epoch ends"
        raise ResumeError(f"cannot go on from `{directory}`: {one_line(error)}: {remedy}") from error
    told = ""
    if saved["plan"] != loader.plan_fingerprint and loader.index:
        told = f"epoch {loader.epoch} is finished with the saved plan, the new one begins after it"
    return {**sections, "loader": loader.state_dict()}, told


def follow(
    feed: Feed, sections: dict[str, State], comparison: Comparison, step: int, directory: Path | None
) -> Course:
    """The course of the run, once the feed stands where it goes on after `step`.

    `sections` are those of the checkpoint in `directory`; a run that begins has none. Raises ResumeError.
    """
    course = Course()
    if directory is not None:
        course = saved_course(directory, sections)
        saved, leg = sections["loader"], course.leg(step + 1)
        if any(getattr(leg, name) != saved.get(name) for name in ("store", "plan", "order", "seed")):
            raise ResumeError(
                f"`{directory}` contradicts itself: its course and its loader tell of other batches: "
                "use another checkpoint"
            )
        if "store" in {one.name for one in comparison.changes}:
            try:
                course.leave_store(sections["tombstones"]["skipped"])
            except (KeyError, TypeError, ValueError) as error:
                raise ResumeError(
                    f"`{directory}` has no usable section `tombstones`: {one_line(error)}: "
                    "use another checkpoint"
                ) from error
    course.go_on(step, feed.loader.state_dict(), feed.loader, feed.left_out)
    return course


def bounds(config: Config, feed: Feed, per_epoch: int, taken: int = 0) -> dict[str, int]:
    """The last step by each key that ends the run: `train.max_steps`, `train.epochs` or both.

    `feed` stands where the run goes on after `taken` steps; an epoch after this one has `per_epoch`. By
    epochs it is the steps taken, those left of this epoch, and those of the epochs after it: `train.epochs`
    times `per_epoch` as long as no epoch had another number. Of a run that is past its last epoch it is less
    than `taken`.
    """
    settings, found = config.train, {}
    if settings.max_steps is not None:
        found["train.max_steps"] = settings.max_steps
    if settings.epochs is not None:
        found["train.epochs"] = _last_step(settings.epochs, feed, per_epoch, taken)
    return found


def _last_step(epochs: int, feed: Feed, per_epoch: int, taken: int) -> int:
    epoch, index = feed.loader.epoch, feed.loader.index
    if epoch < epochs:
        left = feed.loader.steps_per_epoch - feed.step(epoch, index)
        return taken + left + (epochs - epoch - 1) * per_epoch
    if (epoch, index) == (epochs, 0):
        return taken
    return min(epochs * per_epoch, taken - 1)


def _leave_epoch(
    feed: Feed, sections: dict[str, State], progress: Progress, losses: Losses, reason: str
) -> tuple[dict[str, State], str]:
    """Goes to the start of the next epoch, or stays at the start of one."""
    loader, begun = feed.loader, progress.index > 0
    loader.set_epoch(progress.epoch + begun)
    if begun:
        losses.end_epoch()
    moved = replace(progress, epoch=loader.epoch, index=0)
    told = f"epoch {loader.epoch} begins from its start: {reason}"
    if begun:
        told = f"the rest of epoch {progress.epoch} is left out, going on with epoch {loader.epoch}: {reason}"
    return {
        **sections,
        "loader": loader.state_dict(),
        "progress": moved.state_dict(),
        "losses": losses.state_dict(),
    }, told
