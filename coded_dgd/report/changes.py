"""This module formats the advice on a change of scheme during a run, as text and as JSON."""

from __future__ import annotations

from typing import Any

from coded_dgd.planner.advice import Advice, PredictedIteration
from coded_dgd.planner.record import describe
from coded_dgd.report.columns import line, number

COLUMNS = ("iteration s", "workers", "error", "pace s", "once s")
WIDTHS = (40, *[13] * len(COLUMNS))
SHOWN = 12
"""Maximum number of alternatives that are shown."""


def format_advice(advice: Advice) -> str:
    """Format the predictions, the fastest first, and the decision."""
    now = advice.situation
    lines = [
        f"task times: {advice.present.judge.fitted.text}",
        f"{now.remaining} iterations remain; one took {now.seconds:.4g} s",
        "",
        line(["", *COLUMNS], WIDTHS),
        _row("now", advice.present),
    ]
    lines += [_row("", each) for each in advice.predictions[:SHOWN]]
    verdict = "changed" if advice.change else "not changed"
    doubt = "" if advice.certain else ", which is not certain"
    lines += [
        "",
        f"{verdict}: {_name(advice.best)} saves {advice.gain:.3g} s{doubt}, and handing out the "
        f"data takes {advice.cost:.3g} s ({advice.why})",
    ]
    return "\n".join(lines)


def to_json(advice: Advice) -> dict[str, Any]:
    """Return the advice as plain values that JSON can hold; times are in seconds."""
    return {
        "change": advice.change,
        "why": advice.why,
        "predicted_gain": advice.gain,
        "predicted_cost": advice.cost,
        "certain": advice.certain,
        "present": _describe(advice.present),
        "choice": _describe(advice.best),
        "candidates": [_describe(each) for each in advice.predictions],
        "adaptation": advice.situation.to_json(),
    }


def _describe(prediction: PredictedIteration) -> dict[str, Any]:
    ranks = [worker + 1 for worker in prediction.workers]
    found = describe(prediction.entry)
    del found["job_time"], found["iterations"]
    return {**found, "workers": ranks, "gradient_error": prediction.error}


def _row(name: str, prediction: PredictedIteration) -> str:
    once = prediction.entry.once
    assert once is not None
    values = (
        prediction.seconds,
        len(prediction.workers),
        prediction.error,
        prediction.pace,
        once.total,
    )
    label = f"{name:<5}{_name(prediction)}"
    return line([label, *(number(value, ".4g") for value in values)], WIDTHS)


def _name(prediction: PredictedIteration) -> str:
    return prediction.entry.candidate.arguments.removeprefix("--scheme ").replace("--", "")
