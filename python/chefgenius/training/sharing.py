"""How the ranks share the work of a step, so that its gradient is that of one process.

1. Rank r of W takes the slots with `slot % W == r`. Every rank makes ceil(slots / W) passes, so that the
   collectives match; one without a slot runs a micro-batch of one token, its loss multiplied by 0.
2. All passes but the last add up on their own rank; in the last torch averages over the ranks, which is why a
   loss is multiplied by W before it is divided by the target tokens of the whole step.
3. The sum of the losses goes round once a step, and with it who was asked to stop or to save.

`train.sharding=none` keeps a whole model on each rank (DistributedDataParallel), `fsdp2` a part of every
parameter, gradient and moment (`fully_shard` on the model's blocks and on the loss around it).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from chefgenius.model.generators import isolated
from chefgenius.model.loss import TokenLoss
from chefgenius.run.world import World

Kind = Literal["none", "fsdp2"]


class Sharing:
    """One rank's part in every step; alone it is all of it, and nothing is wrapped.

    Args:
        loss: from a micro-batch to the sum of its token losses, on its device. With several ranks torch's
            process group must be open; all ranks take the parameters of rank 0.
        world: this process among the others.
        kind: what each rank keeps of the model.
    """

    def __init__(self, loss: TokenLoss, world: World | None = None, kind: Kind = "none") -> None:
        self.world = world or World()
        self.inner = loss
        self.loss: nn.Module = loss
        """the same, averaging gradients where there are several ranks"""
        self.wants: Callable[[], tuple[bool, bool]] = lambda: (False, False)
        """whether this rank was asked to stop, and to save; called once a step"""
        self.stop = self.save = False
        """whether any rank was, by the last step"""
        self.sharded = self.world.size > 1 and kind == "fsdp2"
        if self.world.size == 1:
            return
        if self.sharded:
            _shard(loss, self.world.size)
        else:
            self.loss = DistributedDataParallel(
                loss, forward_sync_buffers=False, gradient_as_bucket_view=True
            )
        self._rehearse()

    def _rehearse(self) -> None:
        """One pass that leaves nothing: after the first, DDP orders its buckets as the gradients came.

        So every step of every process sums in the same order, also the first one after a resume.
        """
        with isolated(0, "rehearsal", 0, 0):
            (self.loss(self.nothing()) * 0).backward()
        self.loss.zero_grad(set_to_none=True)
        with torch.no_grad(), isolated(0, "rehearsal", 0, 1):
            self.loss(self.nothing())
        if isinstance(self.loss, FSDPModule):
            self.loss.reshard()

    def __str__(self) -> str:
        if self.world.size == 1:
            return ""
        kept = "a part of the model" if self.sharded else "a whole model"
        return f", {self.world.size} processes, each with {kept}"

    def passes(self, slots: int) -> Iterator[tuple[int | None, bool]]:
        """Own slots of a step in their order, None where this rank has none left; and whether it is the last.

        As many on every rank.
        """
        world, count = self.world, -(-slots // self.world.size)
        for turn in range(count):
            slot = turn * world.size + world.rank
            yield (slot if slot < slots else None), turn == count - 1

    @contextmanager
    def part(self, *, last: bool) -> Iterator[None]:
        """Around a forward and its backward; with `last` the gradients are averaged over the ranks."""
        if isinstance(self.loss, FSDPModule):
            self.loss.set_requires_gradient_sync(last)
            yield
            return
        alone = isinstance(self.loss, DistributedDataParallel) and not last
        with self.loss.no_sync() if alone else nullcontext():  # type: ignore[operator]
            yield

    def nothing(self) -> dict[str, Tensor]:
        """A micro-batch of one token."""
        one = torch.zeros(1, 1, dtype=torch.int64)
        return {"input_ids": one, "attention_mask": one + 1, "labels": one}

    def total(self, loss_sum: Tensor) -> Tensor:
        """`[loss_sum]` over all ranks; with several also how many want to stop and to save, for `hear`."""
        if self.world.size == 1:
            return loss_sum[None]
        stop, save = self.wants()
        told = torch.tensor([0, stop, save], dtype=torch.float64, device=loss_sum.device)
        told[0] = loss_sum
        distributed.all_reduce(told)
        return told

    def hear(self, told: list[float]) -> None:
        """Takes what stands behind the loss in `total`."""
        if told:
            self.stop, self.save = (count > 0 for count in told)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Around what calls the model itself: the parameters that no block brings are whole within."""
        if not isinstance(self.loss, FSDPModule):
            yield
            return
        self.loss.unshard()
        try:
            yield
        finally:
            self.loss.reshard()


def _shard(loss: TokenLoss, size: int) -> None:
    """Parts every parameter over the ranks, block by block as the model names them, then what is left."""
    mesh = init_device_mesh(loss.model.device.type, (size,))
    blocks = set(loss.model._no_split_modules or ())
    for module in list(loss.model.modules()):
        if type(module).__name__ in blocks:
            fully_shard(module, mesh=mesh)
    fully_shard(loss, mesh=mesh, reshard_after_forward=False)
