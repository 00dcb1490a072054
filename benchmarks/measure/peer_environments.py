"""The environments of the other systems: one for each group of them, below a folder of the user's.

So none of their packages weighs on this package's memory.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure.harness import say

GROUPS: dict[str, tuple[str, ...]] = {
    "anndata": ("anndata>=0.11",),
    "datasets": ("datasets>=4.0", "tensorflow>=2.18"),
    "fasttext": ("fasttext>=0.9.3", "numpy<2"),  # its predict fails with NumPy 2
    "h5py": ("h5py>=3.11",),
    "keras": ("tensorflow>=2.18", "h5py>=3.11", "scikit-learn>=1.5", "pandas>=2.2"),
    "sklearn": ("scikit-learn>=1.5", "pandas>=2.2", "h5py>=3.11"),
    "tensorflow": ("tensorflow>=2.18",),
    # A wheel without CUDA ("2.13.0+cpu") is preferred where pip is set up to find one.
    "torch": ("torch==2.13.0", "h5py>=3.11", "numpy>=1.26"),
    "vowpalwabbit": ("vowpalwabbit>=9.9",),
}
"""The requirements of each environment, as pip takes them."""

INSTALLED, FAILED = "installed", "failed"
_RECORD = "ooc-train-peer.json"


def peer_command(
    environments: Path | None, group: str, module: str, *arguments: object
) -> list[str]:
    """The command of a peer's script in its group's environment, or in ours without `environments`.

    If there is no such environment, the command says so and ends with the status of a peer that is
    not installed.
    """
    if environments is None:
        return [sys.executable, "-m", f"benchmarks.peers.{module}", *map(str, arguments)]
    folder = environments / group
    record = _record(folder)
    python = _python(folder)
    if record.get("outcome") == FAILED:
        return _absent(f"the installation failed: {record['message']}")
    if not python.is_file():
        return _absent(f"no environment {group!r}; python -m benchmarks peers makes it")
    return [str(python), "-m", f"benchmarks.peers.{module}", *map(str, arguments)]


def _absent(message: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.peers.absent", message]


def make(folder: Path, group: str) -> dict[str, Any]:
    """Make a group's environment unless it is there already; its record."""
    requirements = list(GROUPS[group])
    earlier = _record(folder)
    if earlier.get("outcome") == INSTALLED and earlier["requirements"] == requirements:
        return earlier
    say(f"{group}: installing {', '.join(requirements)}")
    outcome, message = _install(folder, requirements)
    say(f"{group}: {outcome}: {message}")
    record = {"requirements": requirements, "outcome": outcome, "message": message}
    (folder / _RECORD).write_text(json.dumps(record, indent=1), "utf-8")
    return record


def _install(folder: Path, requirements: Sequence[str]) -> tuple[str, str]:
    """Make a virtual environment and install into it: the outcome, and versions or an error."""
    folder.mkdir(parents=True, exist_ok=True)
    python = str(_python(folder))
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [python, "-m", "pip", "install", "--quiet", *requirements],
        [python, "-m", "pip", "list", "--format", "json"],
    ):
        done = _call(command)
        if done.returncode:
            return FAILED, _last_error(done)
    versions = {package["name"].lower(): package["version"] for package in json.loads(done.stdout)}
    names = [re.split("[<=>]", requirement)[0] for requirement in requirements]
    return INSTALLED, ", ".join(f"{name} {versions.get(name, '')}" for name in names)


def _call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)


def _last_error(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of an error's output that says something."""
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or [f"exit status {done.returncode}"])[-1][-300:]


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _record(folder: Path) -> dict[str, Any]:
    path = folder / _RECORD
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}
