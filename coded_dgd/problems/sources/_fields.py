"""Functions that split a line into fields and explain why a field is not a number."""

from __future__ import annotations

import csv
import re
import reprlib

from coded_dgd.problems.sources._text import is_number

MISSING = {
    "?", "-", "--", ".", "na", "n/a", "nan", "<na>", "none", "null", "nil", "nat", "missing",
    "#n/a", "#value!", "#div/0!", "#ref!", "#name?", "#num!", "#null!",
}  # fmt: skip
"""Texts that stand for a missing value, in lower case."""

FILL = "drop the row or fill the value"
ENCODE = (
    "encode text as numbers, as pandas.get_dummies does, or leave the column out: name the others "
    "with --columns"
)

SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'", " ": "spaces"}
_QUOTED = re.compile('"[^"]*"')
_SVM = re.compile(r"\S+(\s+(qid|[0-9]+):\S+)+")
_DECIMAL_COMMA = re.compile(",(?=[0-9])")


def split(line: str) -> list[str]:
    """Return the fields of a line, without double quotes and surrounding blanks.

    Raises
    ------
    ValueError
        If the quotes do not match; the message has the cause and the remedy.
    """
    if '"' not in line:
        return [field.strip() for field in line.split(",")]
    try:
        (fields,) = csv.reader([line.strip()], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError) as error:
        if "unexpected end" in str(error):
            raise ValueError(
                "a field in double quotes goes on in the next line: write names and values "
                "without line breaks, each row on one line"
            ) from None
        raise ValueError(
            f"its double quotes do not match ({error}): quote whole fields, or none"
        ) from None
    return [field.strip() for field in fields]


def quote(text: str) -> str:
    """Return a text as a field of a line, in double quotes where it needs them.

    Raises
    ------
    ValueError
        If no field in one line has this text.
    """
    if text.strip() != text or len(text.splitlines()) != 1:
        raise ValueError(f"{reprlib.repr(text)} has blanks at an end, or line breaks")
    quoted = '"' + text.replace('"', '""') + '"'
    return quoted if text[0] == "#" or set(text) & {",", '"'} else text


def other_separator(line: str) -> str | None:
    """Return the name of the separator of a line if it is not the comma, else None."""
    bare = _QUOTED.sub('""', line).strip()
    for separator, title in SEPARATORS.items():
        fields = bare.split(separator) if separator != " " else bare.split()
        if len(fields) > 1 and (
            "," not in bare
            or all(is_number(_DECIMAL_COMMA.sub(".", field, count=1)) for field in fields)
        ):
            return title
    return None


def is_svm(line: str) -> bool:
    """Return whether a line has a label followed by entries with indices, as in svm files."""
    return "," not in line and _SVM.match(line) is not None


def kind(field: str) -> str:
    """Return the kind of a field: number, blank, missing or text."""
    if not field:
        return "blank"
    if is_number(field):
        return "number"
    return "missing" if field.lower() in MISSING else "text"


def why_no_number(field: str) -> str:
    """Return the reason why a field is not a number, and the remedy.

    Examples
    --------
    >>> why_no_number("NA")
    "'NA' stands for a missing value: drop the row or fill the value"
    """
    shown = reprlib.repr(field)
    if not field:
        return f"is blank, a missing value: {FILL}"
    if field.lower() in MISSING:
        return f"{shown} stands for a missing value: {FILL}"
    if re.fullmatch(r"[+-]?[\d., '_\u00a0\u202f]*\d[\d.,eE+-]*", field):
        return (
            f"{shown} is not a number: write a decimal point, and no commas, blanks or other signs "
            "between the digits"
        )
    if re.match("[+-]?0[xX]", field):
        return f"{shown} is not a number: write hexadecimal numbers in decimal"
    return f"{shown} is not a number: {ENCODE}"


def uncommented(line: str) -> str | None:
    """Return the text of a comment line, which begins with #; None for any other line.

    An error value of Excel, such as #N/A, is a missing value, not a comment.
    """
    text = line.strip()
    if not text.startswith("#") or text.partition(",")[0].lower() in MISSING:
        return None
    return text.lstrip("#").strip()
