"""Estimators of scikit-learn that are trained by coded distributed gradient descent.

They need the extra ``sklearn``. No worker imports this package.
"""

from coded_dgd.errors import UsageError

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise UsageError(
        f"coded_dgd.estimators needs scikit-learn, which cannot be imported ({error}): "
        "pip install 'coded-dgd[sklearn]'"
    ) from error

from coded_dgd.estimators.classifier import CodedClassifier
from coded_dgd.estimators.logistic import CodedLogisticRegression
from coded_dgd.estimators.regressor import CodedRegressor
from coded_dgd.estimators.ridge import CodedRidge

__all__ = ["CodedClassifier", "CodedLogisticRegression", "CodedRegressor", "CodedRidge"]
