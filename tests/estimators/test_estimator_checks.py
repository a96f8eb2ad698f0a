"""scikit-learn's own checks of an estimator, all of them."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("pandas")  # some checks skip themselves without it

CHECKS = """
import json, warnings
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import check_estimator
import backpass as bp
found = {}
for estimator in (bp.MLPClassifier(max_iter=100), bp.MLPRegressor(max_iter=100)):
    for each in check_estimator(estimator, on_fail=None, on_skip=None):
        found.setdefault(type(estimator).__name__, []).append((each["check_name"], each["status"]))
print(json.dumps(found))
"""
NO_DECISION_FUNCTION = "check_classifiers_multilabel_output_format_decision_function"  # MLPClassifier has none


@pytest.mark.parametrize("array_api", [False, True])
def test_every_check_of_scikit_learn_passes_or_is_known_to_be_skipped(array_api):
    environment = {name: value for name, value in os.environ.items() if name != "SCIPY_ARRAY_API"}
    if array_api:
        environment["SCIPY_ARRAY_API"] = "1"
    finished = subprocess.run(
        [sys.executable, "-c", CHECKS], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(finished.stdout.splitlines()[-1])
    assert len(found["MLPClassifier"]) >= 67
    assert len(found["MLPRegressor"]) >= 60
    others = {(kind, name, status) for kind, each in found.items() for name, status in each if status != "passed"}
    skipped = {("MLPClassifier", NO_DECISION_FUNCTION, "skipped")}
    if not array_api:
        skipped |= {(kind, "check_array_api_input", "skipped") for kind in found}
    assert others == skipped
