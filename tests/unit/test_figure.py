"""The style of all plots: what is drawn how, and that the same numbers give the same file."""

import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from coded_dgd.report import figure as plots
from coded_dgd.report.figure import COLOURS, DASHES, MARKERS, Panel, Series, can_draw, draw

X = np.arange(1.0, 6.0)


def axes_of(*series, **options):
    """The axes of a panel with these series."""
    axes = Figure().subplots()
    plots._draw_panel(axes, Panel("title", "x (s)", "y", series, **options))
    return axes


def lines(axes):
    """Label -> line that carries the points; error bars have lines of their own."""
    handles, labels = axes.get_legend_handles_labels()
    return {
        label: handle[0] if isinstance(handle, tuple) else handle
        for handle, label in zip(handles, labels, strict=True)
    }


def test_series_differ_in_colour_and_marker_and_dashes():
    series = [Series(f"series {k}", X, X + k) for k in range(8)]
    drawn = lines(axes_of(*series)).values()
    assert [line.get_color() for line in drawn] == list(COLOURS)
    assert [line.get_marker() for line in drawn] == list(MARKERS)
    assert len(set(map(str, DASHES))) == 8
    dashes = {str(line._dash_pattern) for line in drawn}
    assert len(dashes) == 8


def test_a_series_like_another_is_hollow_and_dashed_in_its_colour():
    formula = Series("formula", X, X, kind="line")
    sampled = Series("sampled", X, X, 0.1 * X, kind="points", like="formula")
    other = Series("other", X, 2 * X)
    variant = Series("variant", X, 3 * X, like="other")
    drawn = lines(axes_of(formula, sampled, other, variant))
    assert drawn["formula"].get_color() == drawn["sampled"].get_color() == COLOURS[0]
    assert (drawn["formula"].get_linestyle(), drawn["formula"].get_marker()) == ("-", "none")
    assert drawn["sampled"].get_linestyle().lower() == "none"
    assert drawn["other"].get_color() == drawn["variant"].get_color() == COLOURS[1]
    assert drawn["other"].get_linestyle() == "-"
    assert drawn["variant"].get_linestyle() == "--"
    assert drawn["variant"].get_markerfacecolor() == "white"


def test_points_on_a_line_share_its_entry_in_the_legend_and_dash_no_line():
    formulas = [Series(f"formula {k}", X, X + k, kind="line") for k in range(2)]
    sampled = [
        Series(f"sampled {k}", X, X + k, 0.1 * X, kind="points", like=f"formula {k}")
        for k in range(2)
    ]
    axes = axes_of(*formulas, *sampled)
    legend = axes.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["formula 0", "formula 1"]
    drawn = lines(axes)
    assert str(drawn["formula 1"]._dash_pattern) == str(
        lines(axes_of(*formulas))["formula 1"]._dash_pattern
    )
    assert drawn["sampled 1"].get_markerfacecolor() == "white"
    assert drawn["sampled 1"].get_color() == drawn["formula 1"].get_color() == COLOURS[1]


@pytest.mark.parametrize(
    ("x", "labels"),
    [((1, 40), ["1", "2", "5", "10", "20"]), ((0.05, 0.4), ["0.05", "0.1", "0.2"])],
)
def test_short_logarithmic_axes_have_plain_numbers(x, labels):
    axes = axes_of(Series("a", np.array(x), X[:2]), x_scale="log")
    axes.figure.draw_without_rendering()
    low, high = axes.get_xlim()
    ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    assert [label.get_text() for tick, label in ticks if low <= tick <= high] == labels
    assert not any(label.get_text() for label in axes.get_xticklabels(minor=True))


def test_long_logarithmic_axes_have_powers_of_ten():
    axes = axes_of(Series("a", np.array([1.0, 1e5]), X[:2]), x_scale="log")
    axes.figure.draw_without_rendering()
    assert all("10^" in label.get_text() for label in axes.get_xticklabels())


def test_standard_errors_are_bars_or_where_points_are_dense_a_band():
    few = axes_of(Series("few", X, X, 0.5 * X))
    (bars,) = few.containers
    segments = bars.lines[2][0].get_segments()
    np.testing.assert_allclose([high - low for (_, low), (_, high) in segments], X)
    x = np.linspace(1, 2, 200)
    many = axes_of(Series("many", x, x, 0.5 * x))
    assert not many.containers
    (band,) = many.collections
    extent = band.get_paths()[0].get_extents()
    assert (extent.y0, extent.y1) == pytest.approx((0.5, 3.0))


def test_what_is_below_the_axis_is_not_drawn():
    axes = axes_of(Series("a", X, 10.0**-X), y_scale="log", y_low=5e-4, note="1e-5 at x = 5")
    np.testing.assert_array_equal(lines(axes)["a"].get_xdata(), [1, 2, 3])
    assert axes.get_ylim()[0] == 5e-4
    assert [text.get_text() for text in axes.texts] == ["1e-5 at x = 5"]


def test_labels_and_scales():
    axes = axes_of(Series("a", X, X), x_scale="log")
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("title", "x (s)", "y")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a"]


def test_the_same_numbers_make_the_same_files(tmp_path):
    panels = [Panel(f"({letter})", "x", "y", [Series("a", X, X, X / 9)]) for letter in "ab"]
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        draw(panels, "title", [tmp_path / folder / name for name in ("plot.png", "plot.svg")])
    for name in ("plot.png", "plot.svg"):
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("first", "second"))
        assert first == second
        assert len(first) > 5000


def test_whether_there_is_matplotlib(monkeypatch):
    assert can_draw()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not can_draw()
