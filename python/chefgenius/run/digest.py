"""Which records a run has seen, in a digest that grows with each micro-batch; nothing here imports torch."""

import blake3
import numpy as np
import numpy.typing as npt

from chefgenius.run.state import State


class RollingDigest:
    """BLAKE3 chained over the record ids of every micro-batch: equal digests mean equal records and order."""

    def __init__(self) -> None:
        self.value = blake3.blake3(b"chefgenius digest 1").hexdigest()

    def update(self, record_ids: npt.NDArray[np.int64]) -> None:
        """Add one micro-batch."""
        ids = np.ascontiguousarray(record_ids, dtype="<i8").tobytes()
        self.value = blake3.blake3(bytes.fromhex(self.value) + ids).hexdigest()

    def state_dict(self) -> State:
        """The section."""
        return {"value": self.value}

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        if len(bytes.fromhex(state["value"])) != blake3.blake3.digest_size:
            raise ValueError("`value` is no digest")
        self.value = str(state["value"])
