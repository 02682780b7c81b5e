"""What a run is told of being saved, judged and logged: sections of the configuration.

`config` puts them beside the others. Nothing here imports torch.
"""

from pydantic import Field

from chefgenius.section import Section


class CheckpointConfig(Section):
    """When the run is saved, and what is kept."""

    every_steps: int = Field(default=250, ge=1)
    """a checkpoint every so many steps; the first, the last and each best boundary are saved besides"""

    every_minutes: float | None = Field(default=15, gt=0)
    """a checkpoint also when the last one is so many minutes old; none: steps alone decide"""

    keep: int = Field(default=2, ge=2)
    """newest checkpoints that are kept, besides those below and the pinned"""

    keep_best: int = Field(default=1, ge=1)
    """checkpoints of the lowest validation losses that are kept"""

    keep_every_steps: int | None = Field(default=None, ge=1)
    """checkpoints whose step is a multiple of this are kept for good; none: no such"""


class EvalConfig(Section):
    """How the model is judged on the records held out."""

    every_steps: int = Field(default=250, ge=0)
    """an evaluation every so many steps, besides one before and one after; 0: no evaluation at all"""

    max_batches: int | None = Field(default=None, ge=1)
    """validation batches that are read; none: all"""

    prompts: int = Field(default=50, ge=0)
    """validation prompts for which recipes are generated and judged before and after the training"""

    samples: int = Field(default=3, ge=0)
    """of these, how many are generated at every evaluation and shown at the end"""

    max_new_tokens: int = Field(default=160, ge=1)
    """length at which generation stops"""


class LogConfig(Section):
    """What is written down along the way."""

    every_steps: int = Field(default=10, ge=1)
    """a line in metrics.jsonl and timing.jsonl every so many steps, and of the first and the last"""
