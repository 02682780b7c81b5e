"""A run in Weights & Biases, online or in files beside the run that `wandb sync` sends later.

The identity of the run there is its state, so that every start goes on with the same curves.
"""

from typing import Any, Literal

from chefgenius.callbacks.protocol import Callback, Outcome, RunInfo, StepInfo
from chefgenius.evaluation.evaluator import Evaluation
from chefgenius.run.state import State
from chefgenius.settings.measures import MEASURES


class WeightsAndBiases(Callback):
    """Logs the steps that are due and every metric under its step.

    A step that is computed again after a kill has the same figures; W&B keeps the first.
    """

    def __init__(self, project: str, mode: Literal["online", "offline"], config: dict[str, Any]) -> None:
        self.id: str | None = None
        self._project, self._mode, self._config = project, mode, config
        self._run: Any = None
        self._every = 1

    @property
    def name(self) -> str:
        """Its section."""
        return "wandb"

    def on_train_start(self, info: RunInfo) -> None:
        """Begin the run there, or go on with it."""
        import wandb

        self._every = info.log_every
        self._run = wandb.init(
            project=self._project,
            name=info.run_path.resolve().name,
            id=self.id,
            resume="allow" if self._mode == "online" else None,
            mode=self._mode,
            dir=str(info.run_path),
            config=self._config,
            settings=wandb.Settings(silent=True, disable_git=True, save_code=False, console="off"),
        )
        self.id = str(self._run.id)

    def on_step_end(self, info: StepInfo) -> None:
        """A step that is due."""
        if self._run is not None and (info.step % self._every == 0 or info.step == info.total_steps):
            values = {"loss": info.loss, "learning_rate": info.learning_rate, "grad_norm": info.grad_norm}
            speed = {"tokens_per_second": info.tokens_per_second}
            known = {name: value for name, value in values.items() if value is not None}
            self._run.log({"train": {**known, **speed}}, step=info.step)

    def on_eval_end(self, evaluation: Evaluation) -> None:
        """Every metric."""
        if self._run is not None:
            values = {name: evaluation.value(name) for name in MEASURES}
            known = {name: value for name, value in values.items() if value is not None}
            self._run.log({"evaluation": known}, step=evaluation.step)

    def on_train_end(self, outcome: Outcome | None) -> None:
        """End this process's part of it."""
        if self._run is not None:
            run, self._run = self._run, None
            run.finish(exit_code=0 if outcome is not None else 1)

    def state_dict(self) -> State:
        """Which run it is there; none before the first start."""
        return {"id": self.id}

    def load_state_dict(self, state: State) -> None:
        """Go on with that run."""
        if state["id"] is not None and not isinstance(state["id"], str):
            raise TypeError("`id` is no text")
        self.id = state["id"]
