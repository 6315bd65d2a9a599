"""A run goes on with its own data, from wherever it is resumed, or says what differs."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from coded_dgd import origin, registry, train
from coded_dgd.cli import run_command_line
from coded_dgd.config_file import read_toml
from coded_dgd.engine.checkpoint import latest
from coded_dgd.errors import UsageError
from coded_dgd.problems import fingerprint as module
from coded_dgd.problems.fingerprint import Fingerprint, fingerprint
from coded_dgd.problems.sources import open_source

SMALL = (
    "--transport", "simulated", "--workers", "4", "--scheme", "uc-mmc", "--load", "2", "--quiet",
    "--iterations", "5",
)  # fmt: skip
TABLE = np.round(np.random.default_rng(0).standard_normal((40, 4)), 3)
"""[X | y]"""


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(registry, "searched", [])


def run(*arguments):
    return run_command_line(["run", *SMALL, *map(str, arguments)])


def resume(*arguments, iterations=9):
    command = ["run", "--quiet", "--iterations", str(iterations), "--resume"]
    return run_command_line([*command, *map(str, arguments)])


def refusal(capsys, *arguments):
    """The one line of what is refused, which changes nothing."""
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in Path("r").iterdir()}
    before.pop("owner.json")
    assert resume("r", *arguments) == 2
    after = {path.name: path.read_bytes() for path in Path("r").iterdir()}
    after.pop("owner.json")
    assert after == before
    (line,) = capsys.readouterr().err.splitlines()
    return line


def iterations(folder="r"):
    return len(Path(folder, "iterations.jsonl").read_text().splitlines())


# Other data


def changed(how):
    table = TABLE.copy()
    if how == "labels":
        table[7, -1] += 1
    elif how == "content":
        table[7, 1] += 1
    elif how == "rows":
        table = table[:-3]
    elif how == "order":
        table = table[::-1]
    elif how == "columns":
        table = table[:, 1:]
    return table


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".svm"])
@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("labels", "other numbers"),
        ("content", "other numbers"),
        ("order", "other numbers"),
        ("rows", "37 rows instead of 40"),
    ],
)
def test_changed_data_are_named_and_refused_or_allowed(how, said, suffix, capsys):
    def save(table):
        path = Path(f"a{suffix}")
        path.unlink(missing_ok=True)
        np.save("table.npy", table)
        assert run_command_line(["convert", "table.npy", str(path), "--quiet"]) == 0
        return path

    data = save(TABLE)
    assert run("--data", data, "--out", "r") == 0
    save(changed(how))
    line = refusal(capsys)
    assert f"a{suffix} is not what the run was trained on ({said}" in line
    assert "--allow-different-data" in line
    assert resume("r", "--allow-different-data") == 0
    assert iterations() == 9
    assert f"goes on with other data than before: {said}" in Path("r/log.txt").read_text()
    assert resume("r", iterations=12) == 0  # these are the data of the run now


def test_another_number_of_features_is_refused_always(capsys):
    np.save("a.npy", TABLE)
    assert run("--data", "a.npy", "--out", "r") == 0
    np.save("a.npy", changed("columns"))
    for more in ([], ["--allow-different-data"]):
        line = refusal(capsys, *more)
        assert "the model has 3 features and a.npy has 2" in line


def test_other_data_by_another_name(capsys):
    np.save("a.npy", TABLE)
    np.save("b.npy", changed("content"))
    assert run("--data", "a.npy", "--out", "r") == 0
    assert "--data b.npy differs from the run's a.npy" in refusal(capsys, "--data", "b.npy")
    assert resume("r", "--data", "b.npy", "--allow-different-data") == 0
    assert 'data = "b.npy"' in Path("r/config.toml").read_text()


def test_data_that_have_moved_are_known_by_their_content(capsys):
    np.save("a.npy", TABLE)
    assert run("--data", "a.npy", "--out", "r") == 0
    Path("a.npy").rename("b.npy")
    np.save("c.npy", changed("labels"))
    assert "a.npy: no such file" in refusal(capsys)
    assert "c.npy is not what the run was trained on" in refusal(capsys, "--data", "c.npy")
    assert resume("r", "--data", "b.npy") == 0


def test_a_file_written_again_with_the_same_numbers_is_the_same(capsys):
    Path("a.csv").write_text("".join(f"{a},{b}\n" for a, b in TABLE[:, :2]))
    assert run("--data", "a.csv", "--out", "r") == 0
    Path("a.csv").write_text("".join(f"{a:.6f}, {b:.6f}\n" for a, b in TABLE[:, :2]))
    assert resume("r") == 0


def test_arrays_and_synthetic_data():
    X, y = TABLE[:, :-1], TABLE[:, -1]
    options = {"transport": "simulated", "workers": 4, "scheme": "uc-mmc", "load": 2}
    train(X, y, out="r", iterations=3, **options)
    with pytest.raises(UsageError, match="X, y is not what the run was trained on"):
        train(X, y + 1, resume="r", iterations=6, transport="simulated")
    with pytest.raises(UsageError, match="were arrays: give X and y to train again"):
        train(resume="r", iterations=6, transport="simulated")
    options = {"resume": "r", "transport": "simulated"}
    assert train(X, y, iterations=6, **options).n_iter_ == 6
    assert train(X, y + 1, iterations=9, allow_different_data=True, **options).n_iter_ == 9
    assert run("--out", "s", "--data", "synthetic:rows=9,features=2") == 0
    assert resume("s") == 0


def test_a_folder_of_an_older_version_can_be_resumed(monkeypatch):
    np.save("a.npy", TABLE)
    with monkeypatch.context() as older:
        older.setattr(Fingerprint, "_asdict", lambda _: None)
        older.setattr(origin, "header", lambda _: "")
        assert run("--data", "a.npy", "--out", "r") == 0
    Path("r/owner.json").unlink()
    assert latest(Path("r"), lambda _: True)[0].values["data"] is None
    assert resume("r") == 0
    assert latest(Path("r"), lambda _: True)[0].values["data"]["rows"] == 40


@pytest.mark.parametrize("whole", [True, False])
def test_a_fingerprint_reads_all_of_small_data_and_some_of_large(whole, monkeypatch):
    if not whole:
        monkeypatch.setattr(module, "SMALL_BYTES", 100)
    np.save("a.npy", TABLE)
    found = fingerprint(open_source("a.npy", 0), "a.npy")
    assert (found.rows, found.features, found.whole) == (40, 3, whole)
    assert found.size == Path("a.npy").stat().st_size
    assert str(found).startswith("40 x 3, rows ")
    table = TABLE.copy()
    table[39, 3] += 1  # the last row is always read
    np.save("a.npy", table)
    again = fingerprint(open_source("a.npy", 0), "a.npy")
    assert again.differences(found) == ["other numbers"]
    longer = found._replace(size=found.size + 1)
    said = [] if whole else [f"a file of {found.size + 1} bytes instead of {found.size}"]
    assert longer.differences(found) == said


# Paths


@pytest.fixture
def started():
    """A run that was started in `home`, and the folder `elsewhere` beside that."""
    home = Path("home").absolute()
    home.mkdir()
    Path("elsewhere").mkdir()
    np.save(home / "a.npy", TABLE)
    np.save(home / "times.npy", np.full((7, 4), 0.25))
    return home


def start(home, monkeypatch, *more):
    monkeypatch.chdir(home)
    delay = "trace:times.npy"
    assert run("--data", "a.npy", "--delay", delay, "--out", "r", *more) == 0
    monkeypatch.chdir(home.parent / "elsewhere")


def test_a_run_is_resumed_and_run_again_from_elsewhere(started, monkeypatch):
    start(started, monkeypatch)
    assert resume("../home/r") == 0
    assert run_command_line(["run", "--config", "../home/r/config.toml", "--quiet"]) == 0
    assert run_command_line(["report", "../home/r", "--quiet"]) == 0
    (again,) = Path("runs").iterdir()
    np.testing.assert_array_equal(np.load(again / "beta.npy"), np.load("../home/r/beta.npy"))
    text = Path("../home/r/config.toml").read_text()
    assert text.startswith(f'# relative paths are understood from "{started}"\n')
    assert 'data = "a.npy"' in text  # as it was given
    assert 'delay = "trace:times.npy"' in text
    monkeypatch.chdir("/")
    assert resume(started / "r", iterations=12) == 0


def test_the_same_file_by_another_path_is_the_same(started, monkeypatch, capsys):
    start(started, monkeypatch)
    Path("link.npy").symlink_to(started / "a.npy")
    for number, path in enumerate([started / "a.npy", "../home/./a.npy", "link.npy"], 10):
        assert resume("../home/r", "--data", path, iterations=number) == 0
    trace = f"trace:{started / 'times.npy'}"
    assert resume("../home/r", "--delay", trace, iterations=20) == 0
    monkeypatch.chdir(started)
    assert resume("r", "--data", "./a.npy", iterations=21) == 0
    np.save("copy.npy", TABLE)
    assert "--data copy.npy differs" in refusal(capsys, "--data", "copy.npy")
    assert "--delay trace:copy.npy differs" in refusal(capsys, "--delay", "trace:copy.npy")


def test_what_has_moved_with_its_data_is_understood_from_here(started, monkeypatch):
    start(started, monkeypatch)
    moved = started.rename(started.with_name("moved"))
    monkeypatch.chdir(moved)
    assert resume("r") == 0
    assert (
        Path("r/config.toml")
        .read_text()
        .startswith(f'# relative paths are understood from "{moved}"')
    )
    monkeypatch.chdir(moved.parent)
    assert resume("moved/r", iterations=12) == 0


def test_a_copy_with_its_data_elsewhere_is_of_the_first_data(started, monkeypatch):
    """As long as those are there: a run knows its own."""
    start(started, monkeypatch)
    shutil.copytree(started / "r", "r")
    np.save("a.npy", changed("labels"))
    assert resume("r") == 0


def test_a_class_of_ones_own_is_found_where_the_run_was_started(started, monkeypatch):
    (started / "my_objective.py").write_text(
        "from coded_dgd.problems.objectives.least_squares import LeastSquares\n"
        "class Mine(LeastSquares): pass\n"
    )
    start(started, monkeypatch, "--objective", "my_objective:Mine")
    sys.modules.pop("my_objective")
    sys.path[:] = [path for path in sys.path if path not in ("", str(started))]
    assert resume("../home/r") == 0
    assert registry.searched == [str(started)]


@pytest.mark.parametrize(
    "first",
    [
        "# relative paths are understood from nowhere\n",
        '# relative paths are understood from "/no/such/folder"\n',
        "# relative paths are understood from 3\n",
        "# relative paths are understood from\n",
        "# anything else\n",
        "",
    ],
)
def test_a_configuration_that_does_not_say_where_is_understood_from_here(first):
    Path("c.toml").write_text(f'{first}data = "a.npy"\n')
    assert read_toml(Path("c.toml")) == {"data": "a.npy"}


def test_a_folder_of_an_unusual_name(started, monkeypatch):
    odd = started.rename(started.with_name('a "b"\n\\ é\x7f'))
    start(odd, monkeypatch)
    assert resume(odd / "r") == 0
    assert json.loads((odd / "r/summary.json").read_text())["iterations"] == 9


def test_paths_in_options_and_back(started, monkeypatch):
    options = {
        "data": "a.npy", "delay": "trace:file=times.npy", "scheme": "gc", "seed": 3, "load": None,
    }  # fmt: skip
    found = origin.located(options, started)
    assert found["data"] == f"{started}/a.npy"
    assert found["delay"] == f"trace:{started}/times.npy"
    assert origin.relative(found, started) == {**options, "delay": "trace:times.npy"}
    for value in ("synthetic:rows=9", "/absolute", "nothing.npy", "9" * 3000, "a\0b"):
        assert origin.located({"data": value, "delay": "none"}, started)["data"] == value
    assert origin.relative({"data": "/other/a.npy"}, started) == {"data": "/other/a.npy"}
    assert origin.relative({"data": "b.npy"}, started)["data"] == str(Path("b.npy").absolute())
