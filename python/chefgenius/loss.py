"""The loss of a micro-batch: the *sum* of its token losses, computed outside the model.

Only the sum over a whole step, divided by that step's target tokens, gives accumulation the gradient of one
large batch. Rows that no label is asked of never reach the vocabulary. `TokenLoss` is a module, so that what
wraps a model for several processes can wrap the whole way from a batch to its loss.
"""

from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from chefgenius.compute import Precision, autocast
from chefgenius.head import given, head_of, whole_logits
from chefgenius.inputs import Forward, encoder_sees, forward_of

MOST_LOGITS = 1 << 26
"""on a GPU: logits held at once, 256 MiB in float32; more are made in pieces, and anew for the backward"""


class TokenLoss(nn.Module):
    """One micro-batch's loss; a call runs the forward pass, for every kind of model, packed or not.

    Args:
        model: an encoder-decoder or a causal model; it is only ever called as a whole.
        precision: of the forward pass.
        label_smoothing: share of each target that is spread over the whole vocabulary.
        most_logits: how many are held at once; none: all on a CPU, `MOST_LOGITS` on a GPU.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        precision: Precision = "float32",
        *,
        label_smoothing: float = 0.0,
        most_logits: int | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.precision = precision
        self.label_smoothing = label_smoothing
        self.most_logits = most_logits
        self.head = head_of(model, precision)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Sum of the cross-entropies of the target tokens: a float32 scalar on the model's device.

        `batch` is a `Batch` of the model's layout, int64; its tensors may lie on the CPU.
        """
        model = self.model
        forward = forward_of(model, batch)
        with autocast(model.device, self.precision):
            if not self.head.rows:
                return self._sum(whole_logits(model, forward), forward.targets)
            layer = model.get_output_embeddings()
            with encoder_sees(model, forward.encoder_mask):
                if (rows := self._piece(forward)) is None:
                    with given(layer, forward.places):
                        logits: Tensor = model(**forward.arguments).logits
                    return self._sum(logits, forward.targets)
                with given(layer, forward.places, first=True) as taken:
                    logits = model(**forward.arguments).logits
            # nothing of these counts, but what shards a model waits for their gradient
            total = 0.0 * logits.float().sum()
            for hidden, targets in zip(taken[0].split(rows), forward.targets.split(rows), strict=True):
                total = total + checkpoint(self._project, layer, hidden, targets, use_reentrant=False)
            return total

    def _piece(self, forward: Forward) -> int | None:
        """How many rows are projected at once; None for all."""
        most = self.most_logits
        if most is None and self.model.device.type == "cuda":
            most = MOST_LOGITS
        vocabulary: int = self.model.config.get_text_config().vocab_size
        if most is None or not self.head.bare or len(forward.targets) * vocabulary <= most:
            return None
        return max(1, most // vocabulary)

    def _project(self, layer: nn.Module, hidden: Tensor, targets: Tensor) -> Tensor:
        return self._sum(layer(hidden), targets)

    def _sum(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Of logits [targets, vocabulary]."""
        return functional.cross_entropy(
            logits.float(), targets, reduction="sum", label_smoothing=self.label_smoothing
        )
