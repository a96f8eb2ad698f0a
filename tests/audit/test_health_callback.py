"""HealthCallback: what it sees, what that costs, and that it changes nothing."""

import time

import numpy as np

import backpass as bp
from backpass.audit import HealthCallback, health, watching
from tests.audit.sick import classifier, digits, only, relu_of_four
from tests.networks import problem


def trained(watched: bool, monkeypatch) -> tuple[np.ndarray, list]:
    X, y = digits()
    network, adam = classifier(64, 10, bp.ReLU), bp.Adam(0.003, weight_average=0.9)
    watch = HealthCallback(network, X, y, adam)
    monkeypatch.setattr(watching, "SHARE", np.inf)  # at every chance
    network.fit(X, y, optimizer=adam, epochs=6, batch_size=64, callbacks=[watch] if watched else [])
    return network.parameters.copy(), watch.looks


def test_looking_at_a_network_changes_no_bit_of_it(monkeypatch):
    watched, looks = trained(True, monkeypatch)
    alone, _ = trained(False, monkeypatch)
    assert len(looks) > 0
    np.testing.assert_array_equal(watched, alone)
    epoch, figures = looks[-1]
    assert 1 <= epoch <= 6
    assert 1e-5 < figures[0].update < 0.1


def test_looks_take_one_percent_of_the_time(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def examine(*arguments):
        clock[0] += 0.03
        return []

    monkeypatch.setattr(watching, "examine", examine)
    network, X, y = problem("softmax", 40)
    watch = HealthCallback(network, X, y)
    begun, spent = clock[0], []
    for tick in range(1, 2001):
        before = clock[0]
        watch.on_progress(tick / 2000, 10 * tick, 20000, 1.0)
        spent.append(clock[0] - before)
        if len(watch.looks) > 1:  # the cost of the first is not known before
            assert sum(spent) <= 0.01 * (clock[0] - begun)
        clock[0] += 0.01
    assert 5 <= len(watch.looks) <= 7  # 20 s
    assert sum(spent) <= 0.01 * (clock[0] - begun)


def test_the_end_says_what_was_seen_first_when():
    network = relu_of_four()
    network.layers[0].biases[:] = -9
    X = np.linspace(-1, 1, 20).reshape(-1, 1)
    watch = HealthCallback(network, X, np.zeros(20))
    figures = health(network, X, np.zeros(20)).figures
    watch.looks = [(4, []), (7, figures), (9, figures)]
    assert "first seen after epoch 7" in only(watch.health(), "dead-units").text
    network.layers[0].biases[:] = 9
    assert watch.health().findings == []
