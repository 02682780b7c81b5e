"""The loss of a micro-batch: the *sum* of its token losses, computed outside the model.

Only the sum over a whole step, divided by that step's target tokens, gives accumulation the gradient of one
large batch. Rows that no label is asked of never reach the vocabulary, and where the last layer is a plain
one, no logits of a whole batch are ever held. `TokenLoss` is a module, so that what wraps a model for several
processes can wrap the whole way from a batch to its loss.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from chefgenius.model.compute import autocast
from chefgenius.model.head import given, head_of, last_layer, whole_logits
from chefgenius.model.inputs import Forward, encoder_sees, forward_of
from chefgenius.model.projection import summed_loss
from chefgenius.model.shapes import Shapes
from chefgenius.settings.config import Precision

PRODUCTS: dict[Precision, torch.dtype] = {"float32": torch.float32, "bf16": torch.bfloat16}
"""arithmetic of the last layer, where it can be done a piece at a time"""


class TokenLoss(nn.Module):
    """One micro-batch's loss; a call runs the forward pass, for every kind of model, packed or not.

    Args:
        model: an encoder-decoder or a causal model; it is only ever called as a whole.
        precision: of the forward pass.
        label_smoothing: share of each target that is spread over the whole vocabulary.
        shapes: what batches are padded to, where the model is compiled; else they stay as they are.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        precision: Precision = "float32",
        *,
        label_smoothing: float = 0.0,
        shapes: Shapes | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.precision = precision
        self.label_smoothing = label_smoothing
        self.shapes = shapes
        self.head = head_of(model, precision)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Sum of the cross-entropies of the target tokens: a float32 scalar on the model's device.

        `batch` is a `Batch` of the model's layout, int64; its tensors may lie on the CPU.
        """
        forward = forward_of(self.model, batch if self.shapes is None else self.shapes.fit(batch))
        with autocast(self.model.device, self.precision), encoder_sees(self.model, forward.encoder_mask):
            if not self.head.rows:
                return self._sum(whole_logits(self.model, forward), forward.targets)
            layer = last_layer(self.model)
            if self.head.bare and self.precision in PRODUCTS:
                return self._in_pieces(layer, forward)
            with given(layer, forward.places):
                logits: Tensor = self.model(**forward.arguments).logits
            return self._sum(logits, forward.targets)

    def _in_pieces(self, layer: nn.Module, forward: Forward) -> Tensor:
        with given(layer, forward.places, first=True) as rows:
            logits: Tensor = self.model(**forward.arguments).logits
        loss = summed_loss(
            rows[0],
            layer.get_parameter("weight"),
            forward.targets,
            label_smoothing=self.label_smoothing,
            dtype=PRODUCTS[self.precision],
        )
        # nothing of these counts, but what shards a model waits for their gradient
        return loss + 0.0 * logits.float().sum()

    def _sum(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Of logits [targets, vocabulary]."""
        return functional.cross_entropy(
            logits.float(), targets, reduction="sum", label_smoothing=self.label_smoothing
        )
