"""scikit-learn's two MLP estimators, trained and asked through the engine: `MLPClassifier` and `MLPRegressor`."""

from backpass.estimators.classifier import MLPClassifier
from backpass.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
