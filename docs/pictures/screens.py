"""terminal.svg and report.png: what a person sees of a real run, made here and now.

1. `train` makes a run on recipes of the package, stopped once and gone on with.
2. `terminal` asks about it in a terminal of its own, and draws what is printed there.
3. `report` opens its page in a headless Chromium, which must be installed.

    python docs/pictures/screens.py [CHROMIUM]
"""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path
from tempfile import TemporaryDirectory

from drawing import HERE
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

COLUMNS, ROWS = 110, 40
TRAIN = ["train", "run_dir=runs/mine", "train.max_steps=120", "eval.every_steps=40", "eval.prompts=10"]
TRAIN += ["checkpoint.every_steps=20", "checkpoint.keep=3", "log.every_steps=1"]
ASKED = [
    ["ckpt", "ls", "runs/mine"],
    ["inspect", "runs/mine", "--step", "60"],
    ["inspect", "runs/mine", "--record", "17"],
]
FONTS = re.compile(r"@font-face \{\{.*?\}\}", re.DOTALL)
"""the letters that a drawing would fetch; those of the reader's machine do"""


def train(folder: Path) -> None:
    """A run of 120 steps, which was begun for 60."""
    for words in ([*TRAIN, "train.max_steps=60"], TRAIN):
        subprocess.run(
            [sys.executable, "-m", "chefgenius", *words], cwd=folder, check=True, capture_output=True
        )


def printed(words: list[str], folder: Path) -> str:
    """What a command prints in a terminal, with its colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    with subprocess.Popen(
        [sys.executable, "-m", "chefgenius", *words],
        cwd=folder,
        env=environment,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        pieces = []
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # the other side was closed
                break
            if not piece:
                break
            pieces.append(piece)
    os.close(ours)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def terminal(folder: Path) -> str:
    """The picture of a terminal in which the run was asked about."""
    with open(os.devnull, "w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        for words in ASKED:
            console.print(Text(f"$ chefgenius {' '.join(words)}", style="bold"))
            console.print(Text.from_ansi(printed(words, folder).rstrip()))
            console.print()
        text = FONTS.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code", "ui-monospace")
        return console.export_svg(title="chefgenius", theme=MONOKAI, code_format=text, unique_id="terminal")


def report(page: Path, browser: str, picture: Path) -> None:
    """The head of a report, as a screen of 1200 x 900 shows it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        shown = chromium.new_page(viewport={"width": 1200, "height": 900})
        shown.goto(page.resolve().as_uri())
        shown.wait_for_timeout(500)
        shown.screenshot(path=picture)
        chromium.close()


def main() -> None:
    """Make both."""
    browser = sys.argv[1] if len(sys.argv) > 1 else shutil.which("chromium")
    if browser is None:
        sys.exit("no Chromium: install it, or give its place")
    with TemporaryDirectory() as name:
        folder = Path(name)
        train(folder)
        (HERE / "terminal.svg").write_text(terminal(folder))
        words = [sys.executable, "-m", "chefgenius", "report", "runs/mine"]
        subprocess.run(words, cwd=folder, check=True, capture_output=True)
        report(folder / "runs" / "mine" / "report.html", browser, HERE / "report.png")


if __name__ == "__main__":
    main()
