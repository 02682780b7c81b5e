"""Where and in which arithmetic torch works: device, threads, precision, determinism.

Everything chosen here decides bits, so it is chosen by fixed rules, never by timing, and `facts` writes it
down for the comparison that a resume makes.
"""

import os
from contextlib import AbstractContextManager
from typing import Literal

import torch
import transformers

from chefgenius.run.differences import saved_count
from chefgenius.run.resume import Origin
from chefgenius.run.world import World
from chefgenius.settings.config import ConfigError, Precision

SMALL_MODEL = 30_000_000
"""Up to this many parameters one thread is faster than several: their meeting costs more than their work."""


MOST_THREADS = 1024
"""more than any machine that a run was saved on"""


def choose_device(wanted: Literal["auto", "cpu", "cuda"], world: World | None = None) -> torch.device:
    """The device of the run; CUDA is started here, and each process of a machine has a device of its own.

    Raises ConfigError when `cuda` is asked for and not there, or is too few.
    """
    world = world or World()
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "`train.device`: no CUDA device is available: set `train.device=cpu`, or look at the driver"
        )
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.init()  # type: ignore[no-untyped-call]
    if world.local_size > torch.cuda.device_count():
        raise ConfigError(
            f"`train.device`: {world.local_size} processes on a machine with {torch.cuda.device_count()} "
            "CUDA devices: start as many as it has (`--nproc-per-node`), or set `train.device=cpu`"
        )
    if world.size > 1:
        torch.cuda.set_device(world.local_rank)
    return torch.device("cuda", torch.cuda.current_device())


def choose_threads(
    wanted: int | Literal["auto"], parameters: int, origin: Origin | None = None, world: World | None = None
) -> int:
    """Threads of one torch operation: as told, else as saved, else by the model's size.

    That is 1 up to `SMALL_MODEL` parameters, and above it all cores, which the processes of a machine share.
    Raises ResumeError for a saved number that cannot be one.
    """
    if wanted != "auto":
        return wanted
    if origin is not None:
        return saved_count(origin.directory, origin.sections, "threads", "train.threads", MOST_THREADS)
    # macOS lets no process be bound to some of the cores
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = cores // (world or World()).local_size
    return 1 if parameters <= SMALL_MODEL else max(1, share)


def is_strict(wanted: Literal["auto", "strict", "fast"], device: torch.device) -> bool:
    """Whether two runs must be bit-identical: as told, else on a CPU only."""
    return wanted == "strict" or (wanted == "auto" and device.type == "cpu")


def prepare_environment(determinism: Literal["auto", "strict", "fast"]) -> None:
    """What must stand before CUDA starts: cuBLAS repeats its sums only with a workspace of a fixed size."""
    if determinism == "strict":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def set_arithmetic(threads: int, *, strict: bool, device: torch.device | None = None) -> None:
    """Fixes the threads of this process; when `strict`, operations that do not repeat raise RuntimeError.

    On a CUDA `device`, float32 products may round their factors to TF32 unless `strict`.
    """
    torch.set_num_threads(threads)
    if device is not None and device.type == "cuda":
        torch.backends.fp32_precision = "ieee" if strict else "tf32"  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(strict)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[None]:
    """The context of a forward pass: 16 bits where that is safe, over float32 parameters, or float32."""
    half = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=half, enabled=precision != "float32")


def facts(
    device: torch.device, threads: int, *, strict: bool, world_size: int = 1
) -> dict[str, str | int | bool]:
    """What the bits of a run depend on besides its configuration and data."""
    kind = torch.backends.cpu.get_cpu_capability()
    if device.type == "cuda":
        kind = torch.cuda.get_device_name(device)
    return {
        "threads": threads,
        "strict": strict,
        "device": f"{device.type} ({kind})",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "world_size": world_size,
    }
