"""Another scheme while a run goes on: what an adviser asks for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from coded_dgd.config import SCHEME_OPTIONS, RunConfig
from coded_dgd.kinds import misfit

NAMED = ("scheme", "load", *SCHEME_OPTIONS)
"""Options of the configuration that a change is about."""
SHOWN = ("scheme", "load", "tolerance", "wait")
"""Options that tell a scheme from another."""


@dataclass(frozen=True)
class Change:
    """What an adviser asks for. Times in seconds."""

    options: Mapping[str, Any]
    """Of the configuration, changed."""
    workers: Sequence[int]
    """Who of the present scheme takes part."""
    same_shards: bool
    """Whether workers go on with what they hold."""
    why: str
    gain: float
    """What it saves over the remaining iterations, by prediction."""
    cost: float
    """What handing out the data again takes, by prediction."""
    before: float
    """What an iteration took."""
    predicted: float
    """What one will take."""
    record: str
    """All that this depends on, as JSON."""


class Party(NamedTuple):
    """A scheme and who runs it."""

    options: dict[str, Any]
    """Of the configuration: scheme, sizes and options; None where the scheme decides."""
    ranks: list[int]

    def __str__(self) -> str:
        config = self.options
        sizes = [f"{name} {config[name]}" for name in SHOWN[1:] if config[name] is not None]
        return ", ".join([config["scheme"], *sizes, f"{len(self.ranks)} workers"])


@dataclass(kw_only=True)
class _Facts:
    """What plain values say of a change of scheme. Times in seconds."""

    iteration: int
    """The first with the new one."""
    stage: int
    why: str
    predicted_gain: float
    """Over the remaining iterations."""
    predicted_cost: float
    """Of handing out the data again."""
    replaced: float
    """What an iteration took before."""
    predicted: float
    """What one was predicted to take afterwards."""
    cost: float | None = None
    """What handing out the data took."""
    measured: float | None = None
    """What an iteration took afterwards, on average."""


@dataclass(kw_only=True)
class Adaptation(_Facts):
    """A change of scheme."""

    before: Party
    after: Party

    @property
    def line(self) -> str:
        """What is said of it."""
        return (
            f"from iteration {self.iteration} on: {self.after} in place of {self.before} "
            f"({self.why}): {self.predicted:.3g} s per iteration are predicted, "
            f"{self.replaced:.3g} s were measured"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {name: value for name, value in vars(self).items() if name not in PARTIES}
        for name, own in PARTIES.items():
            party: Party = getattr(self, name)
            plain[own] = {**party.options, "ranks": party.ranks}
        return plain

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Adaptation:
        """Read what `to_json` has written.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it is something else.
        """
        plain = dict(values)
        for name, own in PARTIES.items():
            options = dict(plain.pop(own))
            ranks = options.pop("ranks")
            if misfit(options, RunConfig) or options.keys() != set(NAMED):
                raise ValueError(options)
            if not ranks or not all(type(rank) is int and rank >= 1 for rank in ranks):
                raise ValueError(ranks)
            plain[name] = Party(options, list(ranks))
        found = cls(**plain)
        if misfit({name: each for name, each in plain.items() if name not in PARTIES}, _Facts):
            raise ValueError(plain)
        return found


PARTIES = {"before": "from", "after": "to"}
"""Names in JSON."""


def party(config: RunConfig, members: Sequence[int]) -> Party:
    """Return the scheme of a configuration, and the ranks of the peers that run it."""
    return Party({name: getattr(config, name) for name in NAMED}, [peer + 1 for peer in members])
