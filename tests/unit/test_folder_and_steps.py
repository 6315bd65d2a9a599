"""New folders, which are never overwritten, and counted steps."""

import io

import pytest

from coded_dgd.errors import UsageError
from coded_dgd.report import steps as module
from coded_dgd.report.steps import Steps
from coded_dgd.runs.folder import new_folder, remove_folder


def test_a_named_folder_is_made_once(tmp_path):
    path = tmp_path / "a" / "b"
    assert new_folder(path, "any") == path
    assert path.is_dir()
    with pytest.raises(UsageError, match="exists and is not overwritten: name a new folder"):
        new_folder(path, "any")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="name one that can with --out"):
        new_folder(tmp_path / "file" / "new", "any")


def test_folders_without_a_name_are_all_different_and_leave_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = [new_folder(None, "sgc") for _ in range(3)]
    assert len(set(made)) == 3
    for path in made:
        assert path.parent.name == "runs"
        assert "-sgc" in path.name
        (path / "file").write_text("")
        remove_folder(path)
    assert not list(tmp_path.iterdir())


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_steps_are_lines_every_few_seconds(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    stream = io.StringIO()
    with Steps("part", 4, stream) as steps:
        for seconds in (1.0, 6.0, 7.0, 12.0):
            now[0] = seconds
            steps.count(lambda: "more" if now[0] > 10 else "")
    assert stream.getvalue() == "part 2/4, 6 s left\npart 4/4: more\n"


def test_steps_are_a_bar_on_a_terminal():
    stream = Terminal()
    with Steps("part", 2, stream) as steps:
        steps.count()
        steps.count(lambda: "as far as this")
    assert "2/2" in stream.getvalue()
    assert "as far as this" in stream.getvalue()


def test_beside_a_bar_there_is_only_one_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    with Steps("part", 5, stream) as steps:
        steps.count(lambda: "words " * 50)
    last = stream.getvalue().split("\r")[-1].replace("\x1b[?25l", "").replace("\x1b[?25h", "")
    assert "words" in last
    assert len(last.rstrip("\n")) < 60


def test_a_bar_is_not_drawn_for_every_step(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    stream = Terminal()
    with Steps("part", 1000, stream) as steps:
        for _ in range(1000):
            now[0] += 0.001
            steps.count()
    assert 10 <= stream.getvalue().count("\r") <= 13
    assert "1000/1000" in stream.getvalue()


def test_steps_that_were_done_before_do_not_count_for_the_pace(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    stream = io.StringIO()
    steps = Steps("part", 100, stream)
    steps.skip(90)
    with steps:
        now[0] = 6.0
        steps.count()
    assert stream.getvalue() == "part 91/100, 54 s left\n"


def test_quiet_steps(monkeypatch):
    monkeypatch.setattr(module, "LINE_SECONDS", -1.0)
    monkeypatch.setattr(module, "BAR_SECONDS", -1.0)
    for stream in (io.StringIO(), Terminal()):
        with Steps("part", 1, stream, quiet=True) as steps:
            steps.count()
        assert stream.getvalue() == ""
