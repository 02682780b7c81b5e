"""Tells a web address of a run: its start, its evaluations, its checkpoints and its end.

Each is a POST of one JSON object, sent by a thread, so that no step waits for the network.
"""

import json
import os
from pathlib import Path
from queue import Full, Queue
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from chefgenius.callbacks.protocol import Callback, Outcome, RunInfo
from chefgenius.evaluation.evaluator import Evaluation, figures
from chefgenius.settings.config import ConfigError

TIMEOUT = 5.0
"""seconds that one request may take, and that the end of a run waits for those left"""
MOST = 100
"""messages that wait to be sent"""


class Webhook(Callback):
    """Posts `{"event": ..., "run": ..., ...}`; `event` is `start`, `evaluation`, `saved` or `end`.

    What goes wrong is raised at the next point, once for each request that failed.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._run = ""
        self._waiting: Queue[bytes | None] = Queue(MOST)
        self._thread: Thread | None = None
        self._failed: Exception | None = None

    def on_train_start(self, info: RunInfo) -> None:
        """Where the run begins."""
        self._run = str(info.run_path)
        self._post("start", step=info.step, total_steps=info.total_steps)

    def on_eval_end(self, evaluation: Evaluation) -> None:
        """Every figure of an evaluation."""
        self._post("evaluation", **{name: v for name, v in figures(evaluation).items() if name != "kind"})

    def on_save(self, checkpoint: Path) -> None:
        """A checkpoint."""
        self._post("saved", checkpoint=str(checkpoint))

    def on_train_end(self, outcome: Outcome | None) -> None:
        """How it ended; waits a short while until all is sent."""
        if outcome is None:
            self._post("end", finished=False)
        else:
            self._post("end", finished=True, step=outcome.step, early=outcome.ended, best=outcome.best)
        if self._thread is not None:
            self._put(None)
            self._thread.join(TIMEOUT + 1)
            self._thread = None
        self._raise()

    def _post(self, event: str, **values: Any) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._send, name="chefgenius-webhook", daemon=True)
            self._thread.start()
        self._put(json.dumps({"event": event, "run": self._run, **values}).encode())
        self._raise()

    def _put(self, message: bytes | None) -> None:
        try:
            self._waiting.put_nowait(message)
        except Full:
            self._failed = TimeoutError(f"{MOST} messages wait, this one is left out")

    def _raise(self) -> None:
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed

    def _send(self) -> None:
        """The thread."""
        while (message := self._waiting.get()) is not None:
            try:
                head = {"Content-Type": "application/json", "User-Agent": "chefgenius"}
                with urlopen(Request(self._url, message, head), timeout=TIMEOUT) as answer:
                    answer.read(1)
            except Exception as error:
                if isinstance(error, HTTPError):
                    error.close()
                self._failed = error


def address(configured: str) -> str:
    """The address that `log.webhook` names; `$NAME` stands for that of the environment.

    So a secret one stands neither in config.yaml nor in a checkpoint. Raises ConfigError.
    """
    url = configured
    if configured.startswith("$"):
        url = os.environ.get(configured[1:], "")
        if not url:
            raise ConfigError(
                f"`log.webhook`: the environment has no `{configured[1:]}`: set it to an address"
            )
    if not url.startswith(("http://", "https://")):
        raise ConfigError(
            f"`log.webhook`: `{configured}` is no address: it must begin with http:// or https://"
        )
    return url
