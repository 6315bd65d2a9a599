"""An estimator for scikit-learn on eight workers, which the script starts itself.

python examples/estimator.py
"""

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import coded_dgd
from coded_dgd.estimators import CodedLogisticRegression

X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), random_state=0)
with coded_dgd.workers(8):
    model = CodedLogisticRegression(C=0.01).fit(X, y)
print(model.n_iter_, model.coef_.shape, f"{model.score(X_test, y_test):.3f}")
