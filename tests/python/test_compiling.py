"""Compiled blocks compute what the model does, for few shapes, and a resumed run the very same bits.

The quick tests trace as always and leave the programs as they are (`eager`); `long` ones have machine code.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from chains import CAUSAL
from chefgenius.model import compiling
from chefgenius.model.compiling import compile_blocks, compiler_of, try_out
from chefgenius.model.loss import TokenLoss
from chefgenius.model.proofs import checkpoint_activations
from chefgenius.model.shapes import Shapes
from chefgenius.run.state import RunError
from chefgenius.settings.config import Config, ConfigError
from fitting import fit, metrics, stop_at
from kinds import ENCODER_DECODERS, KINDS, batch_of, tiny
from running import TRACED, Nursery, assert_same_run, run_here, words
from test_ranks import QUICK, assert_alike, train
from torch._dynamo.utils import counters

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
"""which torch hides while it traces"""

PLAIN = ("eval.every_steps=0", "train.max_steps=4", "checkpoint.every_steps=50")
COMPILED = (*PLAIN, "train.compile=true", "data.plan=packed", CAUSAL)


@pytest.fixture(autouse=True)
def switches() -> Iterator[None]:
    """Torch's switches are those of the process; other tests shall find them as they were."""
    with torch._dynamo.config.patch({}), torch._functorch.config.patch({}):
        yield


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without machine code."""
    monkeypatch.setattr(compiling, "BACKEND", "eager")


def programs() -> int:
    found: int = counters["stats"]["unique_graphs"]
    return found


def shapes_for(kind: str, widths: tuple[int, ...] = (16,)) -> Shapes:
    return Shapes(4, widths, widths if kind in ENCODER_DECODERS else (), 0)


def learned(loss: TokenLoss, batch: dict[str, torch.Tensor]) -> tuple[float, torch.Tensor]:
    loss.zero_grad()
    found = loss(batch)
    found.backward()
    return found.item(), torch.cat([one.grad.flatten() for one in loss.parameters() if one.grad is not None])


def check(kind: str, close: float) -> int:
    """Compares a compiled model with itself before; how many programs there were in the first shape."""
    model = tiny(kind)
    loss = TokenLoss(model, shapes=shapes_for(kind, (16, 24)))
    narrow, wide = batch_of(kind), batch_of(kind, 2, seed=1)
    wide = {name: torch.cat([one] * 2, dim=1) for name, one in wide.items()}
    expected = [learned(loss, one) for one in (narrow, wide)]
    compile_blocks(model, shapes_for(kind, (16, 24)))
    begin, counts = programs(), []
    for turn in range(2):
        for one, (plain, gradients) in zip((narrow, wide), expected, strict=True):
            value, found = learned(loss, one)
            assert value == pytest.approx(plain, rel=close)
            assert torch.allclose(found, gradients, rtol=1e-3, atol=close * gradients.abs().max().item())
            counts.append(programs() - begin)
        assert turn == 0 or counts[-1] == counts[1], "what was compiled is compiled again"
    assert counts[1] == 2 * counts[0]
    return counts[0]


@pytest.mark.parametrize(
    "kind", [one if one == "gpt2" else pytest.param(one, marks=pytest.mark.long) for one in KINDS]
)
def test_compiled_blocks_give_the_loss_and_the_gradient_of_the_model(kind: str, traced: None) -> None:
    expected = 4 if kind in ("t5", "flan-t5", "mt5") else 2 if kind == "bart" else 1
    assert check(kind, 1e-6) == expected, "layers that are alike share a program"


@pytest.mark.long
@pytest.mark.parametrize("kind", ["t5", "gpt2", "llama"])
def test_machine_code_gives_the_loss_and_the_gradient_of_the_model(kind: str) -> None:
    check(kind, 1e-5)


def test_only_what_is_learned_is_compiled_and_another_run_begins_anew(traced: None) -> None:
    model: Any = tiny("gpt2")
    batch, shapes = batch_of("gpt2"), shapes_for("gpt2")
    compile_blocks(model, shapes)
    begin = programs()
    with torch.no_grad():
        TokenLoss(model, shapes=shapes)(batch)
    model.train(False)
    TokenLoss(model)(batch).backward()
    model.generate(batch["input_ids"][:1], max_new_tokens=3, pad_token_id=0, attention_mask=None)
    assert programs() == begin
    model.train()
    for number in (1, 2):
        learned(TokenLoss(model, shapes=shapes), batch)
        assert programs() == begin + number
        model = tiny("gpt2")
        compile_blocks(model, shapes)


@pytest.mark.long
def test_activations_are_computed_again_by_the_same_program(
    traced: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "BACKEND", "aot_eager")  # what takes the graph of the backward pass apart
    model, batch = tiny("t5", dropout_rate=0.5), batch_of("t5")
    shapes = shapes_for("t5")
    compile_blocks(model, shapes)
    torch.manual_seed(5)
    expected = learned(TokenLoss(model, shapes=shapes), batch)
    checkpoint_activations(model)
    torch.manual_seed(5)
    value, gradients = learned(TokenLoss(model, shapes=shapes), batch)
    assert value == expected[0]
    assert torch.allclose(gradients, expected[1], rtol=1e-5, atol=1e-6)


def test_more_shapes_than_there_are_end_the_run(traced: None) -> None:
    """Where torch would go on uncompiled in silence."""
    model = tiny("gpt2", n_layer=1)
    compile_blocks(model, shapes_for("gpt2"))
    loss = TokenLoss(model)
    expected = [learned(loss, batch_of("gpt2", rows))[0] for rows in (1, 2, 3, 4)]
    assert len(expected) == compiling.WAYS
    fifth = batch_of("gpt2", 5)
    with pytest.raises(RunError, match=r"`train\.compile`: the blocks of `GPT2Block` came in more shapes"):
        learned(loss, fifth)
    assert [learned(loss, batch_of("gpt2", rows))[0] for rows in (1, 2, 3, 4)] == expected


def test_what_cannot_be_compiled_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(say: str) -> Any:
        return pytest.raises(ConfigError, match=f"^`train.compile`: {say}")

    model = tiny("gpt2")
    monkeypatch.setattr(model, "_no_split_modules", [])
    with refused("a model of the kind `gpt2` does not say which of its parts are blocks"):
        compile_blocks(model, shapes_for("gpt2"))
    monkeypatch.undo()
    model.config._attn_implementation = "flash_attention_2"
    with refused("packed rows have no fixed width with `flash_attention_2`: set `model.attention=sdpa`"):
        compile_blocks(model, Shapes(4, (16,), (), 0))
    model.config._attn_implementation = "eager"

    def broken(*_: Any) -> Any:
        raise RuntimeError("no room\nfor code")

    monkeypatch.setattr(compiling, "BACKEND", broken)
    compile_blocks(model, shapes_for("gpt2"))
    with refused("cannot compile a model of the kind `gpt2` here: .*no room for code"):
        try_out(TokenLoss(model, shapes=shapes_for("gpt2")), Config())
    monkeypatch.setenv("PATH", "/none")
    with refused("cannot compile here: .*: install a C\\+\\+ compiler such as g\\+\\+, or leave it out$"):
        compiler_of(torch.device("cpu"))


def test_the_compiler_is_known_by_its_version() -> None:
    told = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=True).stdout
    assert compiler_of(torch.device("cpu")) == told.splitlines()[0]


def test_a_compiled_run_goes_on_bit_identical_and_only_compiled(
    tmp_path: Path, traced: None, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(tmp_path, *COMPILED, run="whole")
    stop_at(tmp_path, *COMPILED, step=2)
    facts = json.loads((tmp_path / "run" / "run.json").read_bytes())["facts"]
    assert facts["compiler"] == compiler_of(torch.device("cpu"))
    assert run_here(tmp_path, *COMPILED, "train.compile=false") == 3
    told = capsys.readouterr().err
    assert "`train.compile`: saved `true`, here `false`" in " ".join(told.split())
    assert "--allow-change train.compile,compiler" in told
    assert run_here(tmp_path, *COMPILED) == 0
    assert "compiling for up to 1 shape of 4 rows" in capsys.readouterr().out
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_rows_without_a_number_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ("train.compile=true", "data.batch_size=null", "data.batch_tokens=500")
    assert run_here(tmp_path, *given) == 2
    assert "`train.compile` wants micro-batches of one number of rows" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize("plan", ["packed", "bucketed"])
def test_a_run_of_machine_code_repeats_itself_resumed_or_not(
    nursery: Nursery, tmp_path: Path, plan: str
) -> None:
    """Each in a process of its own, so that the resumed one compiles anew, and other shapes first."""
    narrow = ("data.max_input_length=16", "data.max_target_length=48", CAUSAL)
    steady = ("eval.every_steps=0", "optim.schedule=constant", "train.max_steps=8")
    own = ("train.compile=true", f"data.plan={plan}", *steady, *narrow)
    for line in (
        words(tmp_path, *own, run="whole"),
        words(tmp_path, *own, "train.max_steps=3"),
        words(tmp_path, *own),
    ):
        child = nursery.start(*line)
        assert child.wait(280) == 0, child.stderr.read_text()
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def two(*more: str) -> tuple[str, ...]:
    """Steps of 3 micro-batches, so that one rank has a pass of one token, which is of no other shape."""
    rows = ("data.plan=packed", "data.batch_size=2", CAUSAL, "data.max_target_length=48")
    return (*QUICK, "train.compile=true", "train.max_steps=4", *rows, *more)


def test_two_processes_compile_as_one_does(nursery: Nursery, tmp_path: Path) -> None:
    alone = train(nursery, tmp_path, 1, *two(TRACED), run="alone")
    assert_alike(train(nursery, tmp_path, 2, *two(TRACED)), alone)


@pytest.mark.long
@pytest.mark.parametrize(
    "how", [(TRACED,), (TRACED, "train.sharding=fsdp2"), ()], ids=("traced", "sharded", "machine code")
)
def test_two_processes_that_compile_go_on_exactly(
    nursery: Nursery, tmp_path: Path, how: tuple[str, ...]
) -> None:
    """And take the steps of one process."""
    own = two(*how)
    train(nursery, tmp_path, 2, *own, run="whole")
    train(nursery, tmp_path, 2, *own, "train.max_steps=2")
    train(nursery, tmp_path, 2, *own)
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    facts = json.loads((tmp_path / "run" / "run.json").read_bytes())
    assert facts["exact"]
    assert facts["facts"]["compiler"] == compiler_of(torch.device("cpu"))
    assert_alike(metrics(tmp_path / "run"), train(nursery, tmp_path, 1, *own, run="alone"))
