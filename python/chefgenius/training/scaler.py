"""The scale of the loss under fp16: gradients below 6e-8 would be 0, so the loss is multiplied before them.

A power of two, so that scaling and unscaling lose nothing. A gradient that overflows halves it and its step
moves no weights; many steps without double it again (https://arxiv.org/abs/1710.03740, as in torch's
`GradScaler`). An overflow is no divergence while there is a smaller scale; a loss that is not finite is one,
since the scale comes after it.
"""

import math
from dataclasses import asdict, dataclass

from chefgenius.run.state import Count, State, checked

FIRST, FLOOR, CEILING = 2.0**16, 1.0, 2.0**24
INTERVAL = 2000
"""steps without an overflow after which the scale doubles"""


@dataclass
class LossScale:
    """What the loss is multiplied by; the section `scaler` of state.json, which only fp16 changes."""

    scale: float = FIRST
    good_steps: Count = 0
    """since the scale changed or a gradient overflowed"""
    overflows: Count = 0
    """steps that moved no weights for it, over the whole run"""

    def is_overflow(self, loss_sum: float, grad_norm: float) -> bool:
        """Whether a smaller scale may mend this step: the loss is finite, its gradient is not."""
        return self.scale > FLOOR and math.isfinite(loss_sum) and not math.isfinite(grad_norm)

    def update(self, *, overflow: bool) -> None:
        """Counts a step with a gradient."""
        if overflow:
            self.scale, self.good_steps, self.overflows = self.scale / 2, 0, self.overflows + 1
            return
        self.good_steps += 1
        if self.good_steps == INTERVAL:
            self.scale, self.good_steps = min(CEILING, self.scale * 2), 0

    def state_dict(self) -> State:
        """The section."""
        return asdict(self)

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        values = checked(LossScale, state)
        if not FLOOR <= values["scale"] <= CEILING or not math.log2(values["scale"]).is_integer():
            raise ValueError(f"`scale` is {values['scale']}, no power of two from {FLOOR} to {CEILING}")
        if values["good_steps"] >= INTERVAL:
            raise ValueError(f"`good_steps` is {values['good_steps']}, at most {INTERVAL - 1} can be")
        for name, value in values.items():
            setattr(self, name, value)
