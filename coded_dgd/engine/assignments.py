"""Send workers their assignments, and wait until they have their data."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from math import inf
from pathlib import Path

from coded_dgd import delays, registry
from coded_dgd.codes.placement import Placement
from coded_dgd.config import RunConfig
from coded_dgd.engine.group import WorkerGroup
from coded_dgd.engine.protocol import Assignment, Ready, SharedPlaces
from coded_dgd.errors import Interrupted
from coded_dgd.problems import batches
from coded_dgd.problems.encoding import LocalEncoding
from coded_dgd.problems.fingerprint import fingerprint
from coded_dgd.problems.partition import Partition
from coded_dgd.problems.preparation import preparation_of
from coded_dgd.problems.sharing import HostGroup
from coded_dgd.problems.sources import Source

STOPPED = "stopped while the data were handed out: start it again"

SHARED_SECONDS = 10.0
"""Seconds to wait for a worker that receives or maps the shared blocks of its host.
After that, the other workers get copies of their own. There is no limit to reading the data,
forming Gram matrices and loading libraries.
"""


class Assignments:
    """Sends workers their assignments, and waits until they have their data.

    Parameters
    ----------
    group : WorkerGroup
    config : RunConfig
    source : Source
        The data that workers read with ``--encode local``.
    partition : Partition
        Partition of the distributed rows into blocks.
    columns : int
        Number of columns of the distributed rows.
    entries : list of int, optional
        Number of entries of each block, if rows are sparse.
    """

    def __init__(
        self,
        group: WorkerGroup,
        config: RunConfig,
        source: Source,
        partition: Partition,
        columns: int,
        entries: list[int] | None,
    ) -> None:
        self._group, self._config = group, config
        self._partition, self._columns, self._entries = partition, columns, entries
        self._data = config.data
        if not self._data.startswith("synthetic:"):
            self._data = str(Path(self._data).absolute())
        self._reading = config.reading
        if self._reading.weights is not None:
            whole = str(Path(self._reading.weights).absolute())
            self._reading = replace(self._reading, weights=whole)
        self._local = config.encode == "local"
        raw, self._preparation = preparation_of(source)
        delay = delays.create(config.delay, config.seed)
        self._unit = float(group.scheme.work_under(delay)[0])
        self._fewest = group.scheme.rule.fewest()
        self._classes, self._weights = source.classes, source.weights is not None
        drawn = batches.create(config.batch, source.rows, config.seed)
        self._batch = None if drawn is None else (drawn.rows, drawn.size)
        self._fingerprint = str(fingerprint(raw, self._data)) if self._local else ""
        self._shared: dict[int, SharedPlaces] = {}
        self._coming: dict[int, Placement] = {}
        """Shared blocks of the host of each worker."""

    def send(self, worker: int, getting: Placement | None, host_group: HostGroup | None) -> None:
        """Send a worker its assignment.

        Parameters
        ----------
        getting : Placement, optional
            The blocks that the worker receives; None for none.
        host_group : HostGroup, optional
            The workers of its host with which it shares these blocks.
        """
        config, scheme = self._config, self._group.scheme
        local_encoding = None
        if self._local and getting is not None:
            local_encoding = LocalEncoding.of(
                self._data,
                config.seed,
                self._reading,
                self._fingerprint,
                scheme.blocks,
                getting,
                scheme.of_gram_matrix,
                self._preparation,
            )
        if host_group:
            token = secrets.randbits(60)
            for member, places in host_group.places.items():
                self._shared[member] = SharedPlaces(len(host_group.blocks), places, token)
                self._coming[member] = host_group.blocks
        self._send(worker, local_encoding)

    def _send(self, worker: int, local_encoding: LocalEncoding | None) -> None:
        group, config, scheme, transport = (
            self._group, self._config, self._group.scheme, self._group.transport
        )  # fmt: skip
        coefficients, ends = scheme.coefficients(worker), scheme.ends(worker)
        logs = transport.logs
        assignment = Assignment(
            code_id=group.code_id,
            replaces=group.replaces,
            worker=group.delay_streams[worker],
            tasks=scheme.tasks(worker),
            height=self._partition.height,
            columns=self._columns,
            layout=group.layout,
            own=self._own(worker),
            combine=group.combines,
            labels=not scheme.coded,
            weights=self._weights and not scheme.coded,
            ends=ends,
            surplus=self._fewest <= scheme.workers * (len(ends) - 1),
            coefficients=None if (coefficients == 1).all() else tuple(coefficients.tolist()),
            unit=self._unit,
            product=scheme.of_gram_matrix,
            objective=config.objective,
            classes=self._classes,
            delay=config.delay,
            seed=config.seed,
            search=tuple(registry.searched),
            rows=None if scheme.coded else self._rows(worker),
            batch=self._batch,
            kernel=group.kernel,
            loads=group.loads,
            timeline=transport.events is not None,
            log=logs and logs.file(group.members[worker] + 1),
            log_level=logs.level if logs else "info",
            local_encoding=local_encoding,
            entries=self._entries_of(worker),
            shared=self._shared.get(worker),
        )
        transport.assign(group.members[worker], assignment)

    def _own(self, worker: int) -> tuple[int, ...] | None:
        tasks = self._group.scheme.own_tasks(worker)
        return None if tasks is None else tuple(tasks.tolist())

    def _rows(self, worker: int) -> tuple[tuple[int, int], ...]:
        """Return the first row and the end of each copied block of a worker."""
        return tuple(map(self._partition.bounds, self._group.scheme.placement(worker).tolist()))

    def _entries_of(self, worker: int) -> tuple[int, ...] | None:
        """Return the number of entries of each block that a worker gets, if rows are sparse."""
        if self._entries is None:
            return None
        coming = self._coming.get(worker, self._group.scheme.placement(worker))
        return tuple(self._entries[block] for block in coming.tolist())

    def attach(self, host_group: HostGroup) -> list[int]:
        """Let the followers of a host group map the leader's blocks; return the failed ones."""
        said, group, transport = self._said, self._group, self._group.transport
        slow = self._local or group.kernel == "gram" or group.loads
        self.settle([host_group.leader], inf if slow else SHARED_SECONDS)
        if not (leader := said(host_group.leader)) or leader.path is None:
            return host_group.followers
        for worker in host_group.followers:
            self._shared[worker] = self._shared[worker]._replace(path=leader.path)
            self._send(worker, None)
        self.settle(host_group.followers, inf if group.loads else SHARED_SECONDS)
        return [
            worker
            for worker in host_group.followers
            if group.members[worker] not in transport.lost
            and not ((answer := said(worker)) and answer.ready)
        ]

    def settle(self, workers: Iterable[int], seconds: float = inf) -> None:
        """Wait until each of the workers has its data, has failed to get them, or is lost."""
        group, transport = self._group, self._group.transport
        transport.wait_for(
            lambda: all(self._said(w) or group.members[w] in transport.lost for w in workers),
            seconds,
        )
        if transport.interrupted:
            raise Interrupted(STOPPED)

    def _said(self, worker: int) -> Ready | None:
        group = self._group
        return group.transport.ready.get((group.members[worker], group.code_id))
