"""Types a skops file may hold beyond skops' own defaults.

Fitted scikit-learn estimators, every one of which was dumped for this list, hold these and few others. Rebuilding one
from an archive sets arrays or plain attributes and calls nothing that the archive names; what a file says it needs is
compared with this list and never taken for it. It keeps code out, not nonsense: a forged tree can still crash or
mislead the process that predicts with it, which is why a package is verified by digest.
"""

TRUSTED = frozenset(
    {
        "numpy.dtype",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
    }
)
