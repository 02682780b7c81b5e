"""What the tests of the report are made of: runs written by hand, without torch and without a store."""

import json
import math
import time
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

TEXT = "title: Lemon Rice | ingredients: 1 cup rice | 2 lemons | directions: Cook the rice. | Serve."
EVIL = "<script>alert('x')</script>&\"'><img src=http://example.org/x>"


def step_line(step: int, **changes: Any) -> dict[str, Any]:
    values = {
        "kind": "step",
        "step": step,
        "epoch": step // 50,
        "loss": 2 + 5 * math.exp(-step / 40) + 0.1 * math.sin(step),
        "learning_rate": 1e-3 / (1 + step),
        "grad_norm": 1 + 0.5 * math.cos(step),
        "samples": 8 * step,
        "input_tokens": 200 * step,
        "target_tokens": 700 * step,
        "digest": f"{step:064x}",
    }
    return {**values, **changes}


def evaluation_line(step: int, **changes: Any) -> dict[str, Any]:
    loss = 2.1 + 5 * math.exp(-step / 40)
    values = {"kind": "evaluation", "step": step, "epoch": 0, "validation_loss": loss, "parsed": 0.5}
    return {**values, "perplexity": math.exp(loss), "quantities": None, **changes}


def sample_line(step: int, record: int, text: str = TEXT) -> dict[str, Any]:
    prompt = f"Write recipe {record}."
    judged = {"parsed": text == TEXT, "asked": 2, "found": 1}
    return {"step": step, "record_id": record, "prompt": prompt, "reference": TEXT, "text": text, **judged}


def write_json_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def write_run(path: Path, steps: int = 60, **facts: Any) -> Path:
    """A run of so many steps with everything but a store: one stop, one kill, evaluations and samples."""
    (path / "checkpoints").mkdir(parents=True)
    lines = [evaluation_line(0)]
    for step in range(1, steps + 1):
        lines += [step_line(step)] + ([evaluation_line(step)] if step % 20 == 0 else [])
    write_json_lines(path / "metrics.jsonl", lines)
    timing = [
        {
            "step": step,
            "time": 1.7e9 + step,
            "seconds": 0.5,
            "paused": 0.0,
            "data_wait": 0.01,
            "recipes_per_second": 16.0,
            "tokens_per_second": 1800.0 + step,
            "peak_memory": 8 * 10**8,
        }
        for step in range(1, steps + 1)
    ]
    write_json_lines(path / "timing.jsonl", timing)
    write_json_lines(
        path / "samples.jsonl",
        [
            sample_line(step, record, TEXT if step else "rice rice rice")
            for step in range(0, steps + 1, 20)
            for record in (3, 5)
        ],
    )
    write_json_lines(path / "starts.jsonl", events(steps))
    (path / "config.yaml").write_text("seed: 7\noptim:\n  learning_rate: 0.001\n")
    told = {
        "schema": "chefgenius.run/1",
        "python": "3.11.7",
        "machine": "Linux",
        "parameters": 314624,
        "total_steps": steps,
        "facts": {"threads": 1, "strict": True, "torch": "2.15.0", "store": "b3:1"},
        "exact": True,
        "not_exact_since": None,
        "finished": steps,
    }
    (path / "run.json").write_text(json.dumps({**told, **facts}))
    return path


def events(steps: int) -> list[dict[str, Any]]:
    """A start that was stopped, one that was killed, and one that came to the end."""
    half = steps // 2
    begin = {"event": "start", "total_steps": steps, "version": "0.1.0"}
    return [
        {**begin, "step": 0, "time": 1.7e9},
        {"event": "end", "step": half, "time": 1.7e9 + 65, "finished": False, "why": "stopped (SIGINT)"},
        {**begin, "step": half, "time": 1.7e9 + 100},
        {**begin, "step": half + 5, "time": 1.7e9 + 200},
        {"event": "end", "step": steps, "time": 1.7e9 + 300, "finished": True, "why": ""},
    ]


class Outline(HTMLParser):
    """The elements of a page by name, its words, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "link", "path", "rect", "img", "br"):
            self._open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "srcset", "data", "action") and not str(value).startswith(
                ("#", "data:,")
            ):
                self.fetched.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(str(value))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def wait_for(again: Callable[[], None], path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        again()
        time.sleep(0.02)
