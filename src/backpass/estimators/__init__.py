"""scikit-learn's two MLP estimators, trained and asked through the engine: `MLPClassifier` and `MLPRegressor`.

In the order of the data: `parameters` -> `recipe`, `tasks` (what the parameters ask for) -> `kept` (networks made of
it) -> `epochs`, with `penalty` and `adam` (how they are trained) -> `networks` (what they are asked) -> `validation`
(early stopping) -> `mlp`, `callbacks` (a fit) -> `classifier`, with `several` and `grouped` for several columns of
classes, and `regressor`.
"""

from backpass.estimators.classifier import MLPClassifier
from backpass.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
