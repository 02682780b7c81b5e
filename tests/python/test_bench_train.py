"""The bench of training gives both trainers the same work, and measures what it says."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import own
import pytest
import seq2seq
import torch
from chefgenius import TokenStore
from chefgenius.model.model import count_parameters
from promises import CUTS, WINDOW
from samples import build, recipes
from scene import CPU, FLAN_T5_BASE, QUICK, Scene
from seq2seq import IGNORED, Counted, Rows, new_model

BENCH = Path(__file__).parents[2] / "benches" / "python" / "train.py"


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return build(tmp_path, recipes(60))


def test_the_models_have_the_sizes_that_are_told() -> None:
    class Words:
        vocab_size, pad_token_id, eos_token_id = 32_128, 0, 1

    with torch.device("meta"):
        small, base = (
            count_parameters(new_model(Scene("", shape), Words(), 0))  # type: ignore[arg-type]
            for shape in (CPU.shape, FLAN_T5_BASE)
        )
    assert 4.9e6 < small < 5.1e6
    assert 222e6 < base < 224e6


def test_both_begin_with_the_same_weights_and_see_the_same_batches(store: TokenStore, tmp_path: Path) -> None:
    run = own.train(own.words(QUICK, store, tmp_path / "run", 3, 1, "optim.learning_rate=1e-30"))
    with QUICK.loader(store, 3, "bucketed") as loader:
        peer = seq2seq.trainer(QUICK, store, tmp_path / "peer", 3, max_steps=3)
        peer.loader = loader
        model: Any = peer.model
        saved = type(model).from_pretrained(own.last_checkpoint(run))
        assert all(
            torch.equal(one, other) for one, other in zip(model.parameters(), saved.parameters(), strict=True)
        )
        seen: list[torch.Tensor] = []
        model.register_forward_pre_hook(
            lambda module, args, batch: seen.append(batch["labels"]), with_kwargs=True
        )
        peer.train()
        expected = [loader.batch_at(0, place)["labels"] for place in range(3)]
    assert all(torch.equal(one, other) for one, other in zip(seen, expected, strict=True))


def test_its_own_way_has_the_same_records_and_pads_them_as_transformers_does(store: TokenStore) -> None:
    rows = Rows(QUICK, store)
    with QUICK.loader(store, 0, "fixed") as loader:
        assert len(rows) == loader.records > 40
        first = loader.batch_at(0, 0)
        model = new_model(QUICK, store, 0)
        counted = Counted(model, store)
        padded = counted([rows[place] for place in range(QUICK.rows)])
    for name in ("input_ids", "attention_mask", "labels"):
        assert torch.equal(padded[name], first[name]), name
    wanted: Any = model
    assert torch.equal(
        padded["decoder_input_ids"], wanted.prepare_decoder_input_ids_from_labels(first["labels"])
    )
    assert counted.tokens == [int((first["labels"] != IGNORED).sum())]


def test_a_pace_is_of_the_second_half(store: TokenStore, tmp_path: Path) -> None:
    """Recipes and tokens are those of the steps that were timed, by the loader's own account."""
    with QUICK.loader(store, 5, "bucketed") as loader:
        seen = [loader.step_info(0, step) for step in range(QUICK.steps, 2 * QUICK.steps)]
    ours = own.pace(QUICK, store, tmp_path / "run", 5, "data.plan=bucketed")
    theirs = seq2seq.pace_on_ours(QUICK, store, tmp_path / "peer", 5, "bucketed", torch.get_num_threads())
    for one in (ours, theirs):
        assert one.recipes == sum(step.samples for step in seen) > QUICK.steps
        assert one.target_tokens == sum(step.target_tokens for step in seen) > one.recipes
        assert one.seconds > 0
        assert one.recipes_a_second == one.recipes / one.seconds
    assert 0 <= ours.waited < ours.seconds


@pytest.mark.long
def test_the_command_measures_everything(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCH), "--quick", "--seeds", "1", "--work", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    table = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if "|" in line
    ]
    figures = {row[0].removesuffix(", tiny T5"): row for row in table if len(row) == 5 and row[1] != "loss"}
    for name, must, aim in (
        ("recipes/s on the same batches, against Seq2SeqTrainer", "1.05 x", "1.20 x"),
        ("target tokens/s, bucketed, against Seq2SeqTrainer's default", "2.20 x", "3.00 x"),
        ("the same, Seq2SeqTrainer grouped by length", "", ""),
        ("recipes/s, packed, compiled against eager", "", ""),
        ("share of a step without data", "0.500 %", "0.100 %"),
        ("validation loss after 600 target tokens, against Seq2SeqTrainer", "1.000 x", ""),
    ):
        assert figures[name][1:3] == [must, aim], name
        assert any(sign.isdigit() for sign in figures[name][3]), name
    for part in ("loss", "gradient norm"):
        row = figures[f"{part} by the cut of a step, relative difference"]
        assert (row[1], row[4]) == ("1.0e-06", "yes"), row
        wrong = figures[f"the same, Seq2SeqTrainer: times as large, {part}"][3]
        assert wrong.endswith(f"(1.00 to {WINDOW}.00)"), "transformers has mended its loss of T5"
    assert figures["of 3 files, other bits in another process"][3:] == ["0", "aim"]
    cuts = [row for row in table if len(row) == 5 and " x " in row[0] and row[0].split(" x ")[1].isdigit()]
    assert [row[0] for row in cuts] == [f"{WINDOW // cut} x {cut}" for cut in CUTS]
    assert not (tmp_path / "train").exists(), "what was trained is gone"
