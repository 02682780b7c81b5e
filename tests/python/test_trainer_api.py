"""A transformers Trainer that the loader feeds goes on exactly wherever it was cut, as the guide has it."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chefgenius import TokenStore
from guide import CUTS, EPOCHS, Watch, assert_survives, execute, names_of_epochs, new_process
from samples import load


def arguments(folder: Path, **options: Any) -> Any:
    from transformers import TrainingArguments

    small = {"num_train_epochs": EPOCHS, "learning_rate": 1e-2, "save_steps": 1, "save_total_limit": 2}
    quiet = {"report_to": "none", "disable_tqdm": True}
    return TrainingArguments(output_dir=str(folder), use_cpu=True, **{**small, **quiet, **options})


def run(folder: Path, watch: Watch, without: str | None = None, **options: Any) -> dict[str, Any]:
    """The guide's code; the names it leaves."""
    new_process()
    names = {"loader": watch.loader, "model": watch.model, "arguments": arguments(folder, **options)}
    return execute("transformers", 0, 1, without=without, **names)


@pytest.mark.parametrize(("window", "cuts"), CUTS)
def test_a_run_that_is_cut_off_goes_on_exactly(
    store: TokenStore, tmp_path: Path, window: int, cuts: tuple[int, ...]
) -> None:
    whole = partial(run, tmp_path / "whole", gradient_accumulation_steps=window)
    parts = partial(run, tmp_path / "parts", gradient_accumulation_steps=window)
    assert_survives(store, whole, parts, window, cuts)


def test_where_the_trainer_skips_nothing_nothing_is_reset(store: TokenStore, tmp_path: Path) -> None:
    options: dict[str, Any] = {"gradient_accumulation_steps": 2, "ignore_data_skip": True}
    whole = partial(run, tmp_path / "whole", **options)
    parts = partial(run, tmp_path / "parts", without="self.loader.reset()", **options)
    assert_survives(store, whole, parts, 2, (3, 10, 5))


def test_a_stop_inside_a_window_saves_the_step_before_it(store: TokenStore, tmp_path: Path) -> None:
    """The Trainer has fetched the last window of the epoch by then: the loader is in the next one."""
    from transformers import TrainerCallback

    first, second = Watch(store, dropout=0.0), Watch(store, dropout=0.0)
    whole = Watch(store, dropout=0.0)
    options: dict[str, Any] = {"gradient_accumulation_steps": 5, "save_strategy": "no"}
    expected = names_of_epochs(store)
    states = [batch.state for batch in load(store)]

    class Stop(TrainerCallback):
        def on_substep_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            if len(first.seen) == 11:
                control.should_training_stop = control.should_save = True

    new_process()
    names = execute("transformers", 0)
    place = names["KeepPlace"](first.loader)
    settings = arguments(tmp_path / "run", **options)
    names["RecipeTrainer"](first.loader, model=first.model, args=settings, callbacks=[place, Stop()]).train()
    assert first.seen == expected[:11]
    assert first.loader.state_dict() == states[11]
    assert place.place == states[9]

    run(tmp_path / "run", second, **options)
    assert second.seen == expected[10:]
    run(tmp_path / "whole", whole, **options)
    for one, other in zip(second.weights(), whole.weights(), strict=True):
        assert one.equal(other)


def test_a_checkpoint_without_a_place_is_refused(store: TokenStore, tmp_path: Path) -> None:
    run(tmp_path, Watch(store), max_steps=2)
    for path in tmp_path.glob("checkpoint-*/loader.json"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"loader\.json"):
        run(tmp_path, Watch(store), max_steps=4)
