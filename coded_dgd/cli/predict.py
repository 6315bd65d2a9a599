"""``coded-dgd predict`` applies a trained model to rows."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from coded_dgd.cli import options
from coded_dgd.files import refuse_existing


@click.command(short_help="Predict with a trained model.")
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("data", metavar="DATA")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File to write, .csv or .npy.  [default: as .csv on standard output]",
)
@click.option("--proba", is_flag=True, help="Write the probability of each class instead.")
@options.of_model
@click.option("--force", is_flag=True, help="Replace the file of --out if it exists.")
def predict(
    model: Path,
    data: str,
    out: Path | None,
    proba: bool,
    objective: str | None,
    seed: int,
    force: bool,
    **reading: Any,
) -> None:
    """Write what MODEL predicts for each row of DATA.

    MODEL is the folder of a run, or the file model.npz in it. DATA are those of run --data, with or
    without labels, which are left out. Classes are named as in the training data; the scaling and
    the intercept of the training are part of the model. Rows are read and written by the window.
    """
    from coded_dgd.app import predicting

    if out is not None:
        predicting.check_suffix(out)
        if not force:
            refuse_existing(out)
    predictor, source = predicting.opened(model, objective, data, seed, reading, labelled=False)
    if out is None:
        predicting.write_text(predictor, source, partial(click.echo, nl=False), proba)
    else:
        predicting.write(predictor, source, out, proba)
