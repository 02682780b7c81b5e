"""What became of every record that `prepare` read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chefgenius.console.screen import count

ENOUGH = 0.99
"""the share of records that must come back from their ids; below it `prepare` warns"""


@dataclass(frozen=True)
class Report:
    """What `prepare` did with every record; `out/report.json` has the same.

    Attributes:
        store: the store's fingerprint.
        built: False where the store in use was this one already.
        seconds: how long the call took.
        tokens, unknown_tokens: token ids in the store, and how many of them are the unknown token.
        unknown_share: `unknown_tokens / tokens`, 0 to 1.
        respell: whether characters that the tokenizer cannot spell were written in others.
        choice: the filters and options that decide what is kept.
        sources: name, format, bytes, times and counts of each source.
        counts: `kept`, `filtered` (`empty`, `quality`, `short`, `long`, `duplicate`) and `bad` records; they
            add up to all that were read.
        fidelity: what comes back from the ids of the targets: `records` and `records_same`, `quantities` and
            `quantities_same`, and the `worst` examples (`source`, `place`, `same_items`, `written`,
            `read_back`).
        prompt_lengths, target_lengths: ids of a text: `min`, `p5`, `p50`, `p95`, `p99`, `max`, `mean`.
        vocabulary: `size`, and how many ids are `used`, with the `share`.
        tokenizer: its `method`, and the `counts` of its memory.
        spelling: what was `respelt`, `dropped` or left `unspelt`: `character`, `as`, `count`.
        first_errors: the first bad records: `source`, `file`, `line`, `byte`, `row`, `reason`.
        reused: records whose ids were copied from the former store.
    """

    store: str
    built: bool
    seconds: float
    tokens: int
    unknown_tokens: int
    unknown_share: float
    respell: bool
    choice: dict[str, Any]
    sources: list[dict[str, Any]]
    counts: dict[str, Any]
    fidelity: dict[str, Any]
    prompt_lengths: dict[str, float]
    target_lengths: dict[str, float]
    vocabulary: dict[str, float]
    tokenizer: dict[str, Any]
    spelling: dict[str, list[dict[str, Any]]]
    first_errors: list[dict[str, Any]]
    reused: int

    @property
    def kept(self) -> int:
        """Records in the store."""
        return int(self.counts["kept"])

    @property
    def filtered(self) -> int:
        """Records that were read and left out."""
        return sum(self.counts["filtered"].values())

    @property
    def bad(self) -> int:
        """Records that could not be read."""
        return int(self.counts["bad"])

    def errors(self) -> list[str]:
        """The first bad records, a line each: source, file in it, row or line and byte, and the reason."""
        lines = []
        for bad in self.first_errors:
            places = [f"{name} {bad[name]}" for name in ("row", "line", "byte") if bad.get(name) is not None]
            parts = [bad["source"], bad.get("file"), *places]
            lines.append(f"{', '.join(part for part in parts if part)}: {bad['reason']}")
        return lines

    @property
    def loses(self) -> bool:
        """Whether fewer records come back from their ids than `ENOUGH`."""
        return bool(self.fidelity["records_same"] < ENOUGH * self.fidelity["records"])

    def summary(self, store: Path | None = None) -> str:
        """A few lines for a person; with the directory of the store they say where its report is."""
        size = f"{count(self.kept, 'record')}, {count(self.tokens, 'token')}"
        lines = [
            f"{'built' if self.built else 'already built'}: {size}"
            + (f", {self.reused:,} taken over" if self.reused else "")
        ]
        if self.filtered or self.bad:
            reasons = [f"{n:,} {reason}" for reason, n in self.counts["filtered"].items() if n]
            lines.append("left out: " + ", ".join([*reasons, f"{self.bad:,} bad"]))
        lines += [f"  {error}" for error in self.errors()[:3]]
        place = "report.json beside the store" if store is None else f"`{store.parent / 'report.json'}`"
        share = self.fidelity["records_same"] / max(self.fidelity["records"], 1)
        lines.append(
            f"round-trip fidelity {100 * share:.1f} %, unknown tokens {100 * self.unknown_share:.3f} %"
            + (f": this tokenizer loses text, {place} has examples" if self.loses else "")
        )
        return "\n".join(lines)
