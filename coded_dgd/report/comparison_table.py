"""The table that a person reads after a comparison."""

from __future__ import annotations

from coded_dgd.report.comparison import Description, Result, mean, ratio


def format_table(description: Description) -> str:
    """Format what a comparison has found for a person."""
    results = description.results
    kind = "measured" if description.parameters["transport"] == "mpi" else "simulated"
    percent = f"{description.confidence:.0%}"
    width = max(len("scheme"), *(len(result.summary.scheme) for result in results))
    job = description.job
    lines = [
        f"{'scheme':<{width}}{'r':>4}{'predicted':>11}{'ideal':>9}{kind:>11}{'+- ' + percent:>9}"
        f"{'/ ideal':>9}{'speed-up':>10}{percent + ' interval':>14}{'messages':>10}"
        f"{'decode ms':>11}{'error':>9}"
    ]
    lines += [_row(result, width) for result in results]
    lines += [
        "",
        f"seconds per iteration: predicted; ideal, in virtual time on the same delays; {kind}",
        f"speed-up: over {job.scheme}, in the same iterations",
        "messages: per iteration; decode: with the weights; error: the largest of a gradient",
        f"whole job: {job.wall_time:.2f} s = start-up {job.startup_time:.2f} + training "
        f"{description.training_time:.2f} + shutdown {job.shutdown_time:.3f} + rest",
        f"written to {description.out}",
    ]
    return "\n".join(lines)


def _row(result: Result, width: int) -> str:
    found, interval, speed_up = result.summary, result.completion_time_interval, result.speed_up
    measured, ideal = found.completion_time.mean, mean(found.ideal_completion_time)
    low, high = speed_up.interval or (None, None)
    error = None if found.gradient_error is None else found.gradient_error.max
    return (
        f"{found.scheme:<{width}}{found.load:>4}"
        f"{_number(found.expected_completion_time, 11)}"
        f"{_number(ideal, 9)}{measured:>11.4f}"
        f"{_number(interval and measured - interval[0], 9)}"
        f"{_number(ratio(measured, ideal), 9, '.3f')}"
        f"{_number(speed_up.measured, 10, '.2f')}"
        f"{f'{low:.2f}-{high:.2f}' if low else '-':>14}"
        f"{found.communication_load:>10.1f}"
        f"{1000 * (found.weights_time + found.decode_time):>11.3f}"
        f"{_number(error, 9, '.0e')}"
    )


def _number(value: float | None, width: int, how: str = ".4f") -> str:
    return f"{'-' if value is None else format(value, how):>{width}}"
