"""This module formats the table that is printed after a comparison with a target."""

from __future__ import annotations

from coded_dgd.report.columns import line, number
from coded_dgd.report.comparison import Description, SchemeResult
from coded_dgd.report.comparison_table import clock, first_width, footer

WIDTHS = (4, 13, 10, 12, 10, 10, 13, 11)
"""Width of each column after the first, in characters."""
NOT_REACHED = "not reached"


def format_table(description: Description, target: float) -> str:
    """Format times to the target as a table with explanations below it."""
    kind = clock(description)
    widths = [first_width(description), *WIDTHS]
    head = ["scheme", "r", "seconds", "ideal", "iterations", "messages", "speed-up"]
    head += ["s/iteration", "gradient"]
    first = description.results[0]
    return "\n".join(
        [
            *(line(each, widths) for each in (head, *map(_cells, description.results))),
            "",
            f"until ||gradient|| <= {target:g} ||first gradient||; gradient: how far it came",
            f"seconds ({kind}), iterations and messages used: in all, up to the target",
            "ideal: seconds in virtual time on the same delays; s/iteration: until decodable",
            f"speed-up: over {first.name}"
            + ("" if first.summary.converged else f", and unknown as that has {NOT_REACHED} it"),
            *footer(description),
        ]
    )


def _cells(result: SchemeResult) -> list[str]:
    """Return the cells of the row of one contender."""
    found, summary = result.to_target, result.summary
    assert found is not None
    return [
        result.name,
        str(summary.load),
        number(found.seconds, ".3f") if found.reached else NOT_REACHED,
        number(found.ideal_seconds, ".3f"),
        number(found.iterations, "d") if found.reached else f">{summary.iterations}",
        number(found.messages, "d"),
        number(result.speed_up.measured, ".2f"),
        number(summary.completion_time.mean),
        number(summary.gradient_norm_ratio, ".1e"),
    ]
