"""The command `inspect`, on a real run that was resumed with other batches and lost a window on its way."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius import inspect
from chefgenius.data.feed import Feed
from chefgenius.data.shelf import Shelf
from chefgenius.model.loss import TokenLoss
from chefgenius.run.inventory import NotFoundError
from chefgenius.run.rundir import RunDirectory
from running import run_here
from samples import run_python
from transformers import AutoModelForSeq2SeqLM
from walking import fed

QUICK = (
    "eval.every_steps=0",
    "optim.schedule=constant",
    "train.on_nonfinite=skip",
    "checkpoint.every_steps=50",
)
LAST = 17


class Twin:
    """What was delivered: the micro-batches between two steps, as they came."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.batches: list[list[tuple[int, int, int]]] = []
        self.bad: set[int] = set()
        self.steps: dict[int, list[list[tuple[int, int, int]]]] = {}
        deliver, forward, window = Feed.next, TokenLoss.forward, Feed.settle

        def following(feed: Feed) -> Any:
            batch = deliver(feed)
            self.batches.append(fed(batch))
            return batch

        def loss(one: TokenLoss, batch: Any) -> torch.Tensor:
            return forward(one, batch) * (float("nan") if self.bad & set(batch.record_ids.tolist()) else 1)

        def settle(feed: Feed, info: Any) -> None:
            self.steps[len(self.steps) + 1] = self.batches
            self.batches = []
            window(feed, info)

        patch.setattr(Feed, "next", following)
        patch.setattr(TokenLoss, "forward", loss)
        patch.setattr(Feed, "settle", settle)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Twin]:
    """A run of 17 steps with another batch size after step 4; what it was given."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        twin = Twin(patch)
        assert run_here(folder, *QUICK, "train.max_steps=4") == 0
        twin.bad = {twin.steps[1][0][0][0]}
        change = ("data.batch_size=5", "--allow-change", "batch_size")
        assert run_here(folder, *QUICK, "train.max_steps=14", *change) == 0
        twin.bad = set()
        assert run_here(folder, *QUICK, f"train.max_steps={LAST}", "data.batch_size=5") == 0
    return folder, twin


def ask(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> str:
    capsys.readouterr()
    assert inspect.main([str(word) for word in words]) == code
    return capsys.readouterr().out


def told(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(capsys, *words, "--json"))
    return found


def failed(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    capsys.readouterr()
    assert inspect.main([str(word) for word in words]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_each_step_is_told_as_it_was_delivered(
    trained: tuple[Path, Twin], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, twin = trained
    assert sorted(twin.steps) == list(range(1, LAST + 1))
    skipped = 0
    for step, batches in twin.steps.items():
        found = told(capsys, folder / "run", "--step", step)
        recipes = [(one["record"], one["input_tokens"], one["target_tokens"]) for one in found["recipes"]]
        assert recipes == [one for batch in batches for one in batch], step
        assert [one["micro_batch"] for one in found["recipes"]] == [
            slot for slot, batch in enumerate(batches) for _ in batch
        ]
        assert found["proved_by"] == [step - 1, step]
        assert found["taken"]
        skipped += found["loss"] is None
    assert skipped == 1
    lines = [one["line"] for one in found["recipes"]]
    assert lines == [one["record"] + 1 for one in found["recipes"]]
    assert told(capsys, folder / "run", "--step", LAST)["left_out"] > 0


def test_a_step_in_plain_lines(trained: tuple[Path, Twin], capsys: pytest.CaptureFixture[str]) -> None:
    folder, twin = trained
    shown = ask(capsys, folder / "run", "--step", 2).splitlines()
    assert shown[0] == "step 2: epoch 0, step 2 of its 6"
    assert shown[2] == "these are its recipes: the digests of steps 1 and 2 in metrics.jsonl agree"
    assert shown[3].split() == ["batch", "record", "input", "target", "place", "title"]
    record = twin.steps[2][0][0][0]
    assert f" {record} " in shown[4]
    assert f"recipes.jsonl, line {record + 1} " in shown[4]
    assert len(shown) == 4 + sum(map(len, twin.steps[2]))
    assert ask(capsys, folder / "run", "--step", 20).startswith(
        "step 20: epoch 3, step 4 of its 5; a longer run"
    )
    whole = ask(capsys, folder / "run", "--step", 2, "--text")
    assert whole.count("\n  target\n    title: ") == sum(map(len, twin.steps[2]))


def test_a_record_is_told_when_it_is_seen(
    trained: tuple[Path, Twin], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, twin = trained
    sides = []
    for record in range(50):
        found = told(capsys, folder / "run", "--record", record)
        seen = [
            step
            for step, batches in twin.steps.items()
            for batch in batches
            if record in {one[0] for one in batch}
        ]
        assert [one["step"] for one in found["seen"]] == seen, record
        sides.append(found["side"])
    assert {side: sides.count(side) > 0 for side in sides} == {
        "train": True,
        "validation": True,
        "left out": True,
    }
    bad = sides.index("left out")
    shown = ask(capsys, folder / "run", "--record", bad)
    assert f"record {bad}: recipes.jsonl, line {bad + 1}: " in shown
    assert "left out of training since step " in shown
    assert (
        ask(capsys, folder / "run", "--record", sides.index("validation")).count(
            "no step of the run, as far as it goes, sees it"
        )
        == 1
    )


def test_losses_are_those_of_the_model_for_each_recipe_alone(
    trained: tuple[Path, Twin], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = trained
    found = told(capsys, folder / "run", "--step", 3, "--loss")
    assert found["checkpoint"] == f"step-{LAST:08d}"
    checkpoint = RunDirectory(folder / "run").step_path(LAST)
    model = AutoModelForSeq2SeqLM.from_pretrained(checkpoint).eval()
    from chefgenius.inspecting.itinerary import Itinerary

    _, store = Itinerary(folder / "run").present()
    for one in found["recipes"]:
        stored = store.record(one["record"])
        ids, labels = (
            [*part.tolist(), store.eos_token_id] for part in (stored.prompt_ids, stored.target_ids)
        )
        with torch.no_grad():
            expected = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss.item()
        assert one["loss"] == pytest.approx(expected, rel=1e-4)
    assert {one["loss"] for one in found["recipes"]} != {None}


def test_a_spike_is_found_and_its_worst_recipe_is_left_out(
    trained: tuple[Path, Twin], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The way of the README: find, write, go on without; nothing else moves."""
    folder, twin = trained
    shutil.copytree(folder / "run", folder / "spiked")
    file = tmp_path / "bad.txt"
    found = told(capsys, folder / "spiked", "--loss-spikes", "--threshold", 0.5, "--loss", "--write", file)
    assert found["logged_steps"] == LAST
    assert len(found["spikes"]) == found["found"] > 1
    spikes = {one["step"]: one for one in found["spikes"]}
    assert [step for step, one in spikes.items() if not one["finite"]] == [
        step for step in twin.steps if told(capsys, folder / "run", "--step", step)["loss"] is None
    ]
    worst = {max(one["recipes"], key=lambda recipe: recipe["loss"])["record"] for one in spikes.values()}
    numbers = {int(line.split("#")[0]) for line in file.read_text().splitlines() if line[0] != "#"}
    assert numbers == worst
    before = {
        step: told(capsys, folder / "spiked", "--step", step)["recipes"] for step in range(LAST + 1, LAST + 9)
    }
    words = ("data.batch_size=5", f"train.max_steps={LAST + 8}", f"data.tombstones={file}")
    assert run_here(folder, *QUICK, *words, "--allow-change", "tombstones", run="spiked") == 0
    for step, recipes in before.items():
        after = told(capsys, folder / "spiked", "--step", step)
        left = [one["record"] for one in recipes if one["record"] not in numbers]
        assert [one["record"] for one in after["recipes"]] == left
        assert after["proved_by"]
    side = told(capsys, folder / "spiked", "--record", min(numbers))
    assert side["told"].startswith("left out of training")
    again = tmp_path / "more.txt"
    shown = ask(capsys, folder / "spiked", "--step", LAST + 1, "--write", again)
    assert f"data.tombstones={again} --allow-change tombstones" in shown
    assert numbers < {int(line.split("#")[0]) for line in again.read_text().splitlines() if line[0] != "#"}


def test_without_losses_no_torch_is_imported_and_a_far_step_is_there_at_once(
    trained: tuple[Path, Twin],
) -> None:
    folder, _ = trained
    code = """
import sys, time
from chefgenius.inspect import main
begin = time.process_time()
for words in (["--step", "12"], ["--step", "999999999999"], ["--record", "3"], ["--loss-spikes"]):
    assert main([sys.argv[1], *words]) == 0
assert time.process_time() - begin < 1.5
assert "torch" not in sys.modules
"""
    assert "step 999999999999: epoch " in run_python(code, folder / "run")


def test_what_is_wrong_is_told_with_a_remedy(
    trained: tuple[Path, Twin], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = trained
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    assert "no run in" in failed(capsys, tmp_path, "--step", 1)
    assert "steps count from 1" in failed(capsys, run, "--step", 0)
    assert "no record 50: the store holds the records 0 to 49" in failed(capsys, run, "--record", 50)
    assert "has no checkpoint of step 3" in failed(capsys, run, "--step", 1, "--loss", "--checkpoint", 3)
    assert "`--worst` is for losses: add `--loss`" in failed(capsys, run, "--step", 1, "--worst", 2)
    assert "is there already" in failed(capsys, run, "--step", 1, "--write", run)
    log = run / "metrics.jsonl"
    text = log.read_text()
    digest = json.loads(text.splitlines()[2])["digest"]
    log.write_text(text.replace(digest, "0" * 64))
    assert "steps 3 to 3" in failed(capsys, run, "--step", 3, code=1)
    log.unlink()
    words = ("--loss-spikes", "--write", tmp_path / "bad.txt")
    assert "bad.txt` is not written: no step stands out" in failed(capsys, run, *words)
    assert ask(capsys, run, "--loss-spikes").startswith(
        "metrics.jsonl tells of 0 steps: among fewer than 11 nothing stands out"
    )
    assert told(capsys, run, "--step", 3)["proved_by"] is None
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "store": str(tmp_path / "gone" / "store-0")}))
    assert "any more: give its place with `--store DIR`" in failed(capsys, run, "--step", 3)
    assert told(capsys, run, "--step", 3, "--store", facts["store"])["recipes"]
    assert told(capsys, run, "--step", 3, "--store", Path(facts["store"]).parent)["recipes"]
    for junk in (b"", b"junk"):
        (run / "run.json").write_bytes(junk)
        assert told(capsys, run, "--step", 3)["recipes"], "the checkpoint says where stores are made"
    with pytest.raises(
        NotFoundError, match=r"run.json` is damaged, which .* writes it anew: until then give"
    ):
        Shelf(run, {}).store("b3:1")
    (run / "run.json").unlink()
    with pytest.raises(NotFoundError, match="is not known any more: give its place"):
        Shelf(run, {}).store("b3:1")
    assert told(capsys, run, "--step", 3, "--store", facts["store"])["recipes"]
    for step in RunDirectory(run).steps():  # as before a run noted its way
        state = RunDirectory(run).step_path(step) / "state.json"
        saved = json.loads(state.read_text())
        del saved["sections"]["course"]
        state.write_text(json.dumps(saved))
    assert "does not tell its way through the data: it was last started by a version" in failed(
        capsys, run, "--step", 3, "--store", facts["store"]
    )
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    assert "has no checkpoint yet: wait for its first one" in failed(capsys, run, "--step", 3)


def test_a_terminal_gets_a_table_of_its_width(
    trained: tuple[Path, Twin], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", "60")
    assert inspect.main([str(trained[0] / "run"), "--step", "2"]) == 0
    lines = screen.getvalue().splitlines()
    assert any("…" in line for line in lines)
    assert max(map(len, lines[4:])) <= 60


def test_the_help_fits_a_screen() -> None:
    text = inspect.parser().format_help()
    assert len(text.splitlines()) <= 30
    assert max(map(len, text.splitlines())) <= 80
    assert "example:\n  chefgenius inspect runs/mine --loss-spikes" in text


def test_what_stands_out_and_what_was_seen_are_told_in_sentences() -> None:
    assert list(inspect._summary(140, 15, 0, 0, 6.0)) == [
        "none of the 15 logged steps stands out by 6 deviations or more",
        "125 of the 140 steps were not logged: `log.every_steps=1` logs each",
    ]
    assert list(inspect._summary(40, 40, 12, 10, 6.0)) == [
        "12 of the 40 logged steps stand out by 6 deviations or more",
        "the 10 highest:",
    ]
    assert list(inspect._visits([(4 * epoch + 1, epoch) for epoch in range(8)], taken=29)) == [
        "seen in 8 steps so far, none to come",
        "    1  epoch 0, the first",
        "  ...  2 more between",
        *(f"  {4 * epoch + 1:>3}  epoch {epoch}" for epoch in range(3, 8)),
    ]
