from pathlib import Path
from typing import Any

import pytest
import torch
from chefgenius.run.state import ResumeError
from chefgenius.settings.config import ConfigError, OptimConfig, OptimizerKind
from chefgenius.training import optim
from chefgenius.training.optim import (
    build_optimizer,
    clip_gradients,
    describe,
    entries,
    kind_of,
    load_state_tensors,
    state_bytes,
    state_tensors,
    trained_parameters,
    unscale_gradients,
)
from chefgenius.training.schedule import Schedule
from fitting import QUIET, fit, stop_at
from running import outcome, refused, run_here
from torch import nn
from transformers import AutoConfig, AutoModel


class Net(nn.Module):
    """A weight, its bias, a norm, and a parameter that never gets a gradient."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, width)
        self.norm = nn.LayerNorm(width)
        self.relative_attention_bias = nn.Embedding(3, 2)
        self.unused = nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.linear(x)).square().sum() + self.relative_attention_bias.weight.sum()  # type: ignore[no-any-return]


def trained(steps: int, kind: OptimizerKind = "adamw") -> tuple[Net, torch.optim.Optimizer]:
    net = Net()
    optimizer = build_optimizer(net, OptimConfig(weight_decay=0.1, kind=kind))
    for step in range(steps):
        net(torch.full((2, 4), float(step + 1))).backward()
        optimizer.step()
        optimizer.zero_grad()
    return net, optimizer


def test_norms_and_biases_do_not_decay() -> None:
    net = Net()
    groups = build_optimizer(net, OptimConfig(weight_decay=0.1)).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert [id(one) for one in groups[0]["params"]] == [id(net.linear.weight)]
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters()))
    assert all(group["fused"] for group in groups)


TINY: dict[str, dict[str, Any]] = {
    "t5": {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2},
    "bart": {
        "d_model": 16,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "max_position_embeddings": 32,
    },
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32},
    "llama": {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    },
}


@pytest.mark.parametrize("kind", TINY)
def test_no_norm_and_no_bias_decays_in_any_kind_of_model(kind: str) -> None:
    """By the types of the modules: what is in a norm, and what is called a bias; all else does decay."""
    configuration = AutoConfig.for_model(kind, vocab_size=40, pad_token_id=0, bos_token_id=1, **TINY[kind])
    model = AutoModel.from_config(configuration)  # type: ignore[no-untyped-call]
    bare = {
        id(parameter)
        for name, module in model.named_modules()
        for own, parameter in module.named_parameters(recurse=False)
        if "norm" in type(module).__name__.lower() or "bias" in f"{name}.{own}"
    }
    decayed, kept = build_optimizer(model, OptimConfig(weight_decay=0.1)).param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)
    assert {id(one) for one in kept["params"]} == bare
    assert len(bare) >= 3
    assert len(decayed["params"]) + len(kept["params"]) == len(list(model.parameters()))


def test_adafactor_takes_the_learning_rate_as_it_is_set() -> None:
    """Against the paper's update, step by step: factored second moment, clipped, no relative step."""
    weight, rate = torch.nn.Parameter(torch.randn(4, 3, generator=torch.Generator().manual_seed(1))), 0.25
    net = nn.Module()
    net.weight = weight
    optimizer = build_optimizer(net, OptimConfig(kind="adafactor", learning_rate=rate, weight_decay=0.0))
    expected, rows, columns = weight.detach().double(), torch.zeros(4), torch.zeros(3)
    for step in range(1, 5):
        grad = torch.randn(4, 3, generator=torch.Generator().manual_seed(step + 1))
        weight.grad = grad.clone()
        optimizer.step()
        beta = 1 - step**-0.8
        square = grad.double() ** 2 + 1e-30
        rows = beta * rows + (1 - beta) * square.mean(1)
        columns = beta * columns + (1 - beta) * square.mean(0)
        update = grad.double() / (torch.outer(rows, columns) / rows.mean()).sqrt()
        expected = expected - rate * update / max(1.0, update.square().mean().sqrt().item())
        torch.testing.assert_close(weight.double(), expected, rtol=1e-5, atol=1e-6)


def test_what_adafactor_does_not_read_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run_here(tmp_path, "optim.kind=adafactor", "optim.betas=[0.8,0.9]")
    assert "`optim.betas` means nothing to `optim.kind=adafactor`: leave it out" in refused(capsys, code, 2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_8_bit_states_are_refused_without_cuda(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run_here(tmp_path, "optim.kind=adamw8bit")
    assert "`adamw8bit` needs a CUDA device" in refused(capsys, code, 2)
    assert not (tmp_path / "run" / "run.json").exists()


def test_8_bit_states_are_refused_without_torchao(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chefgenius.training.optim.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs torchao, .* `pip install chefgenius\[cuda\]`"):
        optim._refuse_without_cuda({"cuda"})


def test_8_bit_states_go_through_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state as torchao makes it, on the CPU; its update needs a GPU, its parts do not."""
    pytest.importorskip("torchao", reason="torchao is not installed", exc_type=ImportError)
    monkeypatch.setattr(optim, "_refuse_without_cuda", lambda devices: None)

    def made(seed: int) -> tuple[nn.Linear, torch.optim.Optimizer]:
        net = nn.Linear(64, 128)
        optimizer = build_optimizer(net, OptimConfig(kind="adamw8bit"))
        chance = torch.Generator().manual_seed(seed)
        for parameter in net.parameters():
            state = optimizer.state[parameter]
            state["step"] = torch.tensor(float(seed))
            for key, signed in (("exp_avg", True), ("exp_avg_sq", False)):
                state[key] = optimizer._new_buffer(parameter, signed)  # type: ignore[attr-defined]
                state[key].copy_(torch.rand(parameter.shape, generator=chance))
        return net, optimizer

    net, optimizer = made(3)
    assert kind_of(optimizer) == "adamw8bit"
    tensors = {name: one.clone() for name, one in state_tensors(net, optimizer).items()}
    assert set(tensors) == {
        *(f"weight/exp_avg{kind}/{part}" for kind in ("", "_sq") for part in ("codes", "scale", "qmap")),
        *("weight/step", "bias/step", "bias/exp_avg", "bias/exp_avg_sq"),
    }
    assert sum(one.nbytes for one in tensors.values()) == state_bytes(net, "adamw8bit")
    described = describe(trained_parameters(net), optimizer)
    fresh = build_optimizer(again := nn.Linear(64, 128), OptimConfig(kind="adamw8bit"))
    for target, own in ((again, fresh), made(5)):
        load_state_tensors(target, own, tensors, described)
        found = state_tensors(target, own)
        assert all(torch.equal(found[name], one) for name, one in tensors.items())
        moment = own.state[target.weight]["exp_avg"]
        assert torch.equal(moment.dequantize(), optimizer.state[net.weight]["exp_avg"].dequantize())
    with pytest.raises(ResumeError, match=r"`weight/exp_avg/codes` is torch.int8"):
        load_state_tensors(
            again, fresh, {**tensors, "weight/exp_avg/codes": torch.zeros(128, 64).char()}, described
        )
    schedule = Schedule(fresh, OptimConfig(learning_rate=1.0, warmup_steps=0), 4)
    assert schedule.apply(3) == pytest.approx(0.4)
    assert isinstance(fresh.param_groups[0]["lr"], torch.Tensor)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_8_bit_states_of_a_real_update_come_back() -> None:
    pytest.importorskip("torchao", reason="torchao is not installed", exc_type=ImportError)
    ends = []
    for resumed in (False, True):
        torch.manual_seed(0)
        net = nn.Linear(64, 128, device="cuda")
        optimizer = build_optimizer(net, OptimConfig(kind="adamw8bit"))
        for step in range(4):
            if resumed and step == 2:
                tensors = {name: one.clone() for name, one in state_tensors(net, optimizer).items()}
                described = describe(trained_parameters(net), optimizer)
                optimizer = build_optimizer(net, OptimConfig(kind="adamw8bit"))
                load_state_tensors(net, optimizer, tensors, described)
            net(torch.full((2, 64), float(step + 1), device="cuda")).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        ends.append(net.weight.detach().clone())
    assert torch.equal(*ends)


@pytest.mark.parametrize("kind", ["adamw", "adafactor"])
def test_the_entries_are_those_that_an_update_makes(kind: OptimizerKind) -> None:
    net, optimizer = trained(2, kind)
    found = state_tensors(net, optimizer)
    expected = {
        f"{name}/{key}": needed
        for name, one in net.named_parameters()
        if name != "unused"
        for key, needed in entries(kind, one).items()
    }
    assert {name: (one.dtype, tuple(one.shape)) for name, one in found.items()} == expected
    net.unused.requires_grad = False
    assert state_bytes(net, kind) == sum(one.nbytes for one in found.values())


def test_gradients_are_unscaled() -> None:
    net = Net()
    (net(torch.ones(2, 4)) * 1024.0).backward()
    scaled = {name: one.grad.clone() for name, one in net.named_parameters() if one.grad is not None}
    unscale_gradients(list(net.parameters()), 1024.0)
    assert all(
        torch.equal(one.grad * 1024, scaled[name])
        for name, one in net.named_parameters()
        if one.grad is not None
    )


def test_gradients_are_clipped_over_all_parameters() -> None:
    net = Net()
    net(torch.ones(2, 4)).backward()
    parameters = list(net.parameters())
    norm = clip_gradients(parameters, None)
    assert clip_gradients(parameters, norm.item() / 2) == norm
    assert clip_gradients(parameters, None).item() == pytest.approx(norm.item() / 2, rel=1e-5)


@pytest.mark.parametrize("kind", ["adamw", "adafactor"])
def test_state_goes_by_name_and_comes_back_bit_for_bit(kind: OptimizerKind) -> None:
    net, optimizer = trained(3, kind)
    tensors = state_tensors(net, optimizer)
    described = describe(trained_parameters(net), optimizer)
    assert described == {"kind": kind, "stateless": ["unused"]}
    factored = {"exp_avg_sq_row", "exp_avg_sq_col", "step", "RMS"}
    keys = {"adamw": {"exp_avg", "exp_avg_sq", "step"}, "adafactor": factored}[kind]
    assert {name for name in tensors if name.startswith("linear.weight/")} == {
        f"linear.weight/{key}" for key in keys
    }
    assert len(tensors) == {"adamw": 3 * 5, "adafactor": 2 * 4 + 3 * 3}[kind]
    copies = {name: tensor.clone() for name, tensor in tensors.items()}

    again, fresh = trained(0, kind)
    again.load_state_dict(net.state_dict())
    load_state_tensors(again, fresh, copies, described)
    found = state_tensors(again, fresh)
    assert all(torch.equal(found[name], copies[name]) for name in copies)
    for one, own in ((net, optimizer), (again, fresh)):
        one(torch.ones(2, 4)).backward()
        own.step()
    assert torch.equal(net.linear.weight, again.linear.weight)
    assert torch.equal(net.linear.bias, again.linear.bias)


def test_loaded_state_is_a_copy_and_keeps_memory_that_is_there() -> None:
    net, optimizer = trained(2)
    copies = {name: tensor.clone() for name, tensor in state_tensors(net, optimizer).items()}
    described = describe(trained_parameters(net), optimizer)
    places = {name: tensor.data_ptr() for name, tensor in state_tensors(net, optimizer).items()}
    net(torch.ones(2, 4)).backward()
    optimizer.step()
    load_state_tensors(net, optimizer, copies, described)
    now = state_tensors(net, optimizer)
    assert {name: tensor.data_ptr() for name, tensor in now.items()} == places
    assert all(torch.equal(now[name], copies[name]) for name in copies)

    again, fresh = trained(0)
    load_state_tensors(again, fresh, copies, described)
    copies["linear.weight/exp_avg"].zero_()
    assert state_tensors(again, fresh)["linear.weight/exp_avg"].any()


def test_before_the_first_step_there_is_no_state() -> None:
    net, optimizer = trained(0)
    described = describe(trained_parameters(net), optimizer)
    assert state_tensors(net, optimizer) == {}
    assert described["stateless"] == list(dict(net.named_parameters()))
    load_state_tensors(net, optimizer, {}, described)


@pytest.mark.parametrize(
    ("entry", "value", "told"),
    [
        ("linear.weight/exp_avg", None, "lacks 1 entries, such as `linear.weight/exp_avg`"),
        ("unused/exp_avg", torch.zeros(2), "1 entries too many, such as `unused/exp_avg`"),
        ("linear.weight/exp_avg", torch.zeros(3), r"`linear.weight/exp_avg` is torch.float32 \[3\]"),
        ("linear.weight/step", torch.zeros(1), r"needed is torch.float32 \[\]"),
        ("linear.bias/exp_avg_sq", torch.zeros(4, dtype=torch.bfloat16), "is torch.bfloat16"),
    ],
)
def test_state_that_does_not_fit_is_refused(entry: str, value: torch.Tensor | None, told: str) -> None:
    net, optimizer = trained(1)
    tensors = {**state_tensors(net, optimizer), entry: value}
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    again, fresh = trained(0)
    with pytest.raises(ResumeError, match=told):
        load_state_tensors(again, fresh, given, describe(trained_parameters(net), optimizer))
    assert not fresh.state


def test_another_kind_of_optimizer_is_refused() -> None:
    net, optimizer = trained(0)
    with pytest.raises(ResumeError, match="the saved optimizer is `sgd`, here it is `adamw`"):
        load_state_tensors(net, optimizer, {}, {"kind": "sgd", "stateless": []})


def test_another_kind_may_be_allowed_and_begins_without_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop_at(tmp_path, *QUIET, step=3)
    other = (*QUIET, "optim.kind=adafactor")
    assert run_here(tmp_path, *other) == 3
    assert '`optim.kind`: saved `"adamw"`, here `"adafactor"`' in capsys.readouterr().err
    assert run_here(tmp_path, *other, "--allow-change", "optim.kind") == 0
    sections = outcome(tmp_path / "run")["sections"]
    assert sections["optimizer"]["kind"] == "adafactor"
    assert sections["exactness"]["changes"][0]["step"] == 3
    fit(tmp_path, *other)  # needs no leave any more
