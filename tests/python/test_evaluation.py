from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius.cookbook import TOKENIZER
from chefgenius.data.store import TokenStore
from chefgenius.evaluation.evaluator import Evaluation, Evaluator, History, figures, saved_samples
from chefgenius.model.generators import capture
from chefgenius.model.loss import TokenLoss
from chefgenius.model.model import Vocabulary, build_model
from chefgenius.model.tokenizer import TextDecoder
from chefgenius.run.signals import StopRequested
from chefgenius.settings.config import ModelConfig
from chefgenius.settings.measures import MEASURES, of_texts
from chefgenius.settings.watching import EvalConfig
from running import MODEL
from samples import build, load, recipes, write_lines

TEXT = "title: Lemon Rice | ingredients: 1 cup rice | 2 lemons, sliced | directions: Cook."


def evaluator(store: TokenStore, **settings: Any) -> Evaluator:
    words = Vocabulary(store.vocab_size, store.pad_token_id, store.eos_token_id)
    return Evaluator(
        model=build_model(ModelConfig(config=MODEL), words, 1),
        loader=load(store, split="validation", validation_fraction=0.3, seed=0, prefetch=0),
        store=store,
        decoder=TextDecoder(TOKENIZER),
        settings=EvalConfig(**{"max_new_tokens": 6, **settings}),
        precision="float32",
        max_input_length=256,
        seed=1,
    )


def test_the_loss_is_the_mean_by_token_over_the_view(store: TokenStore) -> None:
    made = evaluator(store)
    made.model.eval()  # type: ignore[no-untyped-call]
    loader = made.loader
    assert loader.micro_batches >= 2
    batches = [loader.batch_at(0, index) for index in range(loader.micro_batches)]
    tokens = sum(int((batch["labels"] >= 0).sum()) for batch in batches)
    with torch.no_grad():
        total = sum(TokenLoss(made.model, "float32")(batch).item() for batch in batches)
        loss, counted = made.loss(5)
    assert loss == pytest.approx(total / tokens, rel=1e-12)
    assert counted == tokens


def test_fewer_batches_can_be_enough(store: TokenStore) -> None:
    made = evaluator(store, max_batches=1)
    batch = made.loader.batch_at(0, 0)
    assert made.loss(0)[1] == int((batch["labels"] >= 0).sum())


def test_evaluating_repeats_and_changes_nothing(store: TokenStore) -> None:
    made = evaluator(store)
    before, weights = capture(), [one.clone() for one in made.model.parameters()]
    first, second = made.evaluate(3, 0, 2), made.evaluate(3, 0, 2)
    assert first == second
    assert capture() == before
    assert made.model.training
    assert all(torch.equal(a, b) for a, b in zip(weights, made.model.parameters(), strict=True))


def test_samples_are_those_of_the_first_records_of_the_view(store: TokenStore) -> None:
    made = evaluator(store)
    evaluation, samples = made.evaluate(0, 0, 3)
    assert [sample.record_id for sample in samples] == list(made.loader.view_record_ids(3))
    assert evaluation.prompts == 3
    assert evaluation.scores["parsed"] == 0.0
    for sample in samples:
        assert sample.prompt.startswith("Write a recipe for ")
        assert (sample.parsed, sample.found) == (False, 0)
        assert sample.asked >= 2


def test_more_prompts_than_records_are_all_records(store: TokenStore) -> None:
    made = evaluator(store)
    assert len(made.generate(0, 1000)) == made.loader.records


def test_without_prompts_there_are_no_shares(store: TokenStore) -> None:
    made = evaluator(store, metrics=("recipe", "bleu", "chrf", "rouge"))
    evaluation, samples = made.evaluate(0, 0, 0)
    assert (samples, evaluation.prompts) == ([], 0)
    assert list(evaluation.scores) == [name for name in MEASURES if of_texts(name)]
    assert set(evaluation.scores.values()) == {None}


def test_only_the_prompts_that_count_are_in_the_figures(
    store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = evaluator(store, prompts=2)
    monkeypatch.setattr(made, "_write", lambda prompts: ["none", TEXT, TEXT][: len(prompts)])
    evaluation, samples = made.evaluate(0, 0, 3)
    assert (evaluation.prompts, evaluation.scores["parsed"], len(samples)) == (2, 0.5, 3)


def test_samples_are_read_back_by_their_step(store: TokenStore, tmp_path: Path) -> None:
    samples = evaluator(store).generate(0, 3)
    values = [{"step": step, **asdict(one)} for step in (0, 8) for one in samples[step // 8 :]]
    path = write_lines(tmp_path / "samples.jsonl", values)
    assert saved_samples(path, 8, 5) == samples[1:]
    assert saved_samples(path, 0, 2) == samples[:2]
    assert saved_samples(path, 4, 2) == []


def test_long_prompts_are_cut_before_their_end_mark(store: TokenStore) -> None:
    made = evaluator(store)
    made.max_input_length = 5
    record = int(made.loader.view_record_ids(1)[0])
    ids = made._prompt_ids(record)
    assert ids == [*map(int, store.record(record).prompt_ids[:4]), store.eos_token_id]


def test_a_perfect_model_gets_perfect_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = evaluator(build(tmp_path, recipes(20)))
    records = list(made.loader.view_record_ids(3))
    texts = [made.decoder.decode(made.store.record(int(one)).target_ids.tolist()) for one in records]
    monkeypatch.setattr(made, "_write", lambda prompts: texts[: len(prompts)])
    evaluation, _ = made.evaluate(0, 0, 3)
    for name in (
        "parsed",
        "sections",
        "ingredients_found",
        "ingredients_used",
        "numbered_steps",
        "quantities",
    ):
        assert evaluation.scores[name] == 1.0, name
    assert evaluation.scores["ingredients_unlisted"] == 0.0


def test_a_line_has_every_figure_by_its_name() -> None:
    made = Evaluation(7, 1, 2.0, 30, 4, {"parsed": 0.5, "bleu": None})
    line = figures(made)
    assert list(line)[:4] == ["kind", "step", "epoch", "validation_loss"]
    assert line["kind"] == "evaluation"
    assert line["perplexity"] == pytest.approx(7.389056)
    assert (line["parsed"], line["bleu"]) == (0.5, None)
    for name in ("validation_loss", "perplexity", "parsed", "bleu"):
        assert made.value(name) == line[name]
    assert made.value("chrf") is None
    assert Evaluation(7, 1, 1e9, 30, 4, {}).perplexity is None


@pytest.mark.parametrize("calls", [1, 5])
def test_a_stop_reaches_between_batches_and_tokens(store: TokenStore, calls: int) -> None:
    made, left = evaluator(store), calls

    def check() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise StopRequested("now")

    made.check = check
    with pytest.raises(StopRequested):
        made.evaluate(0, 0, 2)
    assert made.model.training


def test_history_keeps_the_first_and_the_last() -> None:
    history, again = History(), History()
    for step in (0, 5, 9):
        history.add(Evaluation(step, 0, 1.0, 10, 0, {"parsed": None, "bleu": 0.5}))
    again.load_state_dict(history.state_dict())
    assert (again.first, again.last) == (history.first, history.last)
    assert again.first is not None
    assert again.last is not None
    assert (again.first.step, again.last.step) == (0, 9)
    again.load_state_dict(History().state_dict())
    assert again.first is None
