"""The curves of a run for TensorBoard, in RUN/tensorboard: `train` and `validation` lie over one another.

After a resume no step stands twice: what was written after the boundary that the run goes on from is purged,
which TensorBoard does when it reads.
"""

from typing import TYPE_CHECKING

from chefgenius.callbacks.protocol import Callback, Outcome, RunInfo, StepInfo
from chefgenius.evaluation.evaluator import Evaluation
from chefgenius.settings.measures import MEASURES

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard(Callback):
    """Writes every step's loss, learning rate, norm of the gradient and speed, and every metric."""

    def __init__(self) -> None:
        self._train: SummaryWriter | None = None
        self._validation: SummaryWriter | None = None

    def on_train_start(self, info: RunInfo) -> None:
        """Open the files."""
        from torch.utils.tensorboard import SummaryWriter

        place = info.run_path / "tensorboard"
        first = info.step if info.evaluates else info.step + 1
        self._train = SummaryWriter(str(place / "train"), purge_step=info.step + 1)
        self._validation = SummaryWriter(str(place / "validation"), purge_step=first)

    def on_step_end(self, info: StepInfo) -> None:
        """The curves of the training; a step without loss leaves a gap."""
        if self._train is None:
            return
        for name, value in (
            ("loss", info.loss),
            ("learning_rate", info.learning_rate),
            ("grad_norm", info.grad_norm),
            ("speed/recipes_per_second", info.recipes_per_second),
            ("speed/tokens_per_second", info.tokens_per_second),
        ):
            if value is not None:
                self._train.add_scalar(name, value, info.step)

    def on_eval_end(self, evaluation: Evaluation) -> None:
        """Every metric; the validation loss as `loss`, over that of the training."""
        if self._validation is None:
            return
        for metric in MEASURES:
            value = evaluation.value(metric)
            if value is not None:
                name = "loss" if metric == "validation_loss" else f"evaluation/{metric}"
                self._validation.add_scalar(name, value, evaluation.step)
        self._validation.flush()

    def on_train_end(self, outcome: Outcome | None) -> None:
        """Close the files."""
        for writer in (self._train, self._validation):
            if writer is not None:
                writer.close()
        self._train = self._validation = None
