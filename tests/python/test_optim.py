import pytest
import torch
from chefgenius.config import OptimConfig
from chefgenius.optim import (
    build_optimizer,
    clip_gradients,
    describe,
    load_state_tensors,
    state_tensors,
    trained_parameters,
)
from chefgenius.state import ResumeError
from torch import nn


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


def trained(steps: int) -> tuple[Net, torch.optim.AdamW]:
    net = Net()
    optimizer = build_optimizer(net, OptimConfig(weight_decay=0.1))
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


def test_gradients_are_clipped_over_all_parameters() -> None:
    net = Net()
    net(torch.ones(2, 4)).backward()
    parameters = list(net.parameters())
    norm = clip_gradients(parameters, None)
    assert clip_gradients(parameters, norm.item() / 2) == norm
    assert clip_gradients(parameters, None).item() == pytest.approx(norm.item() / 2, rel=1e-5)


def test_state_goes_by_name_and_comes_back_bit_for_bit() -> None:
    net, optimizer = trained(3)
    tensors = state_tensors(net, optimizer)
    described = describe(trained_parameters(net), optimizer)
    assert described == {"kind": "adamw", "stateless": ["unused"]}
    assert set(tensors) >= {"linear.weight/exp_avg", "linear.weight/exp_avg_sq", "linear.weight/step"}
    assert len(tensors) == 3 * 5
    copies = {name: tensor.clone() for name, tensor in tensors.items()}

    again, fresh = trained(0)
    again.load_state_dict(net.state_dict())
    load_state_tensors(again, fresh, copies, described)
    found = state_tensors(again, fresh)
    assert all(torch.equal(found[name], copies[name]) for name in copies)
    for one, own in ((net, optimizer), (again, fresh)):
        one(torch.ones(2, 4)).backward()
        own.step()
    assert torch.equal(net.linear.weight, again.linear.weight)


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
