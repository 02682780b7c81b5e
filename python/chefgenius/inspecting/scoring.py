"""The loss that a checkpoint has for single records, each alone in its row and without dropout.

The checkpoint is verified before anything of it is used, and nothing of it is changed.
"""

from collections.abc import Mapping, Sequence

import torch

from chefgenius.data.course import Leg
from chefgenius.generation.trained import open_model
from chefgenius.inspecting.itinerary import Itinerary
from chefgenius.model.head import looking
from chefgenius.model.loss import TokenLoss
from chefgenius.run.located import locate, standing


class Scorer:
    """The losses of records by one checkpoint of a run.

    Args:
        itinerary: of the run.
        which: `newest`, `best` or a step.

    Raises NotFoundError for no such checkpoint, ResumeError for one that is damaged or of another model,
    ConfigError and OSError.
    """

    def __init__(self, itinerary: Itinerary, which: str) -> None:
        located = locate(itinerary.run.path, which)
        self.checkpoint = located.directory.name
        self.warning = located.warning
        self.shelf = itinerary.shelf
        self.precision = located.config.train.precision
        with standing(located.directory):
            trained = open_model(located, itinerary.present()[1], say=lambda text: None)
        self.loss = TokenLoss(trained.model, self.precision)

    def __call__(self, leg: Leg, records: Sequence[int]) -> Mapping[int, float]:
        """The mean loss by target token of each record, cut and laid out as in a leg of the run."""
        windows, found = self.shelf.alone(leg), {}
        for record in dict.fromkeys(records):
            (index,) = windows.when(record, 0)
            arrays = windows.arrays_at(0, index)
            batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
            with looking(self.loss.model, self.precision):
                total = self.loss(batch).item()
            found[record] = total / max(int((batch["labels"] >= 0).sum()), 1)
        return found
