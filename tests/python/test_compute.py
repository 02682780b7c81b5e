import os
import subprocess
import sys

import pytest
import torch
from chefgenius.model.compute import (
    SMALL_MODEL,
    autocast,
    choose_device,
    choose_threads,
    facts,
    is_strict,
    prepare_environment,
)
from chefgenius.run.world import World
from chefgenius.settings.config import ConfigError


def test_threads_follow_from_the_number_of_parameters() -> None:
    assert choose_threads("auto", 1) == choose_threads("auto", SMALL_MODEL) == 1
    cores = len(os.sched_getaffinity(0))
    assert choose_threads("auto", SMALL_MODEL + 1) == cores
    assert choose_threads("auto", SMALL_MODEL + 1, world=World(0, 4, 0, 2)) == max(1, cores // 2)
    assert choose_threads("auto", SMALL_MODEL, world=World(0, 4, 0, 2)) == 1
    assert choose_threads("auto", SMALL_MODEL + 1, world=World(0, 2 * cores, 0, 2 * cores)) == 1
    assert choose_threads(3, 1) == 3


def test_only_a_cpu_is_strict_unasked() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [is_strict("auto", one) for one in (cpu, cuda)] == [True, False]
    assert [is_strict("strict", one) for one in (cpu, cuda)] == [True, True]
    assert [is_strict("fast", one) for one in (cpu, cuda)] == [False, False]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_refused() -> None:
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
    with pytest.raises(ConfigError, match="no CUDA device is available"):
        choose_device("cuda")


def test_arithmetic_is_set_for_the_process() -> None:
    code = (
        "import torch\n"
        "from chefgenius.model.compute import set_arithmetic\n"
        "set_arithmetic(1, strict=True)\n"
        "print(torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), "
        "torch.utils.deterministic.fill_uninitialized_memory)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "True", "False"]


def test_cublas_gets_its_workspace_only_when_strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "x")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    prepare_environment("auto")
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ
    prepare_environment("strict")
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_bf16_is_an_autocast_over_float32() -> None:
    layer = torch.nn.Linear(4, 4)
    with autocast(torch.device("cpu"), "bf16"):
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), "float32"):
        assert layer(torch.ones(1, 4)).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def test_facts_say_what_the_bits_depend_on() -> None:
    found = facts(torch.device("cpu"), 2, strict=True)
    assert set(found) == {"threads", "strict", "device", "torch", "transformers", "world_size"}
    assert found["threads"] == 2
    assert str(found["device"]).startswith("cpu (")
