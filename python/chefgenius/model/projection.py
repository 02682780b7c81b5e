"""The last layer and its loss in one: the sum of cross-entropies of rows, a piece of rows at a time.

The logits of a piece and their gradient live in one buffer of some megabytes, so they stay in the cache;
all logits of a batch at once, [rows, vocabulary], are written to memory and read from it many times over. No
piece is computed twice: its share of both gradients is taken while its logits are there, in the forward pass,
and the backward pass only scales the sums. The same idea as in Liger Kernel and Cut Cross-Entropy.
"""

from typing import Any, cast

import torch
from torch import Tensor

PIECE = 1 << 21
"""logits of a piece on a CPU: 8 MiB in float32"""
LEAST_ROWS, ENOUGH_ROWS = 64, 144
"""rows of a piece at least, three quarters of the width between these two: each product reads all of the
weight, [vocabulary, width], and with fewer rows it does so for little work"""


def summed_loss(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    *,
    label_smoothing: float = 0.0,
    dtype: torch.dtype = torch.float32,
    piece: int = PIECE,
) -> Tensor:
    """`cross_entropy(hidden @ weight.T, targets, reduction="sum")`, a float32 scalar.

    Args:
        hidden: [rows, width].
        weight: [vocabulary, width], in float32.
        targets: [rows], int64, every one of them a column.
        label_smoothing: share of each target that is spread over the whole vocabulary.
        dtype: of the products, such as that of autocast; softmax and sums are float32. float16 would need
            its gradient scaled before there is one: leave that to the plain way.
        piece: logits that are held at once, but those of 64 to 144 rows at least, by the width.
    """
    vocabulary, width = weight.shape
    rows = max(piece // vocabulary, min(max(LEAST_ROWS, 3 * width // 4), ENOUGH_ROWS))
    return cast(Tensor, _Summed.apply(hidden, weight, targets, label_smoothing, dtype, rows))


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        smoothing: float,
        dtype: torch.dtype,
        rows: int,
    ) -> Tensor:
        to_hidden, to_weight = ctx.needs_input_grad[:2]
        with torch.autocast(hidden.device.type, enabled=False):
            inputs, columns = hidden.to(dtype), weight.to(dtype)
            total = torch.zeros((), device=hidden.device)
            of_hidden = torch.empty_like(inputs) if to_hidden else None
            of_weight = torch.zeros_like(weight, dtype=torch.float32) if to_weight else None
            buffer = inputs.new_empty(min(rows, len(inputs)), len(columns), dtype=torch.float32)
            for start in range(0, len(inputs), rows):
                taken = inputs[start : start + rows]
                # [rows, vocabulary]: logits, then their logarithms of probability, then the gradient
                logits = buffer[: len(taken)]
                if dtype == torch.float32:
                    torch.mm(taken, columns.t(), out=logits)
                else:
                    logits.copy_(taken @ columns.t())
                torch.log_softmax(logits, 1, out=logits)
                places = targets[start : start + rows, None]
                total -= (1 - smoothing) * logits.gather(1, places).sum()
                if smoothing:
                    total -= smoothing / len(columns) * logits.sum()
                if of_hidden is None and of_weight is None:
                    continue
                logits.exp_()
                if smoothing:
                    logits -= smoothing / len(columns)
                logits.scatter_(1, places, logits.gather(1, places) - (1 - smoothing))
                gradient = logits.to(dtype)
                if of_hidden is not None:
                    torch.mm(gradient, columns, out=of_hidden[start : start + rows])
                if of_weight is not None and dtype == torch.float32:
                    of_weight.addmm_(gradient.t(), taken)
                elif of_weight is not None:
                    of_weight += gradient.t() @ taken
            ctx.gradients = (
                None if of_hidden is None else of_hidden.to(hidden.dtype),
                None if of_weight is None else of_weight.to(weight.dtype),
            )
        return total

    @staticmethod
    def backward(ctx: Any, *scales: Tensor) -> Any:
        if ctx.gradients is None:
            raise RuntimeError("the gradients of this loss were taken already: compute it again")
        gradients, ctx.gradients = ctx.gradients, None
        return *(None if one is None else one.mul_(scales[0]) for one in gradients), None, None, None, None
