"""What the tests of store, loader and prepare are made of: small recipes, stores, and a look at batches."""

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from chefgenius import RecipeLoader, TokenStore, prepare
from chefgenius.cookbook import TOKENIZER
from chefgenius.data.batch import Batch

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

FOODS = (
    "rice",
    "lemon",
    "onion",
    "garlic",
    "butter",
    "flour",
    "carrot",
    "tomato",
    "basil",
    "cream",
    "salt",
    "egg",
)
UNITS = ("1 cup", "2 cups", "1/2 cup", "1 tablespoon", "3 teaspoons", "2 pounds")
STEPS = (
    "Chop the {}.",
    "Heat the {} in a pan.",
    "Stir in the {}.",
    "Simmer the {} for {} minutes.",
    "Serve with {}.",
)
KINDS = ("Soup", "Stew", "Salad", "Pie", "Roast")


def recipes(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """`n` recipes, no two with the same body; the first `n` of any longer list with the same seed."""
    chance = random.Random(seed)
    made = []
    for number in range(n):
        foods = chance.sample(FOODS, chance.randint(2, 6))
        steps = [chance.choice(STEPS).format(food, chance.randint(2, 40)) for food in foods]
        made.append(
            {
                "title": f"{foods[0].title()} {chance.choice(KINDS)} {number}",
                "ingredients": [f"{chance.choice(UNITS)} {food}" for food in foods],
                "directions": [*steps, f"Serve at {seed * 100_000 + number} degrees."],
            }
        )
    return made


def write_lines(path: Path, records: Iterable[Any]) -> Path:
    """A JSON Lines file; a record that is a str stands in it as it is."""
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def build(folder: Path, records: Iterable[Any], **options: Any) -> TokenStore:
    """A store of these records in `folder/store`, from `folder/recipes.jsonl`."""
    source = write_lines(folder / "recipes.jsonl", records)
    return prepare([source], out=folder / "store", **{"tokenizer": TOKENIZER, **options})


def load(store: TokenStore, **options: Any) -> RecipeLoader:
    """A loader with small batches over all records, unless `options` say otherwise."""
    small = {"batch_size": 4, "seed": 7, "split": "all", "micro_batches_per_step": 3}
    return RecipeLoader(store, **{**small, **options})


def take(loader: RecipeLoader, n: int) -> list[Batch]:
    """The next `n` batches, through as many epochs as that needs."""
    taken: list[Batch] = []
    while len(taken) < n:
        for batch in loader:
            taken.append(batch)
            if len(taken) == n:
                break
    return taken


def assert_same(batch: Batch, expected: Batch) -> None:
    """Every tensor bit for bit, the records, the place and the state."""
    assert (batch.epoch, batch.index) == (expected.epoch, expected.index)
    assert batch.keys() == expected.keys() == {"input_ids", "attention_mask", "labels"}
    for name, tensor in batch.items():
        assert tensor.dtype == torch.int64
        assert torch.equal(tensor, expected[name]), name
    assert np.array_equal(batch.record_ids, expected.record_ids)
    assert batch.state == expected.state


def digest(batches: Iterable[Batch]) -> str:
    """Names the content of batches: tensors, shapes, records and states."""
    sha = hashlib.sha256()
    for batch in batches:
        for name, tensor in batch.items():
            sha.update(f"{name}{tuple(tensor.shape)}".encode())
            sha.update(tensor.numpy().tobytes())
        sha.update(batch.record_ids.tobytes())
        sha.update(json.dumps(batch.state).encode())
    return sha.hexdigest()


def python(code: str, *arguments: object) -> list[str]:
    """Python with this code and `sys.argv[1:]`, in a process of its own that may import this module."""
    head = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    return [sys.executable, "-c", head + code, *map(str, arguments)]


def run_python(code: str, *arguments: object, preload: Path | None = None) -> str:
    """What that process prints; it must succeed. `preload`: a library that it starts with."""
    environment = None if preload is None else {**os.environ, "LD_PRELOAD": str(preload)}
    done = subprocess.run(
        python(code, *arguments), capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def prepare_command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`python -m chefgenius.prepare` with the bundled tokenizer, unless another one is named."""
    words = [sys.executable, "-m", "chefgenius.prepare", *map(str, arguments)]
    if "--tokenizer" not in words:
        words += ["--tokenizer", str(TOKENIZER)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


def shared(name: str) -> Path:
    """A file of real data beside the project; the test is skipped where there is none."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"`../shared/data/{name}` is not here")
    return path


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` with its bytes."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def ids(batches: Sequence[Batch]) -> list[int]:
    """The records of these batches, in order."""
    return [int(record) for batch in batches for record in batch.record_ids]
