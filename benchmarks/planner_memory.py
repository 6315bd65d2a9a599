"""Memory that the planner predicts, against the peaks of real ranks (VmHWM).

python benchmarks/planner_memory.py [--ranks 9] [--data FILE]

By default on 200,000 x 500 synthetic data, and on a sparse file of the size of a9a (32,561 x 123,
14 entries per row). Linux only: peaks are read from /proc while the jobs run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from time import sleep

import common  # noqa: F401 (finds `launching`)
import numpy as np
from launching import children, mpiexec

from coded_dgd.cli.measuring import open_data
from coded_dgd.config import RunConfig
from coded_dgd.engine.setup import prepare
from coded_dgd.planner import memory
from coded_dgd.planner.convergence import sample
from coded_dgd.planner.costs import Sizes

CASES = (("uncoded", None), ("uc-mmc", 3), ("lcc-mmc", 4), ("mds-mmc", 4), ("sgc", None))


def sparse_file(folder: Path) -> Path:
    """Write data of the size of a9a."""
    rng = np.random.default_rng(0)
    path = folder / "sparse.svm"
    with path.open("w") as file:
        for _ in range(32561):
            columns = np.sort(rng.choice(122, 14, replace=False)) + 1
            entries = " ".join(f"{column}:1" for column in columns)
            file.write(f"{rng.choice([-1, 1])} {entries} 123:{rng.integers(2)}\n")
    return path


def peaks(ranks: int, config: RunConfig) -> dict[int, float]:
    """Run a job and return the peak of every rank, in bytes."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "config.toml"
        path.write_text(config.to_toml())
        job = subprocess.Popen(
            [mpiexec(), "-n", str(ranks), sys.executable, "-m", "coded_dgd.run", "--quiet",
             "--config", str(path), "--out", str(Path(scratch) / "run")],
        )  # fmt: skip
        found: dict[int, float] = {}
        while job.poll() is None:
            for rank, process in children(job.pid).items():
                with suppress(OSError, IndexError):
                    status = Path(f"/proc/{process}/status").read_text()
                    found[rank] = 1024.0 * int(status.split("VmHWM:")[1].split()[0])
            sleep(0.05)
        if job.returncode:
            raise SystemExit(job.returncode)
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=9)
    parser.add_argument("--data")
    arguments = parser.parse_args()
    print("| data | scheme | r | worker predicted MB | measured | off | master | measured | off |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        small = str(sparse_file(Path(scratch)))
        for data in (
            [arguments.data] if arguments.data else ["synthetic:rows=200000,features=500", small]
        ):
            source, held = open_data(RunConfig(data=data))
            sizes = Sizes(source.rows, source.features, sample(source).rows, 1e6)
            for name, load in CASES:
                config = RunConfig(
                    scheme=name, load=load, data=data, delay="none", iterations=3,
                    step_size="1e-9",
                )  # fmt: skip
                setup = prepare(config, arguments.ranks - 1)
                setup.scheme.fit(sizes.sampled_rows, np.ones)
                predicted = (
                    memory.worker(setup.scheme, sizes),
                    memory.master(setup.scheme, sizes, held),
                )
                found = peaks(arguments.ranks, config)
                measured = max(found[rank] for rank in found if rank), found[0]
                columns = " | ".join(
                    f"{guess / 1e6:.0f} | {truth / 1e6:.0f} | {guess / truth - 1:+.1%}"
                    for guess, truth in zip(predicted, measured, strict=True)
                )
                print(
                    f"| {source.rows} x {source.features}, {source.storage} | `{name}` | "
                    f"{setup.scheme.load} | {columns} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
