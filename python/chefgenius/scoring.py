"""The loss that a checkpoint has for single records, each alone in its row and without dropout.

The checkpoint is verified before anything of it is used, and nothing of it is changed.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from transformers import PreTrainedModel

from chefgenius import lora, options
from chefgenius.compute import choose_device
from chefgenius.config import Config
from chefgenius.course import Leg
from chefgenius.head import looking
from chefgenius.inventory import NotFoundError, best_steps, find_checkpoint, read_state
from chefgenius.itinerary import Itinerary
from chefgenius.loading import load_weights
from chefgenius.loss import TokenLoss
from chefgenius.manifest import DamagedError, verify
from chefgenius.model import build_model
from chefgenius.resume import Origin, origin_at
from chefgenius.state import ResumeError
from chefgenius.vocabulary import Vocabulary


class Scorer:
    """The losses of records by one checkpoint of a run.

    Args:
        itinerary: of the run.
        which: `newest`, `best` or a step.

    Raises NotFoundError for no such checkpoint, ResumeError for one that is damaged or of another model,
    ConfigError and OSError.
    """

    def __init__(self, itinerary: Itinerary, which: str) -> None:
        run = itinerary.run.path
        self.checkpoint = find_checkpoint(run, _step(run, which))
        self.config = options.load(str(run / "config.yaml"))
        self.shelf = itinerary.shelf
        layout = itinerary.present()[0].specification["layout"]
        vocabulary = Vocabulary.of(itinerary.present()[1], layout["bos_id"])
        model = _model(self.config, _verified(self.checkpoint), vocabulary)
        self.loss = TokenLoss(model, self.config.train.precision)

    def __call__(self, leg: Leg, records: Sequence[int]) -> Mapping[int, float]:
        """The mean loss by target token of each record, cut and laid out as in a leg of the run."""
        windows, found = self.shelf.alone(leg), {}
        for record in dict.fromkeys(records):
            (index,) = windows.when(record, 0)
            arrays = windows.arrays_at(0, index)
            batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
            with looking(self.loss.model, self.config.train.precision):
                total = self.loss(batch).item()
            found[record] = total / max(int((batch["labels"] >= 0).sum()), 1)
        return found


def _step(run: Path, which: str) -> int | None:
    if which == "newest":
        return None
    if which != "best":
        return int(which)
    try:
        return best_steps(read_state(find_checkpoint(run))["best"])[0]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise NotFoundError(f"run `{run}` knows no best step: give a number") from error


def _verified(checkpoint: Path) -> Origin:
    try:
        return origin_at(checkpoint, verify(checkpoint), foreign=False)
    except DamagedError as error:
        raise ResumeError(f"checkpoint `{checkpoint}` is damaged: {error}: give another one") from error


def _model(config: Config, origin: Origin, vocabulary: Vocabulary) -> PreTrainedModel:
    base = lora.choose_base(config.model)
    lora.refuse_other_base(config, base, origin)
    model = build_model(config.model, vocabulary, config.seed, saved=origin.directory, base=base)
    if base is not None:
        lora.add_adapter(model, config.model.lora, config.seed)
    load_weights(origin, model)
    model.to(choose_device(config.train.device))  # type: ignore[arg-type]
    return model
