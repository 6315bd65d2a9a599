"""Whether a table has a header and which column is its label: tables of what is decided."""

import pytest

from coded_dgd.errors import DataError, UsageError
from coded_dgd.problems.sources._columns import Columns
from coded_dgd.problems.sources._fields import kind, other_separator, split, why_no_number
from coded_dgd.problems.sources._header import find_header, may_count
from coded_dgd.problems.sources._label import find_columns
from coded_dgd.reading import Reading

NUMBERS, WHOLE = "0.5,1.5,2.5", "4,5,6"

# first line, second line, comment before, --header: names, and whether they are the first line
DECIDED = [
    ("a,b,c", NUMBERS, None, "auto", "a,b,c", True),
    ("a,,c", NUMBERS, None, "auto", "a,,c", True),
    ("a,NA,c", NUMBERS, None, "auto", "a,NA,c", True),
    (NUMBERS, NUMBERS, None, "auto", None, False),
    ("1.5,,2", NUMBERS, None, "auto", None, False),
    (",,", NUMBERS, None, "auto", None, False),
    ("NA,NA,NA", NUMBERS, None, "auto", None, False),
    ("1,2", WHOLE, None, "auto", None, False),
    ("1,2,3", WHOLE, None, "auto", None, False),
    ("1,2,3", "", None, "auto", None, False),
    ("3,2,1", NUMBERS, None, "auto", None, False),
    ("0,1,3", NUMBERS, None, "auto", None, False),
    ("0.0,1.0,2.0", NUMBERS, None, "auto", None, False),
    ("0,1,2", NUMBERS, None, "yes", "0,1,2", True),
    ("0,1,2", NUMBERS, None, "no", None, False),
    ("a,b,c", NUMBERS, None, "no", None, False),
    ("1,x,3", NUMBERS, None, "yes", "1,x,3", True),
    ("1,x,3", NUMBERS, None, "no", None, False),
    (NUMBERS, NUMBERS, None, "yes", NUMBERS, True),
    (NUMBERS, NUMBERS, "a,b,c", "auto", "a,b,c", False),
    (NUMBERS, NUMBERS, "a,b,c", "yes", "a,b,c", False),
    (NUMBERS, NUMBERS, "a,b,c", "no", None, False),
    ("0,1,2", NUMBERS, "a,b,c", "auto", "a,b,c", False),
    (NUMBERS, NUMBERS, "made on a Monday", "auto", None, False),
    (NUMBERS, NUMBERS, "1,2,3", "auto", None, False),
    ("a,b,c", NUMBERS, "d,e,f", "auto", "a,b,c", True),
]


def fields(text):
    return split(text) if text else []


@pytest.mark.parametrize(("first", "second", "comment", "header", "names", "in_first"), DECIDED)
def test_what_names_the_columns(first, second, comment, header, names, in_first):
    said = None if comment is None else fields(comment)
    found = find_header(fields(first), fields(second), said, header, "here")
    assert found.names == (None if names is None else tuple(fields(names)))
    assert found.in_first_line == in_first


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("0,1", WHOLE),
        ("0,1,2", WHOLE),
        ("0,1,2", ""),
        ('"0","1","2"', NUMBERS),
        (",0", NUMBERS),
        (",0,1,2", NUMBERS),
        ("1,2,3", NUMBERS),
        ("1,2,3,4,5,6", WHOLE),
        ("2001,2002,2003", NUMBERS),
        (",1,2,3", NUMBERS),
        ("0,1,2,price", NUMBERS),
        ("5.1,3.5,setosa", NUMBERS),
    ],
)
def test_a_first_line_that_may_be_either_names_the_option(first, second):
    with pytest.raises(DataError, match=r"^here: .*add --header yes if"):
        find_header(fields(first), fields(second), None, "auto", "here")
    for header in "yes", "no":
        find_header(fields(first), fields(second), None, header, "here")


# header, --label: place of the label
LABELS = [
    ("a,b,c", None, 2),
    ("a,b,c", "a", 0),
    ("a,b,c", " b ", 1),
    ("a,b,c", "1", 0),
    ("a,b,c", "+3", 2),
    ("a,b,c", "-1", 2),
    ("a,b,c", "-3", 0),
    ("3,2,1", "3", 0),  # a name comes before a number
    ("3,2,1", "-3", 0),
    ("a,a,b", "2", 1),
    ("x,y,label", None, 2),
    ("x,y,z", None, 2),
    ("a,y", None, 1),
    ("label", None, 0),
    ("y,a,target", "y", 0),
    (None, None, 2),
    (None, "1", 0),
    (None, "-2", 1),
]


@pytest.mark.parametrize(("header", "label", "place"), LABELS)
def test_which_column_is_the_label(header, label, place):
    names = None if header is None else tuple(split(header))
    width = 3 if names is None else len(names)
    assert find_columns(width, names, Reading(label=label), "here").label == place


@pytest.mark.parametrize(
    ("header", "label", "message"),
    [
        ("a,b,c", "d", r"no column is called 'd'.*there are: 'a', 'b', 'c'.*from 1 to 3"),
        ("price,b", "Price", r"no column is called 'Price' \(did you mean 'price'\?\)"),
        ("a,b,c", "0", "columns count from 1 to 3, or from the end from -1 to -3"),
        ("a,b,c", "4", "columns count from 1 to 3"),
        ("a,b,c", "-4", "columns count from 1 to 3"),
        ("a,a,b", "a", r"2 columns are called 'a': give --label the number of one .*\(1, 2\)"),
        (None, "a", "has no names of columns, .* give the number of the column, from 1 to 3"),
        (None, "1.5", "has no names of columns"),
        (None, "", "has no names of columns"),
        ("label,a,b", None, "column 1 is called 'label' .*--label label if .*--label b if"),
        ("Target,a,b", None, "--label Target if .*--label b if"),
        ("y,a,b", None, "--label y if"),
        ("CLASS,a,b", None, "--label CLASS if"),
        ("label,x,y", None, "--label label if .*--label y if"),
        ("a,target,b", None, "column 2 is called 'target' .*--label target if"),
        ("label,label,b", None, "--label 1 if"),
        ("label,a,a", None, "--label label if .*--label -1 if"),
        ("y,a,the last one", None, "--label y if .*--label 'the last one' if"),
        (",a,b", None, "first column has no name.*index=False.*add --header yes"),
        (",a,b", "b", "first column has no name"),
        ("Unnamed: 0,a,b", None, "first column has no name"),
        (",label,b", None, "first column has no name"),
    ],
)
def test_a_doubtful_or_missing_label_is_refused(header, label, message):
    names = None if header is None else tuple(split(header))
    with pytest.raises(DataError, match=f"^here.*{message}"):
        find_columns(3 if names is None else len(names), names, Reading(label=label), "here")


def test_the_option_settles_the_doubt():
    names = ("", "a", "b")
    assert find_columns(3, names, Reading(header="yes"), "here").label == 2
    assert find_columns(3, names, Reading(label="1"), "here").label == 0
    assert find_columns(3, ("label", "a", "b"), Reading(label="-1"), "here").label == 2
    with pytest.raises(DataError, match=r"column 2 is called 'label'.*--label label"):
        find_columns(3, ("", "label", "b"), Reading(header="yes"), "here")


@pytest.mark.parametrize(
    ("first", "columns", "reading", "may"),
    [
        ("0,5,6", Columns(3, 2), Reading(), True),
        ("1,0.5,6", Columns(3, 2), Reading(), True),
        ("1,5,6", Columns(3, 2), Reading(), False),
        ("0.0,5,6", Columns(3, 2), Reading(), False),
        ("2,0.5,6", Columns(3, 2), Reading(), False),
        ("0,5", Columns(2, 1), Reading(), False),
        ("0,5,6", Columns(3, 0), Reading(label="1"), False),
        ("0,5,6", Columns(3, 2, ("a", "b", "c")), Reading(), False),
        ("0,5,6", Columns(3, 2), Reading(header="no"), False),
    ],
)
def test_a_first_column_that_may_be_an_index(first, columns, reading, may):
    assert may_count(split(first), columns, reading) == may


@pytest.mark.parametrize(
    ("field", "wanted"),
    [("1", "number"), ("+1e-3", "number"), ("nan", "number"), ("", "blank"), ("NA", "missing"),
     ("?", "missing"), ("#N/A", "missing"), ("red", "text"), ("1_0", "text"), ("0x10", "text")],
)  # fmt: skip
def test_kinds_of_fields(field, wanted):
    assert kind(field) == wanted


@pytest.mark.parametrize(
    ("field", "cause"),
    [
        ("", "is blank, a missing value: drop the row or fill the value"),
        ("N/A", "'N/A' stands for a missing value: drop"),
        ("1,5", "'1,5' is not a number: write a decimal point"),
        ("1,234.5", "'1,234.5' is not a number: write a decimal point"),
        ("1 234", "'1 234' is not a number: write a decimal point"),
        ("-1_0", "'-1_0' is not a number: write a decimal point"),
        ("0x1p3", "'0x1p3' is not a number: write hexadecimal numbers in decimal"),
        ("red", "'red' is not a number: encode text"),
        ("12%", "'12%' is not a number: encode text"),
    ],
)
def test_why_a_field_is_no_number(field, cause):
    assert why_no_number(field).startswith(cause)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("1,2,3", None),
        ("1, 2, 3", None),
        ("1,\t2", None),
        ("a b,c d", None),
        ('"a;b",c', None),
        ("a", None),
        ("a;b;c", "';'"),
        ("1,5;2,5", "';'"),
        ('"x, y";z', "';'"),
        ("a\tb", "tabs"),
        ("1,5\t2", "tabs"),
        ("a|b", "'|'"),
        ("1 2 3\n", "spaces"),
        ("1.0   -2.0", "spaces"),
        ("1,5 2,5", "spaces"),
    ],
)
def test_what_separates_columns(line, wanted):
    assert other_separator(line) == wanted


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("1, 2 ,3\n", ["1", "2", "3"]),
        ('"1","2"\n', ["1", "2"]),
        ('"a, b", "c ""d"""', ["a, b", 'c "d"']),
        ('5" disk,"x"', ['5" disk', "x"]),
    ],
)
def test_fields_of_a_line(line, wanted):
    assert split(line) == wanted


@pytest.mark.parametrize(
    ("line", "message"),
    [('"a\n', "goes on in the next line"), ('1,"a', "goes on"), ('"a"b,c', "quotes do not match")],
)
def test_quotes_that_do_not_match(line, message):
    with pytest.raises(ValueError, match=message):
        split(line)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header": "maybe"}, "--header: give one of auto, yes, no"),
        ({"format": "xls"}, "--format: give one of csv, svm"),
        ({"features": 0}, "--features has to be from 1 to 2147483647"),
        ({"features": 2**31}, "--features has to be"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        Reading(**options)
