"""This module formats the table that is printed after a comparison."""

from __future__ import annotations

from coded_dgd.report.columns import line, number
from coded_dgd.report.comparison import Description, SchemeResult, mean, ratio

WIDTHS = (4, 11, 9, 11, 9, 9, 10, 14, 10, 11, 9)
"""Width of each column after the first, in characters."""


def format_table(description: Description) -> str:
    """Format the results of a comparison as a table with explanations below it."""
    results, kind = description.results, clock(description)
    percent = f"{description.confidence:.0%}"
    widths = [first_width(description), *WIDTHS]
    head = ["scheme", "r", "predicted", "ideal", kind, f"+- {percent}", "/ ideal", "speed-up"]
    head += [f"{percent} interval", "messages", "decode ms", "error"]
    lines = [line(each, widths) for each in (head, *map(_cells, results))]
    lines += [
        "",
        f"seconds per iteration: predicted; ideal, in virtual time on the same delays; {kind}",
        f"speed-up: over {results[0].name}, in the same iterations",
        "messages: per iteration; decode: with the weights; error: the largest of a gradient",
        *footer(description),
    ]
    return "\n".join(lines)


def clock(description: Description) -> str:
    """Return what kind of seconds the times are."""
    return "measured" if description.parameters["transport"] == "mpi" else "simulated"


def first_width(description: Description) -> int:
    """Return the width of the column of names, in characters."""
    return max(len("scheme"), *(len(each.name) for each in description.results))


def footer(description: Description) -> list[str]:
    """Return the lines below a table that tell of the whole job."""
    job = description.job
    return [
        f"whole job: {job.wall_time:.2f} s = start-up {job.startup_time:.2f} + training "
        f"{description.training_time:.2f} + shutdown {job.shutdown_time:.3f} + rest",
        f"written to {description.out}",
    ]


def _cells(result: SchemeResult) -> list[str]:
    """Return the cells of the row of one scheme."""
    found, interval, speed_up = result.summary, result.completion_time_interval, result.speed_up
    measured, ideal = found.completion_time.mean, mean(found.ideal_completion_time)
    low, high = speed_up.interval or (None, None)
    error = None if found.gradient_error is None else found.gradient_error.max
    return [
        result.name,
        str(found.load),
        number(found.expected_completion_time),
        number(ideal),
        number(measured),
        number(interval and measured - interval[0]),
        number(ratio(measured, ideal), ".3f"),
        number(speed_up.measured, ".2f"),
        f"{low:.2f}-{high:.2f}" if low else "-",
        number(found.communication_load, ".1f"),
        number(1000 * (found.weights_time + found.decode_time), ".3f"),
        number(error, ".0e"),
    ]
