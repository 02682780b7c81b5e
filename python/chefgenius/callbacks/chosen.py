"""The callbacks that a configuration asks for, under `log`."""

from collections.abc import Callable
from importlib.util import find_spec

from chefgenius.callbacks.console import Console
from chefgenius.callbacks.guarded import guarded
from chefgenius.callbacks.json_lines import JsonLines
from chefgenius.callbacks.page import ReportPage
from chefgenius.callbacks.protocol import Callback
from chefgenius.callbacks.system import SystemMonitor
from chefgenius.callbacks.tensorboard import TensorBoard
from chefgenius.callbacks.webhook import Webhook, address
from chefgenius.callbacks.weights_and_biases import WeightsAndBiases
from chefgenius.settings.config import Config, ConfigError, flatten


def choose_console(config: Config) -> Console | JsonLines:
    """What speaks to standard output."""
    return JsonLines() if config.log.console == "json" else Console()


def choose_callbacks(config: Config, say: Callable[[str], None]) -> list[Callback]:
    """The trackers and monitors; none of them stops a run when it fails.

    Raises ConfigError where a package is missing, or an address is none.
    """
    log, chosen = config.log, list[Callback]()
    if log.tensorboard:
        _check("log.tensorboard", "tensorboard")
        chosen.append(TensorBoard())
    project, mode = log.wandb_project, log.wandb
    if mode != "off":
        _check("log.wandb", "wandb")
        chosen.append(WeightsAndBiases(project, mode, flatten(config)))
    if log.webhook is not None:
        chosen.append(Webhook(address(log.webhook)))
    if log.system_every_seconds is not None:
        chosen.append(SystemMonitor(log.system_every_seconds))
    if log.report:
        chosen.append(ReportPage())  # last: it tells what the others have written
    return [guarded(one, say) for one in chosen]


def _check(key: str, package: str) -> None:
    if find_spec(package) is None:
        raise ConfigError(
            f"`{key}` needs the package `{package}`: `pip install chefgenius[track]`, or leave it out"
        )
