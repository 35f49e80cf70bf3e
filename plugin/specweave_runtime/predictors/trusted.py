"""Types a skops file may hold beyond skops' own defaults.

Fitted scikit-learn estimators, every one of which was dumped for this list, hold these and few others. Each was read:
rebuilding it from an archive sets arrays or plain attributes and calls nothing that the archive chooses. What a file
says it needs is compared with this list and never taken for it.
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
