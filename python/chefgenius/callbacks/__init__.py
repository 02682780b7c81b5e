"""Those who watch a run: they see small records of it, never the trainer, and change nothing it computes.

`protocol` says what they are told and how they remember; the others are one watcher each. metrics.jsonl,
samples.jsonl and early stopping are no callbacks: a rerun must repeat them, so the loop itself sees to them.
"""

from chefgenius.callbacks.chosen import choose_callbacks, choose_console
from chefgenius.callbacks.console import Console
from chefgenius.callbacks.guarded import Guarded, guarded
from chefgenius.callbacks.json_lines import JsonLines
from chefgenius.callbacks.page import ReportPage
from chefgenius.callbacks.plot import PLOT, LossPlot
from chefgenius.callbacks.protocol import Callback, Outcome, RunInfo, States, StepInfo, noting, tell
from chefgenius.callbacks.starts import Starts
from chefgenius.callbacks.system import SystemMonitor
from chefgenius.callbacks.tensorboard import TensorBoard
from chefgenius.callbacks.webhook import Webhook
from chefgenius.callbacks.weights_and_biases import WeightsAndBiases

__all__ = [
    "PLOT",
    "Callback",
    "Console",
    "Guarded",
    "JsonLines",
    "LossPlot",
    "Outcome",
    "ReportPage",
    "RunInfo",
    "Starts",
    "States",
    "StepInfo",
    "SystemMonitor",
    "TensorBoard",
    "Webhook",
    "WeightsAndBiases",
    "choose_callbacks",
    "choose_console",
    "guarded",
    "noting",
    "tell",
]
