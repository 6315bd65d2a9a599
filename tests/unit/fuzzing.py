"""What is fuzzed: everything that a user hands in, and what may come of it.

A result, or one line and a documented exit code; never a traceback, a warning of a library, an
unpickled object, memory without bound or a hang. ``test_fuzz.py`` runs a few cases of every target,
``benchmarks/fuzz.py`` as many as one likes.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import os
import pickle
import resource
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import click
import fuzzing_train
import h5py
import numpy as np
from hypothesis import strategies as st

from coded_dgd import cli, schemes
from coded_dgd.cli.variables import subcommands
from coded_dgd.engine import checkpoint
from coded_dgd.errors import DataError, UsageError
from coded_dgd.problems.sources import READERS, open_source
from coded_dgd.report import gantt
from coded_dgd.traces import importers

EXIT_CODES = {0, 1, 2, 3, 4, 75}
SECONDS = 20
MEMORY = 2 * 2**30
"""How much more a case may ask for than there is already."""


class Hang(BaseException):
    """A case takes too long."""


class Unpickled(BaseException):
    """Something was unpickled."""


class Target(NamedTuple):
    """Something to be fuzzed."""

    cases: st.SearchStrategy[Any]
    check: Callable[[Any], None]
    """Takes a case, in an empty current folder; raises if the property does not hold of it."""


# What has to hold


@contextlib.contextmanager
def confined() -> Iterator[None]:
    """Run in an empty folder, with bounds on time and memory, where nothing is unpickled."""

    def late(*_):
        raise Hang(f"more than {SECONDS} s of processor time")

    def refuse(*_, **__):
        raise Unpickled

    here = os.open(".", os.O_RDONLY)
    before = signal.signal(signal.SIGPROF, late)
    limit = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    load, loads, fsync = pickle.load, pickle.loads, os.fsync
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, limit[1]))
        pickle.load = pickle.loads = refuse
        os.fsync = int  # it takes most of the time otherwise
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        os.chdir(folder)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
            pickle.load, pickle.loads, os.fsync = load, loads, fsync
            resource.setrlimit(resource.RLIMIT_AS, limit)
            os.fchdir(here)
            os.close(here)


def command_line(*arguments: str) -> int:
    """Run a command in this process, and see what a user sees of it."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.run_command_line([*arguments])
    said = [line for line in err.getvalue().splitlines() if line.startswith("coded-dgd: ")]
    assert "Traceback" not in err.getvalue(), err.getvalue()
    assert "please report this" not in err.getvalue(), err.getvalue()
    assert code in EXIT_CODES, (code, err.getvalue())
    ended = arguments[0] == "watch" and code == 1  # the run that was watched has; that is no error
    assert len(said) == (0 if ended else bool(code)), (code, err.getvalue())
    if "--json" in arguments and not code and "--print-config" not in arguments:
        json.loads(out.getvalue())
    return code


# Cases: bytes

SPICES = [
    b"", b"\0", b"\xff", b"\n", b",", b" ", b":", b"#", b"nan", b"inf", b"-1", b"1e999", b"1e-400",
    b"99999999999999999999", b"\xff" * 8, b"\x7f\xff\xff\xff", b"\xf0\x7f", b"null", b"{}", b"[]",
    b'"', b"true", b"\xc3\xa9", b"\xe2\x80\xa8", b"(", b"0" * 30, b"O", b"V",
]  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """Something whole with bytes cut off, changed, put in, taken out or doubled."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        to = min(len(content), at + draw(st.sampled_from([1, 1, 1, 4, 8, 60])))
        how = draw(st.sampled_from(["flip", "cut", "put", "drop", "double", "replace", "zero"]))
        if how == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut" and draw(st.booleans()):
            del content[at:]
        elif how == "put":
            content[at:at] = draw(st.sampled_from(SPICES))
        elif how == "drop":
            del content[at:to]
        elif how == "double":
            content[at:at] = content[at:to]
        elif how == "replace":
            content[at:to] = draw(st.sampled_from(SPICES))
        elif how == "zero":
            content[at:to] = bytes(to - at)
    return bytes(content)


@st.composite
def spoilt_lines(draw: st.DrawFn, whole: bytes) -> bytes:
    """Text with lines doubled, left out or exchanged, or words of it replaced."""
    lines = whole.split(b"\n")
    for _ in range(draw(st.integers(1, 4))):
        at, other = (draw(st.integers(0, max(0, len(lines) - 1))) for _ in range(2))
        how = draw(st.sampled_from(["double", "drop", "swap", "word", "word", "word"]))
        if not lines:
            break
        if how == "double":
            lines.insert(other, lines[at])
        elif how == "drop":
            del lines[at]
        elif how == "swap":
            lines[at], lines[other] = lines[other], lines[at]
        else:
            separator = draw(st.sampled_from([b" ", b",", b":", b"="]))
            words = lines[at].split(separator)
            words[draw(st.integers(0, len(words) - 1))] = draw(st.sampled_from(SPICES))
            lines[at] = separator.join(words)
    return b"\n".join(lines)


def contents(whole: list[bytes], text: bool = False) -> st.SearchStrategy[bytes]:
    """Content of a file, near to one of those or far from it."""
    near = st.sampled_from(whole).flatmap(spoilt)
    lines = [st.sampled_from(whole).flatmap(spoilt_lines)] if text else []
    words = st.lists(st.sampled_from([*SPICES, b"1", b"2.5"]), max_size=30).map(b"".join)
    return st.one_of(near, near, *lines, *lines, words, st.binary(max_size=100))


def array(kind: str, *shape: int) -> np.ndarray:
    values = np.arange(np.prod(shape), dtype=float).reshape(shape) % 7 - 3
    return values.astype(kind)


@lru_cache
def whole_files(suffix: str) -> list[bytes]:
    """Small files of data that can be read, once it is said what is doubtful in them."""
    if suffix.endswith(".gz"):
        return [gzip.compress(whole) for whole in whole_files(suffix.removesuffix(".gz"))]
    X, y = array("f8", 9, 3), array("f8", 9)
    joined = np.c_[X, y]
    arrays = [joined, joined.astype("f4"), joined.astype(">i4"), np.asfortranarray(joined)]
    files = []
    if suffix == ".npy":
        for each in arrays:
            np.save(stream := io.BytesIO(), each)
            files.append(stream.getvalue())
        np.lib.format.write_array(stream := io.BytesIO(), joined, (2, 0))
        files.append(stream.getvalue())
    elif suffix == ".npz":
        for save, kind in itertools.product((np.savez, np.savez_compressed), ("f8", "f4", "i1")):
            save(stream := io.BytesIO(), X=X.astype(kind), y=y)
            files.append(stream.getvalue())
    elif suffix == ".h5":
        for kind, chunks in itertools.product(("f8", "f4"), (None, True)):
            with h5py.File(stream := io.BytesIO(), "w") as file:
                file.create_dataset("X", data=X.astype(kind), chunks=chunks)
                file["y"] = y
            files.append(stream.getvalue())
    elif suffix == ".csv":
        rows = "".join(",".join(map(repr, row)) + "\n" for row in joined.tolist())
        quoted = "".join(
            f'"{line.replace(",", chr(34) + "," + chr(34))}"\n' for line in rows.split()
        )
        heads = [
            'a,"b, c",d,label\r\n',
            "# a,b,c,label\n",
            "0,1,2,3\n",
            "label,x,y,z\n",
            ",a,b,c\n",
        ]
        files = [rows.encode(), *(f"{head}{rows}".encode() for head in heads), quoted.encode()]
    else:
        rows = "".join(
            f"{label} " + " ".join(f"{i}:{v}" for i, v in enumerate(row, 1) if v) + " # x\n"
            for row, label in zip(X.tolist(), y.tolist(), strict=True)
        )
        files = [rows.encode(), rows.replace(" 1:", " qid:3 1:").encode()]
    return files


# Data


def data_file(suffix: str) -> Target:
    """A file that is no data is a DataError of one line; of others every row can be read."""

    def check(content: bytes) -> None:
        path = Path(f"data{suffix}")
        path.write_bytes(content)
        X = None
        try:
            source = open_source(str(path), 0)
            if source.rows * source.features < 10**6:
                X, y = source.read(0, source.rows)
                assert X.shape == (len(y), source.features)
                assert np.isfinite(X).all() and np.isfinite(y).all()
        except DataError as refusal:
            assert "\n" not in str(refusal)
        if X is not None:
            assert command_line("convert", str(path), "copy.npy", "--quiet") == 0
            np.testing.assert_array_equal(open_source("copy.npy", 0).read(0, len(y))[0], X)
        train = ["--transport", "simulated", "--workers", "3", "--iterations", "2", "--delay"]
        command_line("run", *train, "none", "--data", str(path), "--scheme", "uc-mmc", "--quiet")

    return Target(contents(whole_files(suffix), text=suffix in (".csv", ".svm")), check)


# Delay traces


@lru_cache
def whole_traces(suffix: str) -> list[bytes]:
    durations = np.abs(array("f8", 4, 3)) + 0.5
    finish = durations[..., None] * [1.0, 2.0]
    files = []
    if suffix == ".csv":
        np.savetxt(stream := io.BytesIO(), durations, delimiter=",")
        return [stream.getvalue(), b"1,2,3\n4,5,inf\n"]
    if suffix == ".npy":
        for each in (durations, finish, durations.astype("f4"), durations.astype("i8")):
            np.save(stream := io.BytesIO(), each)
            files.append(stream.getvalue())
        return files
    for save in (np.savez, np.savez_compressed):
        done = np.tile([1, 2], (3, 1))
        save(stream := io.BytesIO(), arrival=finish, tasks_done=done, unit=1.0, ranks=[1, 2, 3])
        files.append(stream.getvalue())
    return files


@st.composite
def arrivals(draw: st.DrawFn) -> bytes:
    """An archive as arrivals.npz is, with values of all kinds."""
    shape = [draw(st.integers(0, 3)) for _ in range(draw(st.integers(1, 4)))]
    numbers = st.sampled_from([0.0, 1.0, 2.5, -1.0, np.nan, np.inf, 1e308, 5e-324])
    counts = st.sampled_from([0, 1, 2, 3, -1, 100, 2**31, 2**62])
    size = int(np.prod(shape))
    arrival = np.array([draw(numbers) for _ in range(size)]).reshape(shape)
    done_shape = shape[1:] if draw(st.integers(0, 3)) else shape
    done = np.array([draw(counts) for _ in range(int(np.prod(done_shape)))], dtype="i8")
    stream = io.BytesIO()
    unit = draw(st.sampled_from([1.0, 0.5, 0.0, np.nan, -1.0, 1e-300, np.inf]))
    np.savez(stream, arrival=arrival, tasks_done=done.reshape(done_shape), unit=unit)
    return stream.getvalue()


def trace_file(suffix: str) -> Target:
    def check(content: bytes) -> None:
        path = Path(f"trace{suffix}")
        path.write_bytes(content)
        common = ["--scheme", "uc-mmc", "--workers", "3", "--load", "2", "--delay", f"trace:{path}"]
        command_line("simulate", *common, "--realisations", "20", "--json", "--quiet")
        more = ["--transport", "simulated", "--iterations", "3", "--quiet"]
        command_line("run", *common, *more, "--data", "synthetic:rows=9,features=2")
        command_line("trace", "array", str(path), "new.npy", "--json", "--quiet", "--force")

    cases = contents(whole_traces(suffix), text=suffix == ".csv")
    return Target(st.one_of(cases, arrivals()) if suffix == ".npz" else cases, check)


def published_file(kind: str, whole: list[bytes], text: bool) -> Target:
    """The file of a trace as it was published."""

    def check(content: bytes) -> None:
        Path("published").write_bytes(content)
        command_line("trace", kind, "published", "new.npy", "--json", "--quiet", "--force")

    return Target(contents(whole, text=text), check)


def pickles() -> Target:
    results = [{"started": np.float64(1.0), "finished": np.float64(w + 2.0)} for w in range(3)]
    rounds = [{"round": t, "results": results} for t in range(2)]
    return published_file("lambda", [pickle.dumps(rounds, each) for each in (3, 4)], False)


def batch_times() -> Target:
    header = b",worker,gpu,time,batch_time_norm\n"
    rows = b"".join(b"%d,%d,25,%d,%d\n" % (n, n % 3, n // 3, 400 + n) for n in range(9))
    return published_file("pai", [header + rows], True)


# Run folders

QUICK = ["--delay", "shifted-exponential:tasks=independent"]  # has no closed form to integrate
OPTIONS = [
    "--transport", "simulated", "--workers", "3", "--data", "synthetic:rows=20,features=3",
    "--quiet", *QUICK,
]  # fmt: skip
VARIANTS = {
    "uc-mmc": ["--load", "2", "--check-gradient"],
    "sgc": ["--p", "auto", "--optimizer", "nesterov"],
}


@lru_cache
def base() -> Path:
    """A folder with run folders, finished and stopped ones, a timeline and data."""
    folder = Path(tempfile.mkdtemp())
    here = Path.cwd()
    os.chdir(folder)
    try:
        for name, more in VARIANTS.items():
            command = ["run", "--scheme", name, *OPTIONS, *more]
            assert command_line(*command, "--iterations", "5", "--out", name) == 0
            stopped = f"{name}-stopped"
            every = ["--iterations", "4", "--checkpoint-every", "2"]
            assert command_line(*command, *every, "--out", stopped) == 0
            for result in ("summary.json", "beta.npy", "ideal.npy"):
                Path(stopped, result).unlink()
            config = Path(stopped, "config.toml")
            config.write_text(config.read_text().replace("iterations = 4", "iterations = 6"))
            with np.load(f"{stopped}/arrivals.npz") as archive:
                archive["arrival"].tofile(f"{stopped}/arrivals-1.f8")
            Path(stopped, "arrivals.npz").unlink()
            Path(stopped, "log.txt").write_text(
                "2026-01-01 00:00:00.000 ended early: stopped in iteration 4\n"
            )
        timeline = ["--timeline", "timeline.json", "--iterations", "3", "--out", "timed"]
        assert command_line("run", *OPTIONS, *timeline) == 0
        for suffix in (".npy", ".npz", ".csv", ".svm", ".h5"):
            Path(f"data{suffix}").write_bytes(whole_files(suffix)[0])
            if suffix in (".npy", ".npz", ".csv"):
                Path(f"trace{suffix}").write_bytes(whole_traces(suffix)[0])
        Path("config.toml").write_bytes(Path("uc-mmc/config.toml").read_bytes())
        Path("folder").mkdir()
    finally:
        os.chdir(here)
    return folder


class Spoilt(NamedTuple):
    """A run folder with a file that is not as it was written; None where it is missing."""

    folder: str
    file: str
    content: bytes | None


@st.composite
def run_folders(draw: st.DrawFn, stopped: bool) -> Spoilt:
    name = draw(st.sampled_from([*VARIANTS])) + ("-stopped" if stopped else "")
    files = sorted(path.name for path in (base() / name).iterdir())
    file = draw(st.sampled_from(files))
    whole = (base() / name / file).read_bytes()
    text = file.endswith(("toml", "jsonl", "json", "txt"))
    content = draw(st.one_of(contents([whole], text), contents([whole], text), st.none()))
    return Spoilt(name, file, content)


def spoil(case: Spoilt) -> str:
    """Make the folder here; return its name."""
    shutil.copytree(base() / case.folder, case.folder)
    path = Path(case.folder, case.file)
    path.unlink()
    if case.content is not None:
        path.write_bytes(case.content)
    return case.folder


def resume_folder() -> Target:
    """A run folder goes on, to its end, or is refused; sizes in it stay as they were."""

    def check(case: Spoilt) -> None:
        if case.file == "config.toml" and case.content is not None and too_long(case.content):
            return
        folder = spoil(case)
        if command_line("run", "--resume", folder, "--quiet", "--json") == 0:
            lines = Path(folder, "iterations.jsonl").read_text().splitlines()
            records = [json.loads(line) for line in lines]
            assert [each["iteration"] for each in records] == [*range(len(records))]
            command_line("report", folder)

    return Target(run_folders(stopped=True), check)


def too_long(config: bytes) -> bool:
    """Whether it asks, in good order, for more than a test can wait for."""
    for line in config.decode("utf-8", "replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() in ("iterations", "workers", "blocks") and value.strip().isdecimal():
            return int(value) > 50
    return b"mpi" in config


def report_folder() -> Target:
    def check(case: Spoilt) -> None:
        folder = spoil(case)
        command_line("report", folder)

    return Target(run_folders(stopped=False), check)


def watch_folder() -> Target:
    def check(case: Spoilt) -> None:
        from coded_dgd.runs import watching

        def no_more(_: float) -> None:
            raise DataError("it would go on watching")

        folder = spoil(case)
        before, watching.sleep = watching.sleep, no_more
        try:
            command_line("watch", folder)
        finally:
            watching.sleep = before

    return Target(st.booleans().flatmap(run_folders), check)


# Checkpoints: with a checksum that is right

JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from([0, 1, -1, 3, 2.5, 10**30, 1e308, float("nan"), float("inf"), "", "sgc"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
ARRAYS = [
    np.zeros(3), np.zeros(()), np.zeros(2), np.full(3, np.nan), np.full((), -1.0), np.zeros((3, 1)),
    np.full((), 1e308), np.zeros(3, "f4"), np.zeros(3, "i8"), np.array("text"), np.zeros(0),
]  # fmt: skip


class Changed(NamedTuple):
    """A checkpoint of this run with another value."""

    folder: str
    where: str
    name: str
    value: Any


def checkpoint_values() -> Target:
    """A checkpoint of other values is used or passed over."""
    names = ["started", "workers", "stages", "scheme", "clock", "first_norm", "absences", "losses"]
    names += ["refused", "adaptations", "speeds"]
    folder = st.sampled_from([f"{name}-stopped" for name in VARIANTS])
    lists = st.sampled_from(
        [[[0, 1, 0.0, None]], [[0, 0, 0.0, 2]], [[2, -5, -1.0, 10**30]], [[0, 1, 0.0]], [[]], [{}]]
    )
    cases = st.one_of(
        st.builds(Changed, folder, st.just("values"), st.sampled_from(names), JSON),
        st.builds(Changed, folder, st.just("values"), st.just("absences"), lists),
        st.builds(
            Changed, folder, st.just("arrays"), st.sampled_from(["beta", "point", "steps", "x"]),
            st.sampled_from(ARRAYS),
        ),
        st.builds(Changed, folder, st.just("iteration"), st.just(""), st.integers(-1, 9)),
    )  # fmt: skip

    def check(case: Changed) -> None:
        shutil.copytree(base() / case.folder, case.folder)
        last, _ = checkpoint.latest(Path(case.folder), lambda _: True)
        assert last is not None
        parts = {"iteration": last.iteration, "values": last.values, "arrays": last.arrays}
        if case.where == "iteration":
            parts["iteration"] = case.value
        else:
            parts[case.where] = {**parts[case.where], case.name: case.value}
        path = checkpoint.write(Path(case.folder), checkpoint.Checkpoint(**parts))
        with contextlib.suppress(DataError):
            checkpoint.read(path)
        command_line("run", "--resume", case.folder, "--quiet")

    return Target(cases, check)


def checkpoint_bytes() -> Target:
    """The content of a checkpoint is a checkpoint or a DataError of one line."""

    def check(content: bytes) -> None:
        import hashlib

        digest = hashlib.sha256(content).hexdigest().encode()
        path = Path("checkpoint-000000001.ckpt")
        path.write_bytes(checkpoint.MAGIC + digest + b"\n" + content)
        try:
            assert checkpoint.read(path).iteration >= 0
        except DataError as refusal:
            assert "\n" not in str(refusal)

    stream = io.BytesIO()
    header = np.frombuffer(json.dumps({"iteration": 1, "values": {"clock": 0.5}}).encode(), "u1")
    np.savez(stream, header=header, array_beta=np.zeros(3))
    return Target(contents([stream.getvalue()], text=True), check)


# Timelines


def timeline() -> Target:
    """What is no timeline is a UsageError of one line."""

    def check(content: bytes) -> None:
        path = Path("timeline.json")
        path.write_bytes(content)
        for wanted in (None, (1, 1), (0, 2)):
            try:
                gantt.read(path, wanted)
            except UsageError as refusal:
                assert "\n" not in str(refusal)

    whole = (base() / "timeline.json").read_bytes()
    return Target(contents([whole], text=True), check)


# The configuration


def config_file() -> Target:
    def check(content: bytes) -> None:
        Path("config.toml").write_bytes(content)
        code = command_line("run", "--config", "config.toml", "--print-config")
        if code == 0 and not too_long(content):
            more = ["--transport", "simulated", "--workers", "3", "--iterations", "2", "--blocks"]
            command_line("run", "--config", "config.toml", *more, "3", "--quiet")

    return Target(contents([(base() / "config.toml").read_bytes()], text=True), check)


# Command lines

WORDS = [
    "", " ", "0", "-1", "1", "2", "3", "nan", "inf", "-inf", "1e308", "1e-308", "-0.0", "1e400",
    "99999999999999999999", "0x10", "1_0", "½", "é", "💥", "²", "a,b", "=", ":", ",", "..", "1..0",
    "0..5", "None", "true", "'", '"', "\\", "\n", "\t", "-", "%s", "{}", "../", "/", "/dev/null",
    ".", "\udc80", "9" * 5000, "x" * 300, "folder", "uc-mmc", "uc-mmc-stopped"
]  # fmt: skip
NUMBERS = ["1", "2", "3", "4"]
DELAYS = [
    "none", "trace:trace.npy", "trace:trace.npz", "trace:trace.csv", "trace:", "trace:folder",
    "shifted-exponential:mu=10,alpha=0.01", "shifted-exponential:mu=1e308,alpha=1e308",
    "shifted-exponential:tasks=independent", "pareto:shape=2.2,scale=0.06", "pareto:shape=1e-3",
    "pareto:shape=1e308", "persistent:ranks=1,3,factor=20", "persistent:ranks=1,factor=inf",
    "persistent:ranks=",
    "markov:onset=0.05,recovery=0.2,factor=20,mu=10", "markov:onset=1,recovery=0",
    "markov:onset=nan", "bernoulli:p=0.7,slow=1,fast=0.01", "bernoulli:p=0", "bernoulli:slow=inf",
]  # fmt: skip
SIZES = ["0", "-1", "1", "5", "20", "1e3", "nan", "", "99999999999999999999", "999999999999"]
VALID: dict[str, list[str]] = {
    "scheme": [*schemes.names(), "lcc-mmc-2", "lcc-mmc-0", "uncoded,gc", "json:loads", "os:no"],
    "schemes": ["uncoded,lcc-mmc", "gc", "gc,gc", ",", "sgc,bgc"],
    "data": [
        *(f"synthetic:rows={rows},features=3" for rows in SIZES),
        *(f"synthetic:rows=20,features={features}" for features in SIZES),
        "data.npy", "data.npz", "data.csv", "data.svm", "data.h5", "trace.npz", "folder", "no.npy",
    ],
    "delay": DELAYS,
    "objective": ["least-squares", "logistic", "json:JSONDecoder"],
    "optimizer": [
        "gd", "nesterov", "nesterov:restart=gradient", "nesterov:restart=", "momentum:factor=0.5",
        "momentum:factor=nan", "adam", "adam:epsilon=1e300", "cg", "cg:every=0", "lbfgs:pairs=2",
        "lbfgs:pairs=99999999999999999999", "auto", "auto:pairs=2",
    ],
    "step-size": [
        "auto", "0.1", "1e-3", "1e300", "theorem1", "theorem1:epsilon=1e-6", "theorem1:epsilon=0",
        "power-law:scale=1612,power=0.7", "power-law:scale=1e308,power=-300", "power-law",
    ],
    "wait": ["all", "fastest:2", "fastest:9", "deadline:0.1", "deadline:0", "deadline:inf"],
    "p": ["auto", "0.3", "0", "1"],
    "assignment": ["random", "balanced"],
    "normalisation": ["per-block", "printed"],
    "early-stop": ["coset"],
    "tolerance": ["0", "0.3", "1"],
    "redundancy": ["1", "2", "2.5", "99"],
    "ridge": ["0", "0.1", "1e300", "1e-300"],
    "guard": ["2", "100", "1e6", "inf"],
    "stop-at": ["0", "0.5", "1"],
    "load": ["2", "1..3", "1,2", "3..1", "1..99999999999"],
    "cdf": ["0.1,0.2", "0", "1e308", "0.1,,2"],
    "gap": ["0.1", "0", "1"],
    "epsilon": ["1e-6", "0", "1", "1e-300"],
    "config": ["config.toml", "uc-mmc/config.toml", "data.npy"],
    "resume": ["uc-mmc", "uc-mmc-stopped", "sgc-stopped", "folder"],
    "out": ["new", "folder", "data.npy", "data.npy/x", "a/b/c"],
    "html": ["page.html", "no/page.html"],
    "timeline": ["timeline.json", "config.toml", "new.json", "no/new.json"],
    "interval": ["0.05", "0.01"],
    "checkpoint-seconds": ["0", "1e-9", "inf"],
    "format": ["svg", "csv", "svm", "npy"],
    "label": ["1", "-1", "0", "4", "label", "a"],
    "jobs": ["1", "0"],
    "seed": ["0", "1", "99999999999999999999"],
    "realisations": ["2", "10", "0"],
}  # fmt: skip
ARGUMENTS = [
    "uc-mmc",
    "sgc",
    "timed",
    "uc-mmc-stopped",
    "folder",
    "data.npy",
    "data.csv",
    "new.csv",
]
TARGETS_OF_CONVERT = [
    *(f"new{suffix}" for suffix in READERS),
    *("new.csv.gz", "new.svm.xz", "new.npy.gz", "data.npy", "folder", "no/x.npy"),
]
LEFT_OUT = {"--help", "--version", "--transport"}


def words(name: str) -> st.SearchStrategy[str]:
    """Values for an option, good and bad ones."""
    good = st.sampled_from(VALID.get(name, NUMBERS))
    bent = st.builds(
        lambda value, at, spice: value[: at % (len(value) + 1)] + spice + value[at :],
        good, st.integers(0, 30), st.sampled_from(["", *WORDS[:40]]),
    )  # fmt: skip
    return st.one_of(*[good] * 8, bent, st.sampled_from(WORDS))


@st.composite
def lines(draw: st.DrawFn, command: click.Command, fixed: list[str]) -> list[str]:
    """A command line with any of the options of a command."""
    options = [
        each
        for each in command.params
        if isinstance(each, click.Option) and not LEFT_OUT.intersection(each.opts)
    ]
    found = []
    for option in draw(st.lists(st.sampled_from(options), max_size=4) if options else st.just([])):
        name = draw(st.sampled_from([*option.opts, *option.secondary_opts]))
        if option.is_flag:
            found.append(name)
        elif isinstance(option.type, click.Choice) and draw(st.booleans()):
            found += [name, draw(st.sampled_from(list(option.type.choices)))]
        else:
            found += [name, draw(words(name.removeprefix("--")))]
    if command.name == "convert" and draw(st.integers(0, 4)):
        found += draw(
            st.tuples(st.sampled_from(VALID["data"]), st.sampled_from(TARGETS_OF_CONVERT))
        )
    elif command.name == "trace" and draw(st.integers(0, 4)):
        sources = [*ARGUMENTS, "trace.npy", "trace.npz", "trace.csv"]
        found += draw(st.tuples(st.sampled_from(importers.names()), st.sampled_from(sources)))
        found += draw(st.lists(st.sampled_from(TARGETS_OF_CONVERT), max_size=1))
    elif any(isinstance(each, click.Argument) for each in command.params):
        found += draw(st.lists(st.sampled_from([*ARGUMENTS, *WORDS]), max_size=3))
    if draw(st.integers(0, 9)) == 0:
        found.insert(draw(st.integers(0, len(found))), draw(st.sampled_from(WORDS)))
    return [*fixed, *found]


def a_command(name: str) -> Target:
    """Any options of a command, with any values."""
    small = ["--workers", "3", "--data", "synthetic:rows=20,features=3", *QUICK]
    fixed = {
        "run": [*small, "--iterations", "2", "--transport", "simulated"],
        "compare": [
            *small, "--iterations", "2", "--transport", "simulated", "--schemes", "gc,mds-mmc",
        ],
        "plan": [
            *small, "--iterations", "2", "--transport", "simulated", "--probe", "2", "--load", "1",
        ],
        "simulate": [*small, "--realisations", "10"],
        "theory": [*small, "--realisations", "10", "--delay", "shifted-exponential"],
    }.get(name, [])  # fmt: skip

    def check(arguments: list[str]) -> None:
        shutil.copytree(base(), ".", dirs_exist_ok=True)
        with unhurried():
            command_line(*name.split(), *arguments)

    return Target(lines(COMMANDS[name], fixed), check)


@contextlib.contextmanager
def unhurried() -> Iterator[None]:
    """Neither watch for ever, nor draw, nor compute a figure of a paper: that is not fuzzed."""
    from coded_dgd import reproduce
    from coded_dgd.report import figure
    from coded_dgd.runs import watching

    def enough(*_: Any, **__: Any) -> Any:
        raise DataError("enough")

    before = reproduce.compute, watching.sleep, figure.require_drawing, figure.can_draw
    reproduce.compute, watching.sleep = enough, enough
    figure.require_drawing, figure.can_draw = enough, lambda: False
    try:
        yield
    finally:
        reproduce.compute, watching.sleep, figure.require_drawing, figure.can_draw = before


def _commands(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands and how they are called, those of groups too."""
    for name, each in subcommands(group).items():
        if isinstance(each, click.Group):
            yield from _commands(each, f"{name} ")
        else:
            yield prefix + name, each


COMMANDS = dict(_commands(cli.command))
TARGETS: dict[str, Callable[[], Target]] = {
    **{f"data {suffix}": lambda s=suffix: data_file(s) for suffix in
       (".npy", ".npz", ".svm", ".csv", ".h5", ".csv.gz", ".svm.gz")},
    **{f"trace {suffix}": lambda s=suffix: trace_file(s) for suffix in (".npy", ".npz", ".csv")},
    "trace lambda": pickles,
    "trace pai": batch_times,
    "config.toml": config_file,
    "run --resume": resume_folder,
    "report": report_folder,
    "watch": watch_folder,
    "checkpoint": checkpoint_values,
    "checkpoint bytes": checkpoint_bytes,
    "timeline": timeline,
    "train": lambda: Target(fuzzing_train.cases(), fuzzing_train.check),
    **{f"command {name}": lambda n=name: a_command(n) for name in COMMANDS},
}  # fmt: skip
