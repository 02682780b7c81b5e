"""The learning rate: a closed form of the step, which `Schedule` puts into the optimizer.

A function of the step alone needs no memory, so the settings may change when a run goes on.
"""

import math

import torch

from chefgenius.run.state import State
from chefgenius.settings.config import OptimConfig


def learning_rate(step: int, total_steps: int, settings: OptimConfig) -> float:
    """The learning rate of step `step`, counted from 1 to `total_steps`.

    Warmup: `peak * step / warmup_steps`. After it the rate begins at `peak` and stays above `floor`, which is
    `peak * min_learning_rate_ratio`:

    - linear, cosine: falls after the warmup to `floor`, which it would reach one step past the last.
    - wsd: stays at `peak`, and falls in a line over the last `decay_share` of all steps.
    - inverse_sqrt: `peak * sqrt(warmup_steps / step)`, with a warmup of at least 1; at least `floor`.
    - constant: `peak`.
    """
    peak, warmup = settings.learning_rate, settings.warmup_steps
    if step <= warmup:
        return peak * step / warmup
    end, floor = total_steps + 1, settings.min_learning_rate_ratio
    match settings.schedule:
        case "constant":
            share = 1.0
        case "inverse_sqrt":
            share = max(floor, math.sqrt(max(warmup, 1) / step))
        case "linear":
            share = floor + (1 - floor) * _left(step, warmup, end)
        case "cosine":
            share = floor + (1 - floor) * (1 - math.cos(math.pi * _left(step, warmup, end))) / 2
        case "wsd":
            stable = max(warmup, end - math.ceil(settings.decay_share * total_steps))
            share = floor + (1 - floor) * min(1.0, _left(step, stable, end))
    return peak * share


def _left(step: int, begin: int, end: int) -> float:
    """1 at `begin`, 0 at `end`, a line between them."""
    return max(0, end - step) / (end - begin)


class Schedule:
    """Puts the learning rate of a step into the optimizer; the section `schedule` of state.json."""

    def __init__(self, optimizer: torch.optim.Optimizer, settings: OptimConfig, total_steps: int) -> None:
        self._optimizer, self._settings, self.total_steps = optimizer, settings, total_steps

    @property
    def learning_rate(self) -> float:
        """What the optimizer uses now."""
        return float(self._optimizer.param_groups[0]["lr"])

    def apply(self, step: int) -> float:
        """Sets and returns the learning rate of `step`, counted from 1."""
        self._set(learning_rate(step, self.total_steps, self._settings))
        return self.learning_rate

    def state_dict(self) -> State:
        """The section."""
        return {"learning_rate": self.learning_rate}

    def load_state_dict(self, state: State) -> None:
        """Takes the saved rate until the next `apply`, which follows the settings of this run."""
        self._set(float(state["learning_rate"]))

    def _set(self, value: float) -> None:
        for group in self._optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):  # torchao's, which compiled code reads
                group["lr"].fill_(value)
            else:
                group["lr"] = value
