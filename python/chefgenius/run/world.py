"""Which process of a run this is, as `torchrun` says in the environment. Nothing here imports torch."""

import os
from dataclasses import dataclass
from typing import Self

from chefgenius.settings.config import Config, ConfigError


@dataclass(frozen=True)
class World:
    """This process among those of its run, which all see the same files."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """among those on the same machine"""
    local_size: int = 1

    @classmethod
    def from_environment(cls) -> Self:
        """As `torchrun` says, else one process alone. Raises ConfigError for what it never says."""
        if not {"RANK", "WORLD_SIZE"} <= set(os.environ):
            return cls()
        rank, size = _number("RANK", 0), _number("WORLD_SIZE", 1)
        local_rank, local_size = _number("LOCAL_RANK", rank), _number("LOCAL_WORLD_SIZE", size)
        if not rank < size or not local_rank < local_size <= size:
            raise ConfigError(
                f"environment: RANK {rank} of WORLD_SIZE {size}, LOCAL_RANK {local_rank} of "
                f"LOCAL_WORLD_SIZE {local_size} is no place among processes: start with `torchrun`"
            )
        return cls(rank, size, local_rank, local_size)

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which alone writes, prints and calls back."""
        return self.rank == 0

    def check(self, config: Config) -> None:
        """Raises ConfigError where some ranks would never get a micro-batch."""
        slots = config.train.gradient_accumulation_steps
        if self.size > slots:
            raise ConfigError(
                f"`train.gradient_accumulation_steps`: `{slots}` is fewer than the {self.size} processes "
                "that share the micro-batches of a step, so some would never get one: "
                f"set it to {self.size} or more, or start fewer processes (`--nproc-per-node`)"
            )


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ConfigError(f"environment: {name} is `{text:.40}`, no number of a process: use `torchrun`")
    return int(text)
