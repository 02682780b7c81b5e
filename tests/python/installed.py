"""A release wheel of this checkout, installed where nothing of the checkout is seen."""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HIDDEN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
"""variables that lead back to this checkout or its environment"""


def run(*words: str | Path) -> str:
    """What a command prints, run at the root of the checkout; it must succeed."""
    done = subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build_wheel(out: Path) -> Path:
    """A release build, with what `make setup` compiled before; or the one that CHEFGENIUS_WHEEL names."""
    if given := os.environ.get("CHEFGENIUS_WHEEL"):
        return Path(given)
    target = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    run(
        *(sys.executable, "-m", "maturin", "build", "--release", "--locked", "--quiet"),
        *("--compatibility", "linux", "--out", out, "--target-dir", target),
    )
    (made,) = out.glob("*.whl")
    return made


def install(wheel: Path, home: Path) -> Path:
    """The `bin` of a new environment with the wheel, and the dependencies of this one beside it."""
    run(sys.executable, "-m", "venv", "--without-pip", home)
    (packages,) = home.glob("lib/python*/site-packages")
    pip = (sys.executable, "-m", "pip", "--python", home / "bin" / "python")
    run(*pip, "install", "--quiet", "--no-deps", wheel)
    # A line is a directory to look in; `.pth` files in there, such as that of this checkout, do not count
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home / "bin"


@dataclass(frozen=True)
class Clean:
    """An environment with the wheel, and an empty folder."""

    bin: Path
    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables of a process in it: its scripts come first, and nothing is fetched."""
        kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
        return kept | {"PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}

    def __call__(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """One of its scripts, run in the folder."""
        return subprocess.run(
            [self.bin / name, *words],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
