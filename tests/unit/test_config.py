"""The configuration of a run, the syntax of its values, and names that are nearly right."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coded_dgd import delays, registry, schemes, spec
from coded_dgd.config import RunConfig
from coded_dgd.config_file import read_toml, to_toml
from coded_dgd.delays.base import DelayModel
from coded_dgd.errors import Infeasible, UsageError
from coded_dgd.schemes.base import Scheme

NAN, INF = float("nan"), float("inf")

REFUSED = [
    ("iterations", 0, "--iterations has to be 1 or more"),
    ("workers", 0, "--workers has to be 1 or more"),
    ("workers", -3, "--workers has to be 1 or more"),
    ("blocks", 0, r"--blocks \(N\) has to be 1 or more"),
    ("load", 0, r"--load \(r\) has to be 1 or more"),
    ("seed", -1, "--seed has to be 0 or more"),
    ("ridge", -0.1, "--ridge has to be 0 or more"),
    ("ridge", NAN, "--ridge has to be 0 or more"),
    ("ridge", INF, "--ridge has to be 0 or more"),
    ("stop_at", -0.1, "--stop-at is a fraction: 0 <= F < 1"),
    ("stop_at", 1.0, "--stop-at is a fraction: 0 <= F < 1"),
    ("stop_at", NAN, "--stop-at is a fraction: 0 <= F < 1"),
    ("guard", 1.9, "--guard has to be 2 or more"),
    ("guard", NAN, "--guard has to be 2 or more"),
    ("transport", "pigeon", "--transport"),
]

ALLOWED = [
    ("iterations", 1),
    ("workers", 1),
    ("blocks", 1),
    ("load", 1),
    ("seed", 0),
    ("ridge", 0.0),
    ("stop_at", 0.0),
    ("stop_at", 0.999),
    ("guard", 2.0),
    ("guard", INF),
]


@pytest.mark.parametrize(("option", "value", "words"), REFUSED)
def test_a_value_out_of_range_is_refused_by_the_name_of_its_option(option, value, words):
    with pytest.raises(UsageError, match=words):
        RunConfig(**{option: value})


@pytest.mark.parametrize(("option", "value"), ALLOWED)
def test_a_value_at_the_edge_is_allowed(option, value):
    assert getattr(RunConfig(**{option: value}), option) == value


def test_a_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunConfig().seed = 1


CONFIGURATIONS = [
    {},
    {"scheme": "uc-mmc-pg", "tolerance": 0.1, "workers": 7, "blocks": 9, "load": 3},
    {"check_gradient": True, "guard": 1e16, "ridge": 1e-300, "stop_at": 0.25},
    {"data": 'a "quoted" path\\with\tall.npy', "step_size": "1e-3"},
    {"data": "Größe/数据.npy"},
    {"data": "emoji \U0001f600.npy"},
    {"data": "delete \x7f.npy"},
    {"guard": INF},
]


@pytest.mark.parametrize("options", CONFIGURATIONS, ids=str)
def test_a_configuration_survives_toml(tmp_path, options):
    config = RunConfig(**options)
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    values = read_toml(path)
    assert RunConfig(**values) == config
    assert None not in values.values()


BAD_FILES = [
    (b"laod = 3\n", r"unknown option 'laod' \(did you mean 'load'\?\)"),
    (b"stop-on = 0.1\n", r"unknown option 'stop-on' \(did you mean 'stop_at'\?\)"),
    (b"stop-at = 0.1\nstop_at = 0.1\n", "gives stop_at twice: keep one of them"),
    (b"step_size = true\n", "step_size has to be text or a number, not True"),
    (b"iterations = 9.0\n", r"iterations has to be a whole number, not 9\.0"),
    (b"[run]\nload = 3\n", "unknown option 'run'"),
    (b"load = \n", "is not TOML"),
    (b"load = 3\nload = 4\n", "is not TOML"),
    (b"scheme = '\xff'\n", "is not TOML"),
    (
        b"load = 3\n# caf\xe9\n",
        r"not TOML \(line 2 has the byte 0xe9, as.*save it as UTF-8",
    ),
    ("load = 3\n".encode("utf-16"), r"not TOML \(it is UTF-16 text.*save it as UTF-8"),
    ("load = 3\n".encode("utf-16-le"), r"not TOML \(it is UTF-16 text.*save it as UTF-8"),
    (None, "No such file"),
]


@pytest.mark.parametrize(("content", "words"), BAD_FILES)
def test_a_bad_file_is_refused_by_its_name(tmp_path, content, words):
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        read_toml(path)
    assert f"--config {path}" in str(caught.value)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_byte_order_mark_and_any_ends_of_lines_are_read(tmp_path, mark, end):
    path = tmp_path / "config.toml"
    path.write_bytes(mark + end.join([b"load = 3", "# ü".encode(), b'data = "x.npy"', b""]))
    assert read_toml(path) == {"load": 3, "data": "x.npy"}


# name:key=value


SPLIT = {
    "none": ("none", {}),
    "none:": ("none", {}),
    "": ("", {}),
    "law:mu=10": ("law", {"mu": "10"}),
    "law:mu=10,alpha=0.01": ("law", {"mu": "10", "alpha": "0.01"}),
    "law:10": ("law", {"": "10"}),
    "law:10,20": ("law", {"": "10,20"}),
    "law:10,alpha=2": ("law", {"": "10", "alpha": "2"}),
    "slow:ranks=1,3,factor=20": ("slow", {"ranks": "1,3", "factor": "20"}),
    "slow:factor=20,ranks=1,3": ("slow", {"factor": "20", "ranks": "1,3"}),
    "law:mu=": ("law", {"mu": ""}),
    "law:a=b=c": ("law", {"a": "b=c"}),
    "trace:C:/a.npy": ("trace", {"": "C:/a.npy"}),
}


@pytest.mark.parametrize("text", SPLIT, ids=repr)
def test_split(text):
    assert spec.split(text) == SPLIT[text]


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=3),
        st.lists(st.text("0123.", min_size=1), min_size=1, max_size=3).map(",".join),
        max_size=3,
    )
)
def test_split_undoes_joining(parameters):
    joined = ",".join(f"{key}={value}" for key, value in parameters.items())
    assert spec.split(f"name:{joined}") == ("name", parameters)


@pytest.mark.parametrize("text", ["law:mu=1,mu=2", "law:mu=1,alpha=3,mu=1"])
def test_a_parameter_given_twice_is_refused(text):
    with pytest.raises(UsageError, match="'mu' twice: keep one"):
        spec.split(text)


def test_take_converts_and_removes():
    parameters = {"mu": "10", "rows": "many"}
    assert spec.take(parameters, "mu", float, 1.0) == 10.0
    assert spec.take(parameters, "mu", float, 1.0) == 1.0
    with pytest.raises(UsageError, match="rows=many"):
        spec.take(parameters, "rows", int, 1)


def test_the_rest_is_refused_by_name():
    spec.refuse_rest("law", {}, ["mu"])
    with pytest.raises(
        UsageError, match=r"law has no parameter 'nu' \(did you mean 'mu'\?\); it takes: mu, alpha"
    ):
        spec.refuse_rest("law", {"nu": "1"}, ["mu", "alpha"])


# Names


NEAREST = [
    ("lcc-mcc", "lcc-mmc"),
    ("lccmmc", "lcc-mmc"),
    ("uncode", "uncoded"),
    ("uc_mmc", "uc-mmc"),
    ("uc-mmc-gp", "uc-mmc-pg"),
    ("lcc-2", "lcc"),
]


@pytest.mark.parametrize(("name", "near"), NEAREST)
def test_an_unknown_scheme_is_refused_with_the_nearest(name, near):
    with pytest.raises(UsageError, match=rf"unknown scheme '{name}' \(did you mean '{near}'\?\)"):
        schemes.create(name, 5)


@pytest.mark.parametrize("name", ["xyzzy", "", "base", "_lagrange", "-lagrange", "errors"])
def test_what_is_near_to_nothing_is_refused_with_the_list(name):
    with pytest.raises(UsageError, match=r"there are: .*lcc, lcc-mmc, .*uncoded"):
        schemes.create(name, 5)


@pytest.mark.parametrize("name", schemes.names())
def test_every_scheme_that_is_listed_is_one(name):
    assert issubclass(registry.find(schemes, name, Scheme, "scheme"), Scheme)
    assert schemes.create(name, 6).name == name


@pytest.mark.parametrize("name", delays.names())
def test_every_delay_that_is_listed_is_one(name):
    assert issubclass(registry.find(delays, name, DelayModel, "delay"), DelayModel)


LOADS = [
    # workers, blocks, default load
    (40, None, 10),
    (6, None, 6),
    (4, 100, 25),
    (100, 8, 8),
]


@pytest.mark.parametrize(("workers", "blocks", "load"), LOADS)
def test_the_default_load(workers, blocks, load):
    scheme = schemes.create("uc-mmc", workers, blocks)
    assert (scheme.blocks, scheme.load) == (blocks or workers, load)


def test_the_number_of_polynomials_is_in_the_name():
    assert schemes.create("lcc-mmc-3", 6).name == "lcc-mmc-3"
    assert schemes.create("lcc-mmc-3", 6).ends(0) == (3, 6)
    assert schemes.create("lcc-mmc-1", 6).ends(0) == schemes.create("lcc-mmc", 6).ends(0)
    for name, load, mend in [("lcc-mmc-3", 2, "--load 3"), ("lcc-mmc-0", 2, "K")]:
        with pytest.raises(Infeasible, match=mend):
            schemes.create(name, 6, load=load)


MISFITS = [
    ("load", "4", "a whole number, not '4'"),
    ("load", 3.5, "a whole number, not 3.5"),
    ("iterations", True, "a whole number, not True"),
    ("ridge", "much", "a number, not 'much'"),
    ("ridge", 10**400, "a number, not 1000"),
    ("scheme", 7, "text, not 7"),
    ("data", ["a.csv"], r"text, not \['a.csv'\]"),
    ("replace", 1, "true or false, not 1"),
    ("tolerance", {}, "a number, not {}"),
]


@pytest.mark.parametrize(("option", "value", "words"), MISFITS)
def test_a_value_of_another_type_is_refused(tmp_path, option, value, words):
    with pytest.raises(UsageError, match=f"^--{option} has to be {words}"):
        RunConfig(**{option: value})
    path = tmp_path / "config.toml"
    path.write_text(f"{option} = {json.dumps(value) if value != {} else '{}'}\n")
    with pytest.raises(UsageError, match=f"config.toml: {option} has to be {words}"):
        read_toml(path)


def test_numbers_of_numpy_are_numbers():
    assert RunConfig(load=np.int64(3), ridge=np.float32(0.5), iterations=7).load == 3
    assert RunConfig(ridge=1).ridge == 1
