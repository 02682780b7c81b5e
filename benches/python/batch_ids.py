"""Texts to a numpy file of token ids with the tokenizers library's own batch call: the plain way.

Uses nothing of chefgenius, so that another interpreter with another version of the library runs it as well:

    python benches/python/batch_ids.py tokenizer.json texts.json out.npy --rounds 3

prints a line of JSON: the library's version, the seconds of each round, and the processor's seconds
within its batch call.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import Tokenizer

CHUNK = 1000
"""texts of a call: enough for every core, few enough that what the library builds stays in the caches"""


def encode(tokenizer: Tokenizer, texts: Sequence[str], out: Path) -> float:
    """Save the ids of all texts, one after another, in `out`, with an offset for each beside it.

    The batch call that gives ids alone is taken where the library has it, and no special token is added.
    Returns the processor's seconds within that call, of all threads.
    """
    batch = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
    parts: list[NDArray[np.uint32]] = []
    ends, within = [0], 0.0
    for start in range(0, len(texts), CHUNK):
        began = time.process_time()
        encodings = batch(texts[start : start + CHUNK], add_special_tokens=False)
        within += time.process_time() - began
        for encoding in encodings:
            ids = np.asarray(encoding.ids, dtype=np.uint32)
            parts.append(ids)
            ends.append(ends[-1] + len(ids))
    whole = np.concatenate(parts)
    np.save(out, whole.astype(np.uint16) if whole.max(initial=0) < 1 << 16 else whole)
    np.save(out.with_suffix(".offsets.npy"), np.asarray(ends, dtype=np.int64))
    return within


def main() -> int:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("tokenizer", type=Path, help="a tokenizer.json")
    made.add_argument("texts", type=Path, help="a JSON list of texts")
    made.add_argument("out", type=Path, help="the file of ids")
    made.add_argument("--rounds", type=int, default=3, help="all texts so often (%(default)s)")
    options = made.parse_args()
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    texts = json.loads(options.texts.read_text())
    seconds, within = [], []
    for _ in range(options.rounds):
        start = time.perf_counter()
        within.append(encode(tokenizer, texts, options.out))
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"version": tokenizers.__version__, "seconds": seconds, "within": within}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
