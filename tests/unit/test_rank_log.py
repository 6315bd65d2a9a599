"""The log of rank 0, and that nothing of it is left behind in the process."""

import faulthandler
import logging
import re
import warnings

import numpy as np
import pytest

from coded_dgd.cli import run_command_line
from coded_dgd.engine.rank_log import LOG
from coded_dgd.engine.transports.simulated import SimulatedTransport
from coded_dgd.runs.log_dir import LogDir


def test_warnings_are_written_while_it_is_entered(tmp_path, recwarn):
    before = warnings.showwarning, list(warnings.filters), logging.getLogger().handlers[:]
    crashes = faulthandler.is_enabled()
    with LogDir(tmp_path / "logs", "info", SimulatedTransport(1)):
        warnings.warn("an old way", DeprecationWarning, stacklevel=1)
        np.float64(1e308) * 10
        logging.getLogger("of.somebody").warning("a word")
        LOG.debug("no word")
    after = warnings.showwarning, list(warnings.filters), logging.getLogger().handlers[:]
    assert before == after
    assert faulthandler.is_enabled() == crashes
    log = (tmp_path / "logs" / "rank-000.log").read_text()
    for wanted in ("DeprecationWarning: an old way", "RuntimeWarning: overflow", "a word"):
        assert wanted in log
    assert "no word" not in log
    assert not recwarn.list


def test_an_unexpected_error_leaves_its_traceback(tmp_path):
    with pytest.raises(KeyError), LogDir(tmp_path, "info", SimulatedTransport(1)):
        raise KeyError("planted")
    assert re.search(
        r"ERROR +failed\nTraceback[^$]*KeyError: 'planted'", (tmp_path / "rank-000.log").read_text()
    )


def test_cautions_are_logged(tmp_path, capsys):
    arguments = [
        "--transport",
        "simulated",
        "--workers",
        "6",
        "--scheme",
        "mds-mmc",
        "--iterations",
    ]
    paths = ["--log-dir", str(tmp_path / "logs"), "--out", str(tmp_path / "run")]
    assert run_command_line(["run", *arguments, "3", *paths]) == 0
    said = re.findall(r"^warning: (.*)$", capsys.readouterr().err, re.MULTILINE)
    log = (tmp_path / "logs" / "rank-000.log").read_text()
    assert said
    for line in said:
        assert f"WARNING {line}" in log
