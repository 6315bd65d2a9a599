"""Runs on real ranks with faults at random, and a judge of what has come out.

Everything is drawn from a seed. Some faults are planted in a worker (``faulty.py``), at exact
places; others come from outside, at random instants.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from launching import HERE, Finished, children, mpiexec, processes_mentioning

from coded_dgd import schemes
from coded_dgd.engine import checkpoint
from coded_dgd.runs.run_folder import read_log

EXACT = ("uncoded", "uc-mmc", "uc-mmc-pg", "gc", "lcc", "lcc-mmc", "lcc-mmc-2", "mds-mmc")
RECOVERIES = ((), ("--on-loss", "replan"), ("--spare", "1"), ("--replace",))
ITERATIONS, MORE_ITERATIONS = 40, 50
BOUND = 60.0
"""Seconds after which a run counts as hanging."""
NOTICE, NOTICE_VANISHED = 0.3, 1.5
"""Seconds before the last update in which a loss may go unnoticed."""

RAISES = ("raise", "exit", "load", "build")
KILLS = ("kill", "kill-send", "kill-decode", "kill-start", "kill-load", "vanish", "sigkill")
ENDINGS = ("kill-stop", "kill-release")
REFUSED = ("nan", "short", "long", "future", "index", "lane", "twice")
SLOW = ("slow", "freeze")
STARTING = "sigkill-starting"
MASTER = "sigkill-master"
KINDS = (*RAISES, *KILLS, *ENDINGS, *REFUSED, *SLOW, STARTING, MASTER)
OUTSIDE = ("sigkill", "freeze", STARTING, MASTER)


@dataclass(frozen=True)
class Fault:
    """What happens to a worker; `when` is an iteration, or seconds for those from outside."""

    kind: str
    worker: int
    when: float


@dataclass(frozen=True)
class Experiment:
    """One run and the faults in it."""

    seed: int
    scheme: str
    workers: int
    load: int | None
    recovery: tuple[str, ...]
    faults: tuple[Fault, ...]

    @property
    def spares(self) -> int:
        return int("--spare" in self.recovery)

    @property
    def ranks(self) -> int:
        return 1 + self.workers + self.spares

    @property
    def kinds(self) -> set[str]:
        """Kinds of its faults."""
        return {fault.kind for fault in self.faults}

    def decodes_without(self, lost: Sequence[int]) -> bool:
        """Whether the scheme can do without these workers."""
        options = {"tolerance": 0.0} if self.scheme == "uc-mmc-pg" else {}
        scheme = schemes.create(self.scheme, self.workers, None, self.load, **options)
        arrived = scheme.expected.copy()
        arrived[list(lost)] = False
        return scheme.is_decodable(arrived)

    def may_give_up(self, lost: set[int]) -> bool:
        """Whether there may be nothing left to do once these peers are lost."""
        if self.recovery and not self.spares:
            return False
        missing = sorted(peer for peer in lost if peer < self.workers)
        places = min(self.spares, len(missing)) if self.workers not in lost else 0
        left = itertools.combinations(missing, len(missing) - places)
        return not all(self.decodes_without(each) for each in left)


@dataclass
class Verdict:
    """What was wrong with a run: no complaints, if all was well."""

    experiment: Experiment
    code: int | None = None
    seconds: float = 0.0
    hang: bool = False
    wrong_gradients: int = 0
    orphans: int = 0
    unreadable: bool = False
    complaints: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.experiment}: exit code {self.code}, {'; '.join(self.complaints)}"


def draw(seed: int, scheme: str, kind: str = "", ranks: int | None = None) -> Experiment:
    """Draw an experiment: some faults, the first of `kind` if one is given."""
    dice = random.Random(seed)
    ranks = ranks or dice.randint(6, 9)
    recovery = dice.choice(RECOVERIES)
    workers = ranks - 1 - ("--spare" in recovery)
    load = None if scheme == "uncoded" else dice.randint(2, min(workers, 10))
    faults = []
    for worker in dice.sample(range(ranks - 1), dice.randint(1, 3 if ranks < 20 else 10)):
        each = kind if kind and not faults else dice.choice([k for k in KINDS if k != MASTER])
        if each == STARTING:
            when = dice.uniform(0, 0.6)
        else:
            when = dice.uniform(0, 0.8) if each in OUTSIDE else dice.randrange(ITERATIONS)
        faults.append(Fault(each, worker, when))
    return Experiment(seed, scheme, workers, load, recovery, tuple(faults))


def perform(experiment: Experiment, resume: bool = False) -> Verdict:
    """Run it and judge it; if `resume`, go on with it on healthy ranks, and judge that too."""
    verdict = Verdict(experiment)
    with tempfile.TemporaryDirectory(prefix="chaos") as scratch:
        cwd = Path(scratch)
        (cwd / "fired").mkdir()
        done = _run(verdict, cwd, _arguments(experiment), _planted(experiment))
        verdict.code = done.code
        if not verdict.hang:
            _judge(verdict, cwd, done)
        if resume and not verdict.complaints and _checkpoint(cwd / "run"):
            done = _run(
                verdict, cwd,
                ["--resume", str(cwd / "run"), "--iterations", str(MORE_ITERATIONS), "--quiet"],
            )  # fmt: skip
            _judge_records(verdict, cwd / "run", MORE_ITERATIONS)
            if done.code:
                verdict.complaints.append(f"resuming: exit code {done.code}: {done.err[-500:]}")
    return verdict


def _arguments(experiment: Experiment) -> list[str]:
    load = [] if experiment.load is None else ["--load", str(experiment.load)]
    tolerance = ["--tolerance", "0"] if experiment.scheme == "uc-mmc-pg" else []
    return [
        "--scheme", experiment.scheme, *load, *tolerance, *experiment.recovery,
        "--delay", "shifted-exponential:mu=50,alpha=0.01", "--iterations", str(ITERATIONS),
        "--checkpoint-every", "7", "--check-gradient", "--seed", str(experiment.seed),
        "--out", "run", "--json", "--quiet",
    ]  # fmt: skip


def _planted(experiment: Experiment) -> str:
    return " ".join(
        f"{fault.kind}:{fault.worker}:{fault.when}"
        for fault in experiment.faults
        if fault.kind not in OUTSIDE
    )


def _run(verdict: Verdict, cwd: Path, arguments: list[str], planted: str = "") -> Finished:
    """Run to its end, or to the bound, and count whoever is left over."""
    begin = time.time()
    outputs = [cwd / "stdout", cwd / "stderr"]
    with outputs[0].open("w") as out, outputs[1].open("w") as err:
        process = subprocess.Popen(
            [
                mpiexec(), "-n", str(verdict.experiment.ranks), sys.executable,
                str(HERE / "faulty.py"), *arguments,
            ],
            cwd=cwd,
            env={**os.environ, "FAULTS": planted, "FIRED": str(cwd / "fired"), "MARK": str(cwd)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )  # fmt: skip
    if "--resume" not in arguments:
        _strike(process, verdict.experiment, cwd, begin)
    try:
        process.wait(begin + BOUND - time.time())
    except subprocess.TimeoutExpired:
        verdict.hang = True
        left = sorted(children(process.pid))
        verdict.complaints.append(f"hangs, ranks {left} are left: {outputs[1].read_text()[-500:]}")
        for pid in (*children(process.pid).values(), process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    verdict.seconds = time.time() - begin
    _count_orphans(verdict, cwd)
    return Finished(process.returncode, *(path.read_text() for path in outputs))


def _strike(
    process: subprocess.Popen[bytes], experiment: Experiment, cwd: Path, begin: float
) -> None:
    """Do what comes from outside, each at its instant after the start or after the run folder."""
    running = 0.0
    events = [
        (each.kind == STARTING, each.when, each) for each in experiment.faults
        if each.kind in OUTSIDE
    ]  # fmt: skip
    thaws = [
        (False, when + 0.3, Fault("thaw", each.worker, when)) for _, when, each in events
        if each.kind == "freeze"
    ]  # fmt: skip
    for starting, when, fault in sorted(events + thaws, key=lambda event: (not event[0], event[1])):
        while not starting and not running and process.poll() is None:
            running = time.time() if (cwd / "run" / "config.toml").exists() else 0.0
            time.sleep(0.01)
        while time.time() < (begin if starting else running) + when and process.poll() is None:
            time.sleep(0.005)
        pid = children(process.pid).get(0 if fault.kind == MASTER else fault.worker + 1)
        number = {"freeze": signal.SIGSTOP, "thaw": signal.SIGCONT}.get(fault.kind, signal.SIGKILL)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                (cwd / "fired" / f"{fault.kind}-{fault.worker}").touch()


def _count_orphans(verdict: Verdict, cwd: Path) -> None:
    """Count the processes of the run that are still there a moment after its end."""
    deadline = time.time() + 2
    while (left := processes_mentioning(f"MARK={cwd}", "environ")) and time.time() < deadline:
        time.sleep(0.02)
    if left:
        verdict.orphans += len(left)
        verdict.complaints.append(f"{len(left)} processes are left")
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _judge(verdict: Verdict, cwd: Path, done: Finished) -> None:
    experiment, out, complain = verdict.experiment, cwd / "run", verdict.complaints.append
    fired = {
        path.name.rpartition("-")[::2]: path.stat().st_mtime for path in (cwd / "fired").iterdir()
    }
    kinds = {kind for kind, _ in fired}
    lost = {int(worker) for kind, worker in fired if kind in (*RAISES, *KILLS, STARTING)}
    refused = {int(worker) for kind, worker in fired if kind in REFUSED}
    if "vanish" in kinds and done.code == 3:  # that of the process that vanished
        done = done._replace(code=0 if (out / "summary.json").exists() else 4)
    if done.code == 0 and not done.out:
        complain(f"nothing on stdout: {done.err[-800:]}")
    elif done.code == 0:
        result = done.json
        _judge_records(verdict, out, ITERATIONS)
        end = (out / f"checkpoint-{ITERATIONS:09d}.ckpt").stat().st_mtime
        named = {rank - 1 for rank in result["workers_lost"]}
        at_the_end = {  # with no iteration after it that would need the worker
            (each.kind, each.worker) for each in experiment.faults
            if each.kind not in OUTSIDE and each.when >= ITERATIONS - 1
        }  # fmt: skip
        certain = {
            int(worker) for (kind, worker), at in fired.items()
            if int(worker) in lost and kind not in (*REFUSED, *SLOW, *ENDINGS)
            and (kind, int(worker)) not in at_the_end
            and at < end - (NOTICE_VANISHED if kind == "vanish" else NOTICE)
        }  # fmt: skip
        if not certain <= named <= lost | refused:
            complain(f"lost were {sorted(lost)}, workers_lost says {sorted(named)}")
    elif done.code and STARTING in kinds and not (out / "config.toml").exists():
        pass  # lost before MPI had started; mpiexec itself may have had to give up
    elif done.code == 4 or (done.code == 1 and lost and kinds - set(ENDINGS) <= set(RAISES)):
        if not experiment.may_give_up(lost | refused) and "no other plan" not in done.err:
            complain(f"gave up though it need not: {done.err[-500:]}")
        _judge_records(verdict, out, None)
    elif MASTER not in kinds:
        complain(f"exit code {done.code}: {done.err[-800:]}")
    if "Traceback" in done.err:
        complain(f"a traceback: {done.err[-800:]}")
    if any(out.glob(checkpoint.PATTERN)) and _checkpoint(out) is None:
        verdict.unreadable = True
        complain("no checkpoint can be read")


def _checkpoint(out: Path) -> checkpoint.Checkpoint | None:
    """The newest checkpoint, if it and the records of its iterations can be read."""
    return checkpoint.latest(out, lambda each: read_log(out, each.iteration) is not None)[0]


def _judge_records(verdict: Verdict, out: Path, iterations: int | None) -> None:
    """Complain of wrong gradients, and unless all iterations are there."""
    if iterations is None:
        last = _checkpoint(out)
        iterations = last.iteration if last else 0
    log = read_log(out, iterations)
    if log is None:
        verdict.complaints.append(f"not all of {iterations} iterations are in the run folder")
        return
    wrong = sum(not (record.gradient_error or 0.0) <= 1e-6 for record in log)
    if wrong:
        verdict.wrong_gradients += wrong
        verdict.complaints.append(f"{wrong} gradients are wrong")
