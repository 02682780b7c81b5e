"""How a model writes: greedily, by beams, or by chance with a seed.

By chance, each text draws from a generator of its own, seeded by the seed, the prompt and how often it stood
there before. So the same seed gives the same text, whatever stands beside it in the batch, and nothing else
in the process advances it: the next token is the largest of score + Gumbel noise, which is a draw from the
softmax of the scores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from blake3 import blake3
from torch import Tensor
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TextStreamer,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from chefgenius.data.store import TokenStore
from chefgenius.generation.trained import Trained
from chefgenius.model.compute import autocast
from chefgenius.model.generators import derived_seed
from chefgenius.model.tokenizer import TextDecoder

ROWS = 64
"""texts that are written together, unless told otherwise"""


@dataclass(frozen=True)
class Manner:
    """How the next token is chosen."""

    temperature: float = 0.0
    """0: the likeliest token"""
    top_k: int | None = None
    top_p: float | None = None
    beams: int = 1
    seed: int = 0
    max_new_tokens: int = 160

    @property
    def told(self) -> str:
        """For a person."""
        if self.temperature:
            return f"temperature {self.temperature:g}, seed {self.seed}"
        return f"{self.beams} beams" if self.beams > 1 else "greedy"


class OwnChance(LogitsProcessor):
    """Adds to each row's scores noise from that row's own generator; the largest is then a sample."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # [rows, vocabulary]
        """Scores with noise, float32."""
        noise = torch.empty(scores.shape, dtype=torch.float32)
        for row, generator in zip(noise, self._generators, strict=True):
            row.exponential_(generator=generator)
        return scores.float() - noise.log_().to(scores.device)


class Ticks(StoppingCriteria):
    """Is told of each token; never a reason to stop."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: Any) -> Any:
        """No row is done."""
        self._tick()
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


class Stream(TextStreamer):
    """Hands on the text of one prompt as it is written, whole words at a time."""

    def __init__(self, decoder: TextDecoder, write: Callable[[str], None]) -> None:
        super().__init__(_Decoding(decoder), skip_prompt=True)  # type: ignore[arg-type]
        self._write = write

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        """The next part of the text."""
        self._write(text)


class _Decoding:
    """What the streamer wants of a tokenizer."""

    def __init__(self, decoder: TextDecoder) -> None:
        self._decoder = decoder

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        return self._decoder.decode(ids)


def write(
    trained: Trained,
    store: TokenStore,
    manner: Manner,
    rows: int = ROWS,
    tick: Callable[[], None] = lambda: None,
    stream: Callable[[str], None] | None = None,
) -> list[str]:
    """A text for each record of a store of prompts, in its order, as training and evaluation pose them.

    `tick` is called for each token of a batch. `stream` is for one prompt without beams.
    """
    longest = trained.located.config.data.max_input_length
    stored = [store.record(number).prompt_ids.tolist() for number in range(len(store))]
    prompts = [trained.layout.prompt(ids, longest, store.eos_token_id) for ids in stored]
    seeds, texts = _seeds(prompts, manner.seed), []
    for start in range(0, len(prompts), rows):
        some = slice(start, start + rows)
        texts += _write(trained, store, manner, prompts[some], seeds[some], tick, stream)
    return texts


def _write(
    trained: Trained,
    store: TokenStore,
    manner: Manner,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    tick: Callable[[], None],
    stream: Callable[[str], None] | None,
) -> list[str]:
    model, decoder = trained.model, trained.decoder
    ids, mask, begin = trained.layout.batch(prompts, store.pad_token_id)
    with torch.no_grad(), autocast(model.device, trained.located.config.train.precision):
        written: Tensor = model.generate(  # type: ignore[operator]
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            pad_token_id=store.pad_token_id,
            eos_token_id=store.eos_token_id,
            max_new_tokens=manner.max_new_tokens,
            do_sample=False,
            num_beams=manner.beams,
            logits_processor=_processors(manner, seeds),
            stopping_criteria=StoppingCriteriaList([Ticks(tick)]),
            streamer=None if stream is None else Stream(decoder, stream),
        )
    return [decoder.decode(row[begin:]) for row in written.tolist()]


def _processors(manner: Manner, seeds: Sequence[int]) -> LogitsProcessorList:
    made = LogitsProcessorList()
    if manner.temperature:
        made.append(TemperatureLogitsWarper(manner.temperature))
        if manner.top_k is not None:
            made.append(TopKLogitsWarper(manner.top_k))
        if manner.top_p is not None:
            made.append(TopPLogitsWarper(manner.top_p))
        made.append(OwnChance(seeds))
    return made


def _seeds(prompts: Sequence[Sequence[int]], seed: int) -> list[int]:
    """One for each prompt: of the same prompt in other places the same, of its repeats others."""
    seen: Counter[int] = Counter()
    seeds = []
    for prompt in prompts:
        digest = blake3(" ".join(map(str, prompt)).encode()).digest()
        name = int.from_bytes(digest[:8], "little")
        seeds.append(derived_seed(seed, "generate", seen[name], name))
        seen[name] += 1
    return seeds
