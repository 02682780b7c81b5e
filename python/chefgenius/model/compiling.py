"""The blocks of a model compiled by torch, so that a resumed run computes the very same bits.

1. `compile_blocks` compiles the layers that the model repeats (`_no_split_modules`), once for all of a kind
   and shape. Embeddings, masks, last layer and loss stay as they are.
2. `try_out` compiles the smallest shape before the first step: where it cannot be, the command says so.

What a program computes must not depend on what was computed before it. So shapes are padded (`shapes`) and
never made dynamic, nothing is chosen by timing, nothing is read that another process kept (torch keeps it
pickled), and a block that comes in more shapes than there are is an error and no silent way back to
uncompiled code. Evaluation and generation, whose shapes are many, run uncompiled.
"""

import subprocess
from collections.abc import Callable
from importlib import metadata
from typing import Any

import torch
from torch import nn
from torch._dynamo.exc import FailOnRecompileLimitHit
from transformers import PreTrainedModel

from chefgenius.model.generators import isolated
from chefgenius.model.head import trial_batch
from chefgenius.model.loss import TokenLoss
from chefgenius.model.shapes import Shapes
from chefgenius.run.state import RunError, one_line
from chefgenius.settings.config import Config, ConfigError

BACKEND = "inductor"
WAYS = 4
"""programs of one block and shape: with a mask and without one, where all is seen; and each by the class
that FSDP2 gives the block after it was tried"""
_MOST = 1 << 16
"""programs of a process; torch's own bound on them is for code that was compiled by mistake"""


def compile_blocks(model: PreTrainedModel, shapes: Shapes) -> None:
    """Has every block of the model run compiled while it is trained, in these shapes.

    To be called before the model is wrapped in anything. Raises ConfigError for a model without blocks, and
    for one whose rows have no fixed width.
    """
    attention = str(model.config._attn_implementation)
    if "flash" in attention and not shapes.targets and len(shapes.inputs) == 1:
        raise ConfigError(
            f"`train.compile`: packed rows have no fixed width with `{attention}`: set "
            "`model.attention=sdpa`, or leave out one of both"
        )
    names = set(model._no_split_modules or ())
    blocks = [one for one in model.modules() if type(one).__name__ in names]
    if not blocks:
        raise ConfigError(
            f"`train.compile`: a model of the kind `{model.config.model_type}` does not say which of its "
            "parts are blocks: leave it out"
        )
    _set_compiler()
    compile_: Any = torch.compile  # whose annotations lack two of its arguments
    program = compile_(
        _forward,
        backend=BACKEND,
        fullgraph=True,
        dynamic=False,
        recompile_limit=len(shapes) * WAYS * len(blocks),
        isolate_recompiles=True,
        options=_options() if BACKEND == "inductor" else None,
    )
    for block in blocks:
        block.forward = _compiled(block, program)


def _forward(block: nn.Module, *arguments: Any, **named: Any) -> Any:
    """By the class, which may have become another one since: FSDP2 gives blocks a class of its own."""
    return type(block).forward(block, *arguments, **named)


def _compiled(block: nn.Module, program: Callable[..., Any]) -> Callable[..., Any]:
    plain = block.forward

    def forward(*arguments: Any, **named: Any) -> Any:
        """Compiled where something is learned: that has few shapes, and comes again and again."""
        if block.training and torch.is_grad_enabled():
            try:
                return program(block, *arguments, **named)
            except FailOnRecompileLimitHit as error:
                raise RunError(
                    f"`train.compile`: the blocks of `{type(block).__name__}` came in more shapes than the "
                    "data have: start again with `train.compile=false` and `--allow-change compile`"
                ) from error
        return plain(*arguments, **named)

    return forward


def try_out(loss: TokenLoss, config: Config) -> None:
    """Forward and back in the smallest shape. Leaves neither gradients nor a trace in the generators.

    Raises ConfigError where torch cannot compile here, or not this kind of model.
    """
    batch = trial_batch(loss.model.config.get_text_config().vocab_size)
    if config.data.plan == "packed":
        alike = torch.ones_like(batch["input_ids"])
        for side in ("", "decoder_"):
            batch |= {f"{side}segment_ids": alike, f"{side}position_ids": alike.cumsum(1) - 1}
    try:
        with isolated(0, "trial", 0, 0):
            loss(batch).backward()
    except Exception as error:  # of torch's many, and of the compilers that it calls
        raise ConfigError(
            f"`train.compile`: cannot compile a model of the kind `{loss.model.config.model_type}` here: "
            f"{type(error).__name__}: {one_line(error)}: leave it out"
        ) from error
    finally:
        loss.zero_grad(set_to_none=True)


def compiler_of(device: torch.device) -> str:
    """What turns a program into machine code, on whose version its bits depend."""
    from torch._inductor.cpp_builder import get_cpp_compiler

    needed = "triton" if device.type == "cuda" else "a C++ compiler such as g++"
    try:
        if device.type == "cuda":
            return f"triton {metadata.version('triton')}"
        told = subprocess.run([get_cpp_compiler(), "--version"], capture_output=True, text=True, check=True)
        return told.stdout.splitlines()[0]
    except Exception as error:
        raise ConfigError(
            f"`train.compile`: cannot compile here: {one_line(error)}: install {needed}, or leave it out"
        ) from error


def _set_compiler() -> None:
    """Torch's switches for all of this process, as `compute` sets those of arithmetic."""
    dynamo: Any = torch._dynamo.config
    dynamo.accumulated_recompile_limit = _MOST
    dynamo.automatic_dynamic_local_pgo = dynamo.automatic_dynamic_remote_pgo = False
    dynamo.optimize_ddp = False  # which would cut blocks where DDP's buckets end
    functorch: Any = torch._functorch.config
    functorch.enable_autograd_cache = False


def _options() -> dict[str, Any]:
    """Of inductor: no cache of pickles, and where bits must come again nothing is chosen by timing."""
    strict = torch.are_deterministic_algorithms_enabled()
    return {"deterministic": strict, "fx_graph_cache": False, "fx_graph_remote_cache": False}
