"""What the tests of launchers share: servers, programs of Debian, and an environment for a user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LAUNCH = CHECKOUT / "launch"
APT = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]


def need(programs: list[str], packages: list[str]) -> None:
    """Install what is missing of Debian's packages, or skip with the reason."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = [program for program in programs if not shutil.which(program)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip(f"no {', '.join(missing)}, and only root on Debian could install it")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "timeout": 300}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], APT + packages):
        subprocess.run(command, env=environment, check=False, **quiet)
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        pytest.skip(f"apt-get cannot install {', '.join(packages)}")


def user(**more: str) -> dict[str, str]:
    """The variables of a user who has activated the environment that runs the tests."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "VIRTUAL_ENV": sys.prefix, "PATH": path, **more}


def run(*command: str | Path, timeout: float = 60, **kwargs) -> str:
    """Run a command that has to succeed; return what it prints."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
        **kwargs,
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@contextmanager
def serving(*command: str | Path, log: Path, env: dict[str, str] | None = None) -> Iterator[int]:
    """Have a server run meanwhile; it is ended whatever happens."""
    with log.open("a") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=env,
        )
        try:
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
