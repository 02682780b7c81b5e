"""The gradient of one optimizer step.

A window of micro-batches goes forward and backward, whole or in pieces of so many rows, each piece with
generators seeded by (seed, `train`, step, slot, piece), so that a step is a function of the boundary before
it (law 2). Nothing but gradients is changed here: until the optimizer moves the weights, the boundary before
the step can still be saved.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from chefgenius.data.batch import Batch, Window
from chefgenius.model.generators import isolated
from chefgenius.settings.config import Config
from chefgenius.training.optim import clip_gradients, unscale_gradients
from chefgenius.training.pieces import WHOLE, Rows, cut
from chefgenius.training.scaler import LossScale
from chefgenius.training.sharing import Sharing

_NO_ROOM = (
    "fewer rows of a micro-batch at a time need less memory: start again with `train.rows_per_forward=N`, "
    "and `--allow-change rows_per_forward` once a checkpoint stands"
)


@dataclass(frozen=True)
class Gradient:
    """What a window gave, and how it stands with its gradient."""

    window: Window
    loss_sum: float
    """over the target tokens; 0 where there are none"""
    grad_norm: float
    """before clipping"""
    loss_scale: float | None = None
    """under fp16: what the loss was multiplied by"""
    overflow: bool = False
    """under fp16: whether a smaller scale of the loss may mend the gradient; the step moves nothing"""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to learn: every record is masked."""
        return self.window.target_tokens == 0

    @property
    def finite(self) -> bool:
        """Whether it is no divergence."""
        return self.overflow or (math.isfinite(self.loss_sum) and math.isfinite(self.grad_norm))

    @property
    def moves(self) -> bool:
        """Whether the weights may be moved along it."""
        return self.finite and not self.overflow and not self.empty


@dataclass
class Backward:
    """Makes the gradient of a window: that of one large batch, whatever the micro-batches and the pieces."""

    config: Config
    sharing: Sharing
    """has the way from a micro-batch to the sum of its token losses"""
    following: Callable[[], Batch]
    """gives the next micro-batch"""
    check: Callable[[], None]
    """called before and after each forward and each backward; may raise to drop the window"""
    rows: Rows = WHOLE
    """rows that go forward together at most; `all`: whole micro-batches"""
    scale: LossScale = field(default_factory=LossScale)
    """of the loss, under fp16 alone; the trainer counts the steps there"""
    parameters: list[nn.Parameter] = field(init=False)

    def __post_init__(self) -> None:
        self.parameters = [one for one in self.sharing.inner.parameters() if one.requires_grad]

    def __call__(self, step: int, window: Window) -> Gradient:
        """Leaves the clipped gradient of the window that `window` describes in the parameters."""
        try:
            return self._gradient(step, window)
        except torch.OutOfMemoryError as error:
            error.add_note(_NO_ROOM)
            raise

    def _gradient(self, step: int, window: Window) -> Gradient:
        settings, sharing = self.config, self.sharing
        scale = self.scale.scale if settings.train.precision == "fp16" else None
        total = torch.zeros((), device=sharing.inner.model.device)
        share = window.target_tokens / sharing.world.size  # whose gradients are averaged over the ranks
        for slot, last in sharing.passes(window.micro_batches):
            self.check()
            batch = None if slot is None else self.following()
            if window.target_tokens == 0:
                continue
            if batch is None or len(batch["labels"]) == 0:  # none is left, or all is masked
                self._nothing(last=last)
                continue
            pieces = list(cut(batch, self.rows))
            for piece, part in enumerate(pieces):
                self.check()
                latest = last and piece == len(pieces) - 1
                with isolated(settings.seed, "train", step, slot or 0, piece), sharing.part(last=latest):
                    loss = sharing.loss(part)
                    self.check()
                    (loss / share * (scale or 1.0)).backward()
                total += loss.detach()
        self.check()
        told = sharing.total(total)
        if window.target_tokens == 0:
            sharing.hear(told.tolist()[1:])
            return Gradient(window, 0.0, 0.0)
        unscale_gradients(self.parameters, scale or 1.0)
        norm = clip_gradients(self.parameters, settings.optim.max_grad_norm)
        # the one place of a step where the host waits for the device
        loss_sum, *asked, grad_norm = torch.cat([told, norm[None]]).tolist()
        sharing.hear(asked)
        overflow = scale is not None and self.scale.is_overflow(loss_sum, grad_norm)
        return Gradient(window, loss_sum, grad_norm, scale, overflow)

    def _nothing(self, *, last: bool) -> None:
        """A pass without a micro-batch: only for what the other ranks wait for."""
        if self.sharing.world.size > 1:
            with isolated(0, "nothing", 0, 0), self.sharing.part(last=last):
                (self.sharing.loss(self.sharing.nothing()) * 0).backward()
