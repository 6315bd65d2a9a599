"""``coded-dgd evaluate`` tells how well a trained model predicts labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from coded_dgd.cli import options


@click.command(short_help="Tell how well a trained model predicts labels.")
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("data", metavar="DATA")
@options.of_model
@options.configured("weights")
@options.as_json
def evaluate(
    model: Path,
    data: str,
    objective: str | None,
    seed: int,
    as_json: bool,
    **reading: Any,
) -> None:
    """Tell how well MODEL predicts the labels of DATA.

    MODEL is the folder of a run, or the file model.npz in it. DATA are those of run --data.
    Classifiers have accuracy, log loss and, for two classes, the area under the ROC curve (auc);
    others R^2, root mean squared and mean absolute error; poisson also the mean deviance. The loss
    is the mean over rows, without the ridge. Rows are read by the window.
    """
    from coded_dgd.app import predicting
    from coded_dgd.report import metrics

    predictor, source = predicting.opened(model, objective, data, seed, reading, labelled=True)
    found = predictor.metrics(source)
    if as_json:
        click.echo(json.dumps({"rows": source.rows, "features": source.features, **found}))
    else:
        click.echo("\n".join([source.describe(), *metrics.lines(found)]))
