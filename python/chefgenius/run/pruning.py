"""Which checkpoints of a run may go, why the others stay, and their removal.

The run's own retention decides, as it does in the writer after each save, with one difference: the newest
ones are read to the last byte first, and only good ones count. Nothing here imports torch.
"""

from dataclasses import dataclass

from chefgenius.run.inventory import Leftover, Policy, Stored, policy_of, read_state, take
from chefgenius.run.manifest import DamagedError
from chefgenius.run.retention import Retention
from chefgenius.run.rundir import RunDirectory, remove_tree
from chefgenius.run.state import RunError
from chefgenius.settings.measures import MEASURES


class PruneError(RunError):
    """A run of which nothing may be removed, since nothing good would be certain to stay."""


@dataclass(frozen=True)
class Kept:
    """A checkpoint that stays."""

    stored: Stored
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a pruning removes and what it leaves."""

    going: list[Stored]
    """oldest first"""
    staying: list[Kept]
    """newest first"""
    set_aside: list[Leftover]
    """of the damaged ones, those to be removed"""

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(one.size for one in self.going) + sum(one.size for one in self.set_aside)


def plan(run: RunDirectory, keep: int | None, keep_best: int | None, *, set_aside: bool) -> Plan:
    """What would go; changes nothing.

    `keep` and `keep_best` replace the run's own numbers. Raises PruneError when no checkpoint is good, or
    when the newest good one does not say what is to be kept.
    """
    good: list[int] = []
    damaged: dict[int, str] = {}
    policy: Policy | None = None
    wanted = keep
    for step in run.steps():
        try:
            run.verify(step)
        except DamagedError as error:
            damaged[step] = f"damaged: {error}"
            continue
        except OSError as error:
            damaged[step] = f"cannot be read: {error}"
            continue
        if not good:
            policy = policy_of({step: read_state(run.step_path(step))})
            if policy is None:
                raise PruneError(
                    f"`{run.step_path(step)}` does not say what is to be kept: "
                    "prune it with the version of chefgenius that wrote it"
                )
            wanted = policy.retention.keep if keep is None else keep
        good.append(step)
        if len(good) == wanted:
            break
    if not good or policy is None or wanted is None:
        raise PruneError(f"no good checkpoint in `{run.checkpoints}`: nothing is removed")
    inventory = take(run)
    stored = {one.step: one for one in inventory.checkpoints}
    values = {step: one.best_value for step, one in stored.items() if one.best_value is not None}
    best = _ranked(policy, values, keep_best)
    removable = Retention(wanted, policy.retention.keep_every_steps).removable(run, best)
    going = [stored[step] for step in removable if step not in good and step in stored]
    gone = {one.step for one in going}
    staying = [
        Kept(one, _reason(one, good, best, damaged.get(step)))
        for step, one in stored.items()
        if step not in gone
    ]
    return Plan(going, staying, inventory.set_aside if set_aside else [])


def carry_out(run: RunDirectory, made: Plan) -> None:
    """Removes what the plan says; the run must be locked. Raises OSError."""
    for one in made.going:
        run.delete(one.step)
    for left in made.set_aside:
        remove_tree(left.path)
        remove_tree(left.path.with_name(f"{left.path.name}.reason.txt"))


def _ranked(policy: Policy, values: dict[int, float], count: int | None) -> list[int]:
    """The best steps: those the run remembers, then by the values of the others where more are asked for."""
    if count is None:
        return policy.best
    sign = -1 if MEASURES[policy.metric].higher_is_better else 1
    others = sorted((sign * value, step) for step, value in values.items() if step not in policy.best)
    return [*policy.best, *(step for _, step in others)][:count]


def _reason(one: Stored, good: list[int], best: list[int], damage: str | None) -> str:
    if damage is not None:
        return damage
    if one.step in good:
        return "newest" if one.step == good[0] else "among the newest"
    if one.step in best:
        return "best"
    return " and ".join(mark for mark in one.marks if mark in ("pinned", "every")) or "kept"
