"""How good the model is on the records held out.

1. `Evaluator.loss`: mean loss by target token over the validation view.
2. `Evaluator.generate`: recipes for the first prompts of the view, greedily, so that they depend on the
   weights alone.
3. `judging` says how good they are; its metrics and the loss are one line of metrics.jsonl.

Torch's generators are isolated by domains of their own, so looking at a run never changes it (law 2).
"""

import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, StoppingCriteria, StoppingCriteriaList

from chefgenius.data.layout import Layout
from chefgenius.data.loader import RecipeLoader
from chefgenius.data.store import TokenStore
from chefgenius.evaluation.judging import Judge, Vocabulary
from chefgenius.model.compute import autocast
from chefgenius.model.generators import isolated
from chefgenius.model.loss import TokenLoss
from chefgenius.model.tokenizer import TextDecoder
from chefgenius.run.state import State, checked
from chefgenius.settings.config import Precision
from chefgenius.settings.watching import EvalConfig

ROWS = 64
"""prompts that are generated together"""
KNOWN = 2000
"""held-out recipes whose ingredients are known, the first of the view"""
MOST_LOSS = 700.0
"""nats up to which a perplexity is a number"""


@dataclass(frozen=True)
class Sample:
    """One generated recipe."""

    record_id: int
    prompt: str
    reference: str
    """the held-out target"""
    text: str
    """what the model wrote"""
    parsed: bool
    """whether the text is a recipe: title, ingredients and directions, in this order"""
    asked: int
    """ingredients of the reference recipe, by name"""
    found: int
    """how many of them stand in the generated list"""


@dataclass(frozen=True)
class Evaluation:
    """The figures of one boundary."""

    step: int
    epoch: int
    validation_loss: float
    """mean by target token, nats"""
    validation_tokens: int
    prompts: int
    """how many texts were judged"""
    scores: dict[str, float | None]
    """the metrics of texts, as in `measures`; None where there was nothing to judge"""

    @property
    def perplexity(self) -> float | None:
        """e to the power of the validation loss; None where that is past all numbers."""
        return math.exp(self.validation_loss) if self.validation_loss < MOST_LOSS else None

    def value(self, metric: str) -> float | None:
        """The value of a metric by its name in `measures`; None where it was not computed."""
        losses = {"validation_loss": self.validation_loss, "perplexity": self.perplexity}
        return losses[metric] if metric in losses else self.scores.get(metric)


@dataclass
class History:
    """The first and the last evaluation of a run; the section `evaluation` of state.json."""

    first: Evaluation | None = None
    last: Evaluation | None = None

    def add(self, evaluation: Evaluation) -> None:
        """Take the next evaluation."""
        self.first = self.first or evaluation
        self.last = evaluation

    def state_dict(self) -> State:
        """The section."""
        return {
            name: None if one is None else asdict(one)
            for name, one in (("first", self.first), ("last", self.last))
        }

    def load_state_dict(self, state: State) -> None:
        """Take a saved section."""
        self.first, self.last = (
            None if state[name] is None else Evaluation(**checked(Evaluation, state[name]))
            for name in ("first", "last")
        )


@dataclass
class Evaluator:
    """Evaluates one model on one validation view."""

    model: PreTrainedModel
    loader: RecipeLoader
    """batches of the validation view; its seed is no business of the run's"""
    store: TokenStore
    decoder: TextDecoder
    settings: EvalConfig
    precision: Precision
    max_input_length: int
    seed: int
    layout: Layout = field(default_factory=Layout)
    """what stands around a prompt, as in training"""
    check: Callable[[], None] = field(default=lambda: None)
    """called between batches and between generated tokens; may raise to end the evaluation"""

    def evaluate(self, step: int, epoch: int, prompts: int) -> tuple[Evaluation, list[Sample]]:
        """Loss over the view, and recipes for its first `prompts` prompts.

        The figures are over the first `eval.prompts` of them. Leaves the model in training mode.
        """
        self.model.eval()  # type: ignore[no-untyped-call]
        try:
            with torch.no_grad():
                loss, tokens = self.loss(step)
                samples = self.generate(step, prompts)
        finally:
            self.model.train()
        judged = samples[: self.settings.prompts]
        texts, references = [one.text for one in judged], [one.reference for one in judged]
        evaluation = Evaluation(
            step=step,
            epoch=epoch,
            validation_loss=loss,
            validation_tokens=tokens,
            prompts=len(judged),
            scores=self.judge.scores(texts, references),
        )
        return evaluation, samples

    @cached_property
    def judge(self) -> Judge:
        """Knows the ingredients of the held-out recipes; made once."""
        records = map(int, self.loader.view_record_ids(KNOWN))
        return Judge(self.settings.metrics, Vocabulary.of(map(self._reference, records)))

    def loss(self, step: int) -> tuple[float, int]:
        """Mean loss by target token and the number of these tokens, over the view or `max_batches` of it."""
        batches = self.loader.micro_batches
        if self.settings.max_batches is not None:
            batches = min(batches, self.settings.max_batches)
        loss = TokenLoss(self.model, self.precision)
        total, tokens = 0.0, 0
        for index in range(batches):
            self.check()
            batch = self.loader.batch_at(0, index)
            with isolated(self.seed, "evaluation", step, index):
                total += loss(batch).item()
            tokens += int((batch["labels"] >= 0).sum())
        return total / tokens, tokens

    def generate(self, step: int, prompts: int) -> list[Sample]:
        """Recipes for the first prompts of the view, in the order of the store."""
        records = [int(record) for record in self.loader.view_record_ids(prompts)] if prompts else []
        samples: list[Sample] = []
        for start in range(0, len(records), ROWS):
            rows = records[start : start + ROWS]
            with isolated(self.seed, "samples", step, start // ROWS):
                texts = self._write([self._prompt_ids(record) for record in rows])
            samples += [self._sample(record, text) for record, text in zip(rows, texts, strict=True)]
        return samples

    def _prompt_ids(self, record: int) -> list[int]:
        ids = self.store.record(record).prompt_ids.tolist()
        return self.layout.prompt(ids, self.max_input_length, self.store.eos_token_id)

    def _write(self, prompts: Sequence[Sequence[int]]) -> list[str]:
        """Greedy texts for prompts of token ids."""
        device = self.model.device
        ids, mask, begin = self.layout.batch(prompts, self.store.pad_token_id)
        with autocast(device, self.precision):
            written: Tensor = self.model.generate(  # type: ignore[operator]
                input_ids=torch.tensor(ids, device=device),
                attention_mask=torch.tensor(mask, device=device),
                pad_token_id=self.store.pad_token_id,
                eos_token_id=self.store.eos_token_id,
                max_new_tokens=self.settings.max_new_tokens,
                do_sample=False,
                num_beams=1,
                stopping_criteria=StoppingCriteriaList([_Check(self.check)]),
            )
        return [self.decoder.decode(row[begin:]) for row in written.tolist()]

    def _sample(self, record: int, text: str) -> Sample:
        reference = self._reference(record)
        prompt = self.decoder.decode(self.store.record(record).prompt_ids.tolist())
        counts = self.judge.judge(text, reference)
        found, asked = counts.ingredients_found
        return Sample(record, prompt, reference, text, bool(counts.parsed[0]), asked, found)

    def _reference(self, record: int) -> str:
        return self.decoder.decode(self.store.record(record).target_ids.tolist())


def figures(evaluation: Evaluation) -> dict[str, Any]:
    """The line of an evaluation in metrics.jsonl."""
    values = asdict(evaluation)
    scores = values.pop("scores")
    return {"kind": "evaluation", **values, "perplexity": evaluation.perplexity, **scores}


def saved_samples(path: Path, step: int, count: int) -> list[Sample]:
    """The first `count` lines of a step in samples.jsonl."""
    with open(path, encoding="utf-8") as lines:
        found = (values for values in map(json.loads, lines) if values.pop("step") == step)
        return [Sample(**values) for values in itertools.islice(found, count)]


class _Check(StoppingCriteria):
    """Lets a stop reach between two generated tokens."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: Any) -> Any:
        self._check()
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)
