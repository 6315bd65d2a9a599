"""A change of scheme during a run: what an adviser asks for, and its effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from coded_dgd.config import SCHEME_OPTIONS, RunConfig
from coded_dgd.kinds import misfit

NAMED = ("scheme", "load", *SCHEME_OPTIONS)
"""Options of the configuration that a change may set."""
SHOWN = ("scheme", "load", "tolerance", "wait")
"""Options that identify a scheme to the reader."""


@dataclass(frozen=True)
class Change:
    """A change of scheme that an adviser asks for. Times are in seconds."""

    options: Mapping[str, Any]
    """Changed options of the configuration."""
    workers: Sequence[int]
    """Workers of the present scheme that take part."""
    same_shards: bool
    """Whether workers keep their shards."""
    why: str
    gain: float
    """Time saved over the remaining iterations, as predicted."""
    cost: float
    """Time for distributing the data again, as predicted."""
    before: float
    """Time of an iteration before the change."""
    predicted: float
    """Time of an iteration after the change, as predicted."""
    record: str
    """Record of everything that the advice depends on, as JSON."""


class Party(NamedTuple):
    """A scheme and the ranks that run it."""

    options: dict[str, Any]
    """Scheme, sizes and options of the configuration; None for values that the scheme decides."""
    ranks: list[int]

    def __str__(self) -> str:
        config = self.options
        sizes = [f"{name} {config[name]}" for name in SHOWN[1:] if config.get(name) is not None]
        return ", ".join([config["scheme"], *sizes, f"{len(self.ranks)} workers"])


@dataclass(kw_only=True)
class _Facts:
    """A change of scheme in plain values. Times are in seconds."""

    iteration: int
    """First iteration with the new scheme."""
    stage: int
    why: str
    predicted_gain: float
    """Time saved over the remaining iterations, as predicted."""
    predicted_cost: float
    """Time for distributing the data again, as predicted."""
    replaced: float
    """Time of an iteration before the change."""
    predicted: float
    """Time of an iteration after the change, as predicted."""
    cost: float | None = None
    """Time that the distribution of the data took; None if not measured."""
    measured: float | None = None
    """Mean time of an iteration after the change; None if not measured."""


@dataclass(kw_only=True)
class Adaptation(_Facts):
    """A change of scheme that was made."""

    before: Party
    after: Party

    @property
    def line(self) -> str:
        """Return a one-line description of the change."""
        return (
            f"from iteration {self.iteration} on: {self.after} in place of {self.before} "
            f"({self.why}): {self.predicted:.3g} s per iteration are predicted, "
            f"{self.replaced:.3g} s were measured"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the change as plain values."""
        plain = {name: value for name, value in vars(self).items() if name not in PARTIES}
        for name, own in PARTIES.items():
            party: Party = getattr(self, name)
            plain[own] = {**party.options, "ranks": party.ranks}
        return plain

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Adaptation:
        """Return the change that `to_json` has written.

        Raises
        ------
        ValueError, TypeError, KeyError
            The values do not describe a change.
        """
        plain = dict(values)
        for name, own in PARTIES.items():
            options = dict(plain.pop(own))
            ranks = options.pop("ranks")
            # an earlier version may have had fewer options of schemes
            if misfit(options, RunConfig) or not {*NAMED[:2]} <= options.keys() <= {*NAMED}:
                raise ValueError(options)
            if not ranks or not all(type(rank) is int and rank >= 1 for rank in ranks):
                raise ValueError(ranks)
            plain[name] = Party(options, list(ranks))
        found = cls(**plain)
        if misfit({name: each for name, each in plain.items() if name not in PARTIES}, _Facts):
            raise ValueError(plain)
        return found


PARTIES = {"before": "from", "after": "to"}
"""Names of the fields with a `Party` in JSON."""


def party(config: RunConfig, members: Sequence[int]) -> Party:
    """Return the scheme of a configuration, with the ranks of the peers that run it."""
    return Party({name: getattr(config, name) for name in NAMED}, [peer + 1 for peer in members])
