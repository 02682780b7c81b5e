"""A run that is killed again and again ends as the one that never was: weights, optimizer, memory, logs.

A chain kills one run many times, so that every resume but the first is a resume of a resume, and compares
its end with a run that was left alone. Where it may be killed is read from a trace: every operation that
changes a file is a point.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from chains import LORA_ROW, ROWS, Chain, Point
from chefgenius.settings.config import DataConfig, TrainConfig
from faults.shim import Faults, operations
from running import COUNTING, Nursery, outcome

EPOCH = 6
"""steps of an epoch with accumulation 2"""
QUICK = {"plain", "packed", "accumulation 4", "early stopping, a callback with a state", "lora"}
"""rows that are killed in the quick suite too; the long one kills every row at every point"""


@pytest.fixture(scope="session")
def texts(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All that a process does which goes on after a kill in a save and comes to the end of its run."""
    if nursery.shim is None:
        pytest.skip("without a C compiler `cc` no file operation can be struck")
    folder = tmp_path_factory.mktemp("points")
    chain = Chain(nursery, folder, 8)
    assert chain.kill_at("rename *.tmp-step-00000004 *")
    child = chain.start(Faults(root=str(folder / "runs"), trace=str(folder / "trace")))
    assert child.wait() == 0
    return [re.sub(r"\d{8}", "*", str(one)) for one in operations(folder / "trace")]


@pytest.fixture(scope="session")
def points(texts: list[str]) -> list[Point]:
    """Each text up to the first checkpoint that is retired, and a text that comes again in it once more."""
    seen = Counter(texts[: texts.index("rmdir killed/checkpoints/.trash-step-*") + 1])
    return [Point(text, 0) for text in seen] + [Point(text, 1) for text in seen if seen[text] > 1]


def test_points_are_those_of_the_whole_protocol(points: list[Point]) -> None:
    """The matrix hits something: every file of a checkpoint, the rename, what comes after it, the logs."""
    texts = {point.text for point in points}
    print("\n".join(sorted(texts)))
    temporary, trash = "killed/checkpoints/.tmp-step-*", "killed/checkpoints/.trash-step-*"
    for file in ("model.safetensors", "optim.safetensors", "state.json", "manifest.json", "tokenizer.json"):
        for name in ("create", "write", "fsync"):
            assert f"{name} {temporary}/{file}" in texts
        assert f"unlink {trash}/{file}" in texts
    assert {f"mkdir {temporary}", f"fsync {temporary}", "fsync killed/checkpoints"} <= texts
    assert f"rename {temporary} killed/checkpoints/step-*" in texts
    assert f"rename killed/checkpoints/step-* {trash}" in texts
    assert {"write killed/metrics.jsonl", "fsync killed/metrics.jsonl", "rename killed/.config.yaml.new"}
    assert len(texts) >= 45


def test_the_rows_are_of_every_kind_of_run() -> None:
    """A plan or a precision that is added to the configuration adds its row."""
    settings: dict[str, set[str]] = {
        "data.plan": {DataConfig().plan},
        "train.precision": {TrainConfig().precision},
        "train.gradient_accumulation_steps": {"2"},  # of `running.words`
    }
    for overrides in ROWS.values():
        for key, value in (one.split("=", 1) for one in overrides if "=" in one):
            settings.setdefault(key, set()).add(value)
    assert settings["data.plan"] >= {*get_args(get_type_hints(DataConfig)["plan"])}
    assert settings["train.precision"] >= {*get_args(get_type_hints(TrainConfig)["precision"])}
    assert settings["train.gradient_accumulation_steps"] >= {"1", "2", "4"}
    assert "true" in settings["train.compile"]


def of_row(points: list[Point], row: str) -> list[Point]:
    """Those that a run of this kind comes to."""
    silent = "eval.every_steps=0" in ROWS[row]
    mine = [point for point in points if not (silent and point.text == "write killed/samples.jsonl")]
    if LORA_ROW in ROWS[row]:
        mine = [Point(one.text.replace("/model.", "/adapter_model."), one.number) for one in mine]
    return mine


@pytest.mark.parametrize(
    "row", [row if row in QUICK else pytest.param(row, marks=pytest.mark.long) for row in ROWS]
)
def test_a_run_killed_at_some_points_ends_bit_identical(
    tmp_path: Path, faulty: Nursery, points: list[Point], row: str
) -> None:
    """Ten kills of one run and three of each other, at points of their own."""
    most = 7 if row == "plain" else 2
    chance = random.Random(row)
    chain = Chain(faulty, tmp_path, 6 + 3 * most, ROWS[row])
    for number, point in enumerate(chance.sample(of_row(points, row), most)):
        assert chain.kill(point, chance), point
        if number % 2:
            chain.kill_after(chance.randint(1, 3), chance.uniform(0, 0.02))
    chain.finish()
    print(f"kills, {row}: {len(chain.kills)} of {len(chain.kills)} bit-identical")
    assert len(chain.kills) >= most * 3 // 2


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS)
def test_a_run_killed_at_every_point_ends_bit_identical(
    tmp_path: Path, faulty: Nursery, points: list[Point], row: str
) -> None:
    chance = random.Random(f"{row} 0")
    mine = of_row(points, row)
    chain = Chain(faulty, tmp_path, 150, ROWS[row])
    for number, point in enumerate(chance.sample(mine, len(mine))):
        assert chain.kill(point, chance), point
        if number % 5 == 0:
            chain.kill_after(chance.randint(1, 3), chance.uniform(0, 0.02))
    chain.finish()
    print(f"kills, {row}: {len(chain.kills)} of {len(chain.kills)} bit-identical")
    assert len(chain.kills) >= len(mine) * 6 // 5
    assert chain.in_a_save >= len(mine) // 4


@pytest.mark.parametrize("kills", [4, pytest.param(1000, marks=pytest.mark.long)])
def test_a_run_killed_while_it_ends_ends_bit_identical(
    tmp_path: Path, faulty: Nursery, texts: list[str], kills: int
) -> None:
    """In its last save and in what comes after it, until run.json says that it is finished."""
    begin = len(texts) - 1 - texts[::-1].index("mkdir killed/checkpoints/.tmp-step-*")
    last = [
        Point(text, 1 if ".run.json" in text else 0)  # the first is that of the start
        for text in dict.fromkeys(texts[begin:])
        if ".new" in text or ".tmp-" in text
    ]
    assert len(last) >= 35
    chance = random.Random(kills)
    chain = Chain(faulty, tmp_path, 8, ("checkpoint.every_steps=8",))
    for point in sorted(chance.sample(last, min(kills, len(last))), key=last.index):
        assert chain.kill(point, chance), point
    chain.finish()
    print(f"kills at the end: {len(chain.kills)} of {len(chain.kills)} bit-identical")


def test_a_run_killed_before_its_first_checkpoint_begins_again(tmp_path: Path, faulty: Nursery) -> None:
    """Killed later and later, until the first checkpoint stands."""
    chain = Chain(faulty, tmp_path, 4)
    number = 1
    while not any((chain.path / "checkpoints").glob("step-*")):
        assert chain.kill_at("*", number, within=number % 2 == 0)
        number += 17
    assert len(chain.kills) >= 5
    chain.finish()


def test_a_run_killed_at_the_edges_of_epochs_ends_bit_identical(tmp_path: Path, faulty: Nursery) -> None:
    chain = Chain(faulty, tmp_path, 2 * EPOCH + 2, ("checkpoint.every_steps=1",))
    for number, last in enumerate((EPOCH, 2 * EPOCH)):
        for step in (last, last + 1):  # before the rename and after it, at one edge the one first
            assert chain.kill_at(f"rename *.tmp-step-{step:08d} *", within=number == 1)
            assert chain.kill_at("write *metrics.jsonl", within=True)
    chain.finish()
    print(f"kills at edges of epochs: {len(chain.kills)} of {len(chain.kills)} bit-identical")


def test_a_run_killed_while_it_ends_early_ends_there(tmp_path: Path, faulty: Nursery) -> None:
    """At the evaluation that ends it, at the checkpoint after it, and before it is noted as finished."""
    metric = ("eval.early_stopping.metric=validation_loss", "eval.early_stopping.min_delta=1e9")
    soon = (*metric, "eval.early_stopping.patience=1", "eval.every_steps=4", "checkpoint.every_steps=3")
    chain = Chain(faulty, tmp_path, 40, (*soon, COUNTING))
    assert chain.kill_at("write killed/samples.jsonl", 2)
    for within in (False, True):
        assert chain.kill_at("rename *.tmp-step-00000004 *", within=within)
    assert chain.kill_at("rename killed/.run.json.new *", 1)
    chain.finish(last_step=4)
    print(f"kills at an early end: {len(chain.kills)} of {len(chain.kills)} bit-identical")


def test_a_compiled_run_that_is_killed_ends_bit_identical(tmp_path: Path, faulty: Nursery) -> None:
    """Once, for the quick suite; the long rows kill it at every point."""
    chain = Chain(faulty, tmp_path, 4, ROWS["compiled"])
    assert chain.kill_at("rename *.tmp-step-00000002 *", within=True)
    chain.finish()


PLANS = ("data.batch_size=5", "data.batch_size=3"), ("data.plan=fixed", "data.plan=packed")
"""what the batches become in the middle of the first epoch, and of the second"""
LEGS = (3, 8, 18)
"""the last step with each; the batches of the second begin after step 6, with their epoch"""


def begin_with(points: Sequence[Point], chance: random.Random, chain: Chain, *overrides: str) -> None:
    """A leg of the chain, killed at these points as far as it comes to them."""
    chain.go_on(LEGS[LEGS.index(chain.steps) + 1], *overrides)
    for point in points:
        chain.kill(point, chance)
    chain.end()


@pytest.mark.parametrize("most", [1, pytest.param(1000, marks=pytest.mark.long)])
def test_a_run_killed_around_changes_of_its_plan_ends_bit_identical(
    tmp_path: Path, faulty: Nursery, points: list[Point], most: int
) -> None:
    """Two changes, each in the middle of an epoch that is finished first; the run is killed around both.

    Few points are struck in a leg, which is short: there is a run for every six.
    """
    chance = random.Random(most)
    kills, drawn = 0, chance.sample(points, min(most, len(points)))
    for number, first in enumerate(range(0, len(drawn), 6)):
        folder = tmp_path / str(number)
        folder.mkdir()
        chain = Chain(faulty, folder, LEGS[0])
        assert chain.kill_at("rename *.tmp-step-00000002 *", within=True)
        chain.end()
        leave, mine = ("--allow-change", "batch_size,plan"), drawn[first : first + 6]
        sizes, kinds = PLANS
        begin_with(mine[:4], chance, chain, *leave, sizes[number % 2])
        begin_with(mine[4:], chance, chain, *leave, kinds[number % 2], sizes[1 - number % 2])
        chain.finish()
        course = outcome(chain.path)["sections"]["course"]
        assert [leg["step"] for leg in course["legs"]][:2] == [0, 6]
        assert len({leg["plan"] for leg in course["legs"]}) == 3
        kills += len(chain.kills)
    print(f"kills around changes of the plan: {kills} of {kills} bit-identical")
    assert kills > len(drawn)
