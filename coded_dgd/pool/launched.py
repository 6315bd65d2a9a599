"""An mpiexec that runs: its output is shown and kept, and it is ended for certain."""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from textwrap import shorten

from coded_dgd import streams
from coded_dgd.pool import launching

LAST_WORDS_SECONDS = 4.0
"""Seconds for mpiexec to end and say why, once rank 0 is gone."""
TERM_SECONDS = 5.0
"""Seconds for mpiexec to end all ranks on request, before it is killed, and with it the ranks."""
LONGEST = 500
"""Largest number of characters of what mpiexec itself has said."""
LINES = 30
"""Number of lines of output that are kept to explain an end."""
OURS = "coded-dgd: "
"""Prefix of the lines that are not those of mpiexec."""


class Launched:
    """A running mpiexec with all its ranks.

    It has a session of its own, so that Ctrl-C in a terminal does not reach it. What the ranks
    print appears on ``sys.stderr`` of this process, also where that is a notebook.

    Parameters
    ----------
    words : list of str
        The command.
    folder : Path
        Current folder of the ranks, without files that might hide modules.
    """

    def __init__(self, words: list[str], folder: Path) -> None:
        self._said: deque[str] = deque(maxlen=LINES)
        self.shows = False
        """Whether output is shown, not only kept."""
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=launching.environment(),
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                text = line.replace(b"\0", b"").decode(errors="replace")
                self._said.append(text.strip())
                if self.shows:
                    with suppress(OSError, ValueError):  # the stream of this process is closed
                        print(text, end="", file=streams.messages(), flush=True)

    @property
    def runs(self) -> bool:
        """Whether mpiexec has not ended."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """Wait a few seconds for the end, and return in one line what explains it."""
        self.wait(LAST_WORDS_SECONDS)
        self.shows = False
        self.end()
        said = [line for line in self._said if line.strip("-*= ")]
        if ours := [line.removeprefix(OURS) for line in said if line.startswith(OURS)]:
            return ours[-1]
        words = f"mpiexec ended with code {self._process.returncode}. {' '.join(said)}"
        return shorten(words, LONGEST, placeholder=" ...").rstrip(".")

    def has_said(self, text: str) -> bool:
        """Return whether one of the last lines of the output contains a text."""
        return any(text in line for line in self._said)

    def wait(self, seconds: float) -> None:
        """Wait until mpiexec has ended, but not for longer."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def end(self) -> None:
        """End mpiexec and all its ranks, if they run."""
        try:
            self._process.terminate()
            self.wait(TERM_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join(TERM_SECONDS)
