"""One sum per worker, against one payload per task, where rank 0 has a slow port.

python benchmarks/combining.py [--iterations 30] [--repeats 1] [--delay ...]

17 ranks are on three hosts, which are network namespaces of this machine: rank 0 alone on the
first, whose port passes 100 MB/s in each direction. Gradients have 131,072 parameters, 1 MB.
`uc-dynamic` runs against `uc-mmc` with the same N and copies, for N = M and for N = 4 M. For each
run it prints the bytes into rank 0 per iteration, in payloads, and the time of an iteration. It
needs root, `tc` and `sshd`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from common import iterations_done, state

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "launch"))
from servers import run
from test_hosts import Hosts

WORKERS, COPIES, PARAMETERS = 16, 10, 131_072
PAYLOAD = 8 * PARAMETERS
SLOTS = {"host1": 1, "host2": 8, "host3": 8}
LIMIT = ["tbf", "rate", "800mbit", "burst", "256kb", "latency", "2s"]
WARM_UP = 3
"""Number of iterations before the measurement."""


def main() -> None:
    """Measure both schemes in turn, and state the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--delay", default="shifted-exponential:mu=10,alpha=0.01,per=share")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        hosts = Hosts(Path(scratch), stack, SLOTS)
        link = hosts.network.link["host1"]
        run("tc", "qdisc", "add", "dev", link, "root", *LIMIT)
        run("ip", "netns", "exec", link, "tc", "qdisc", "add", "dev", "e0", "root", *LIMIT)
        for blocks in (WORKERS, 4 * WORKERS):
            ratios = []
            for _ in range(arguments.repeats):
                seconds = []
                for scheme in ("uc-dynamic", "uc-mmc"):
                    load = COPIES * blocks // WORKERS
                    options = [
                        "--scheme", scheme, "--blocks", str(blocks), "--load", str(load),
                        "--delay", arguments.delay, "--iterations", str(arguments.iterations),
                        "--data", f"synthetic:rows={4 * WORKERS},features={PARAMETERS}",
                        "--step-size", "1e-7", "--encode", "local",
                    ]  # fmt: skip
                    seconds.append(measure(hosts, link, Path(scratch), options))
                ratios.append(seconds[0] / seconds[1])
            state(f"N = {blocks}: time of an iteration, uc-dynamic / uc-mmc", ratios)


def measure(hosts: Hosts, link: str, scratch: Path, options: list[str]) -> float:
    """Run on the three hosts; print what it costs, and return the seconds of an iteration."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        out = Path(folder) / "run"
        process = hosts.start(out, given=options)
        counts: dict[int, int] = {}
        while process.poll() is None:
            counts.setdefault(iterations_done(out), into_rank_0(link))
            time.sleep(0.002)
        said, _ = process.communicate()
        if process.returncode:
            raise SystemExit(said)
        log = [json.loads(line) for line in (out / "iterations.jsonl").read_text().splitlines()]
        summary = json.loads((out / "summary.json").read_text())
    first, last = min(n for n in counts if n >= WARM_UP), max(counts)
    payloads = (counts[last] - counts[first]) / (last - first) / PAYLOAD
    names = ("completion_time", "decode_time", "update_time")
    seconds = [sum(record[name] for name in names) for record in log[WARM_UP:]]
    print(
        f"{summary['scheme']}, N = {summary['blocks']}, {COPIES} copies: "
        f"{payloads:.1f} payloads into rank 0 and {np.mean(seconds):.3f} s per iteration, "
        f"of which {summary['communication_load']:.1f} payloads are used",
        flush=True,
    )
    return float(np.mean(seconds))


def into_rank_0(link: str) -> int:
    """Return the bytes that have passed to the first host."""
    return int(Path(f"/sys/class/net/{link}/statistics/tx_bytes").read_text())


if __name__ == "__main__":
    main()
