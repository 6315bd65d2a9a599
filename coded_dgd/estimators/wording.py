"""Messages of a training name the parameters of estimators, not the options of the command line."""

from __future__ import annotations

import re

from coded_dgd.estimators._parameters import SAME

PHRASES = {
    "more --iterations": "a larger max_iter",
    "leave start out": "set warm_start=False",
}
"""Words of messages that no renaming of an option makes into those of an estimator."""
NAMES = {
    "iterations": "max_iter",
    "seed": "random_state",
    "start": "warm_start",
    "stop_at": "tol",
    "intercept": "fit_intercept",
}
"""Parameters by options of another name; that of the penalty depends on the estimator."""
SWITCHES = ("standardize", "intercept")
"""Options that take no value on the command line."""
OPTION = re.compile(r"(with )?--([a-z][a-z-]*)(?: ((?:\d[\w.+-]*)?\d|auto\b))?")
"""An option, maybe after a word that needs a value, and its value if that is a number or auto."""
ARGUMENT = re.compile(r"^(?:train: )?([a-z_]+)(?= has to be|:)")
"""The argument of `train` with which a message begins."""


def in_parameters(message: str, penalty: str) -> str:
    """Return the message of an error or a warning in the words of an estimator.

    Parameters
    ----------
    penalty : str
        What stands for the factor of the penalty.

    Examples
    --------
    >>> in_parameters("add --standardize, or use more --iterations", "alpha")
    'add standardize=True, or use a larger max_iter'
    >>> in_parameters("choose --load 2 or more and a larger --ridge", "1/C")
    'choose load=2 or more and a larger 1/C'
    >>> in_parameters("run with --seed 3, and name another folder with --out", "alpha")
    "run with random_state=3, and name another folder with options={'out': ...}"
    >>> in_parameters("use --step-size auto, or a smaller --step-size", "alpha")
    "use options={'step_size': 'auto'}, or a smaller options['step_size']"
    """
    same = {name: name for name in (*SAME, "objective", "transport")}
    names = {**same, **NAMES, "ridge": penalty}

    def renamed(found: re.Match[str]) -> str:
        before, option = found[1] or "", found[2].replace("-", "_")
        value = "True" if option in SWITCHES else found[3] or ("..." if before else "")
        value = value.replace("auto", "'auto'")
        if option in names:
            return f"{before}{names[option]}{value and '='}{value}"
        return f"{before}options" + (f"={{{option!r}: {value}}}" if value else f"[{option!r}]")

    for words, instead in PHRASES.items():
        message = message.replace(words, instead)
    message = OPTION.sub(renamed, message)
    return ARGUMENT.sub(lambda found: names.get(found[1], found[1]), message)
