"""The description of the parameters and attributes that all estimators have."""

from __future__ import annotations

from inspect import cleandoc

from coded_dgd.schemes import remedies

SAME = ("standardize", "scheme", "workers", "blocks", "load", "delay", "optimizer")
"""Parameters of estimators that are options of `train` of the same name."""
HEADING = "Parameters\n----------\n"
COMMON = """
fit_intercept : bool
    Whether the model has an intercept, to which the penalty does not apply. A model that is not
    linear in X needs False; it may have a bias of its own.
standardize : bool
    Whether each column is divided by its standard deviation while training, so that the penalty
    applies to coefficients of scaled columns. The model is handed back in the units of the data.
    With an intercept and dense X it is that of a pipeline with `StandardScaler`.
max_iter : int
    Largest number of iterations. With L-BFGS each trial of a line search is one.
tol : float
    The training stops once ||gradient|| <= tol ||gradient at the usual start||; 0 for never. The
    gradient is that of the sum over all rows with the penalty, and the usual start is zero for
    models that are linear in X, also with `warm_start`.
warm_start : bool
    Whether `fit` begins at the model of the earlier `fit`.
random_state : int, RandomState or None
    Seed of the run: of the start of some models, of random placements and of injected delays.
    None is the seed 0.
scheme : str
    Name of the scheme. The default, ``{scheme}``, serves every objective, returns exact gradients,
    and survives the loss of a worker; it waits for no second copy of a block that has arrived.
workers : int, optional
    Number of workers. By default those that are there under mpiexec and within `coded_dgd.workers`;
    else the number of cores, and 4 simulated ones.
blocks : int, optional
    Number of blocks that the rows are cut into; the scheme chooses by default.
load : int, optional
    Number of blocks that each worker holds. By default 2 for ``{scheme}``, so that the loss of any
    one worker is survived without a restart; other schemes have defaults of their own.
delay : str
    Injected delays, as of ``coded-dgd run --delay``.
optimizer : str
    Name of the optimizer. By default conjugate gradients for least squares and L-BFGS for other
    objectives, and momentum with schemes whose gradients are approximate.
transport : str
    ``mpi`` trains on real ranks: those of mpiexec if it has started the program, those of
    `coded_dgd.workers` within its block, and else new ones for each `fit`. ``simulated`` trains in
    this process in virtual time, without MPI.
verbose : bool
    Whether to print the progress of the run on stderr.
options : dict, optional
    Further options of `coded_dgd.train`, such as ``{"dtype": "float32"}``.

Attributes
----------
coef_ : array
    Coefficients in the shape of scikit-learn: (l,) for a regression, (1, l) for a logistic loss,
    (K, l) for K classes with coefficients each; all parameters of a model that is not linear in X.
intercept_ : float or array
    Intercepts: a number for a regression, else of shape (1,) or (K,).
n_iter_ : int
    Number of iterations done.
n_features_in_ : int
    Number of columns of X.
feature_names_in_ : (l,) array
    Names of the columns, if X was a frame whose columns have names.
model_ : coded_dgd.problems.model.Model
    The model as the folder of a run keeps it.
history_ : list
    One record for each iteration: completion time, gradient norm, number of messages, ...
summary_ : dict
    The object that ``coded-dgd run --json`` prints. ``summary_["converged"]`` tells whether `tol`
    was reached.
"""


def described(doc: str | None) -> str | None:
    """Return the docstring of an estimator with the parameters that all have after its own."""
    if doc is None or HEADING not in (doc := cleandoc(doc)):
        return doc
    own, *rest = doc.split("\n\nExamples\n")
    common = COMMON.replace("{scheme}", remedies.ANY_OBJECTIVE)
    return "\n\nExamples\n".join([own + common, *rest])
