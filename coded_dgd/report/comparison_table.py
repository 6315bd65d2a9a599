"""The table that a person reads after a comparison."""

from __future__ import annotations

from typing import Any

from coded_dgd.report.comparison import ratio


def format_table(description: dict[str, Any]) -> str:
    """Format the object of `describe` for a person."""
    results = description["results"]
    kind = "measured" if description["parameters"]["transport"] == "mpi" else "simulated"
    percent = f"{description['confidence']:.0%}"
    width = max(len("scheme"), *(len(result["scheme"]) for result in results))
    lines = [
        f"{'scheme':<{width}}{'r':>4}{'predicted':>11}{'ideal':>9}{kind:>11}{'+- ' + percent:>9}"
        f"{'/ ideal':>9}{'speed-up':>10}{percent + ' interval':>14}{'messages':>10}"
        f"{'decode ms':>11}{'error':>9}"
    ]
    lines += [_row(result, width) for result in results]
    lines += [
        "",
        f"seconds per iteration: predicted; ideal, in virtual time on the same delays; {kind}",
        f"speed-up: over {results[0]['scheme']}, in the same iterations",
        "messages: per iteration; decode: with the weights; error: the largest of a gradient",
    ]
    parts = [description[f"{part}_time"] for part in ("startup", "training", "shutdown")]
    lines.append(
        "whole job: {:.2f} s = start-up {:.2f} + training {:.2f} + shutdown {:.3f} + rest".format(
            description["wall_time"], *parts
        )
    )
    lines.append(f"written to {description['out']}")
    return "\n".join(lines)


def _row(result: dict[str, Any], width: int) -> str:
    measured, ideal = result["completion_time"]["mean"], result["ideal_completion_time"]
    interval, speed_up = result["completion_time_interval"], result["speed_up"]
    low, high = speed_up["interval"] or (None, None)
    error = result["gradient_error"]
    return (
        f"{result['scheme']:<{width}}{result['load']:>4}"
        f"{_number(result['expected_completion_time'], 11)}"
        f"{_number(ideal and ideal['mean'], 9)}{measured:>11.4f}"
        f"{_number(interval and measured - interval[0], 9)}"
        f"{_number(ratio(measured, ideal and ideal['mean']), 9, '.3f')}"
        f"{_number(speed_up['measured'], 10, '.2f')}"
        f"{f'{low:.2f}-{high:.2f}' if low else '-':>14}"
        f"{result['communication_load']:>10.1f}"
        f"{1000 * (result['weights_time'] + result['decode_time']):>11.3f}"
        f"{_number(error and error['max'], 9, '.0e')}"
    )


def _number(value: float | None, width: int, how: str = ".4f") -> str:
    return f"{'-' if value is None else format(value, how):>{width}}"
