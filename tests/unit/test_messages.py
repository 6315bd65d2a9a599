"""What is wrong is said in one line that names the option or the file, and the mend."""

import sys

import pytest

from coded_dgd.cli import run_command_line

RUN = ["run", "--transport", "simulated", "--workers", "6", "--quiet"]


@pytest.mark.parametrize(
    ("arguments", "named", "mend"),
    [
        ([*RUN, "--delay", "paretto"], "--delay paretto: ", "did you mean 'pareto'?"),
        (
            [*RUN, "--delay", "pareto:mu=3"],
            "--delay pareto:mu=3: ",
            "it takes: shape, scale, tasks",
        ),
        ([*RUN, "--delay", "pareto:tasks=odd"], "--delay pareto:tasks=odd: ", "choose shared or"),
        ([*RUN, "--delay", "persistent:factor=-1"], "--delay persistent:factor=-1: ", "factor=20"),
        ([*RUN, "--delay", "trace:x.npy"], "trace x.npy: ", "give "),
        ([*RUN, "--data", "synthetic:rows=0"], "--data synthetic:rows=0: ", "1 or more"),
        ([*RUN, "--data", "synthetic:rows=x"], "--data synthetic:rows=x: ", "leave rows out"),
        ([*RUN, "--data", "synthetic:row=9"], "--data synthetic:row=9: ", "did you mean 'rows'?"),
        ([*RUN, "--step-size", "0"], "--step-size '0': ", "give auto or a positive number"),
        ([*RUN, "--step-size", "theorem1:2"], "--step-size 'theorem1:2': ", "it takes: epsilon"),
        ([*RUN, "--config", "none.toml"], "--config none.toml: ", "config.toml of a run folder"),
        ([*RUN, "--config", "bad.toml"], "--config bad.toml is not TOML ", "--print-config"),
        ([*RUN, "--config", "other.toml"], "'lode'", "did you mean 'load'?"),
        (
            [*RUN, "--scheme", "uc-mmc-pg", "--tolerance", "2"],
            "--tolerance 2 ",
            "choose 0 <= F < 1",
        ),
        (["simulate", "--realisations", "1"], "--realisations 1: ", "give 2 to"),
        (["theory", "--delay", "none"], "--delay none: ", "--delay pareto"),
        (["plot", "--timeline", "none.json"], "--timeline none.json: ", "run --timeline"),
        (["run", "--lod", "3"], "--lod", "--load"),
        (["rnu"], "rnu", "--help lists the options"),
    ],
)
def test_a_message_names_what_is_wrong_and_the_mend(
    tmp_path, monkeypatch, capsys, arguments, named, mend
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.toml").write_text("load: 3")
    (tmp_path / "other.toml").write_text("lode = 3\n")
    assert run_command_line(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("coded-dgd: ")
    assert said.count("\n") == 1
    assert named in said
    assert mend in said
    assert not list(tmp_path.glob("runs/*"))


def test_a_page_without_pictures_is_said_to_be_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_command_line([*RUN, "--iterations", "3", "--out", "run"]) == 0
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert run_command_line(["report", "run", "--html", "page.html"]) == 0
    assert "pip install matplotlib" in capsys.readouterr().err
