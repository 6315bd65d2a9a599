"""This module prints the script that takes a file of hosts."""

from __future__ import annotations

from collections.abc import Sequence

from coded_dgd.batch.filling import fill


def hosts_script(options: Sequence[str] = (), environment: str | None = None) -> str:
    """Return a script that takes a file of hosts; see `coded_dgd.batch.slurm.slurm_script`."""
    return fill("hosts", "launch/hosts.sh", options, environment, sweep="")
