"""An attacker learns what can be known, and nothing else."""

import numpy as np

from semwave.evaluation.privacy import probe


def test_the_probe_picks_what_it_can_know_and_nothing_else():
    random = np.random.default_rng(0)
    mixing = random.standard_normal((20, 60))

    def photos(count):
        made = []
        for _ in range(count):
            eyes, rest = random.standard_normal(20), random.standard_normal(30)
            known = eyes @ mixing + 0.1 * random.standard_normal(60)
            made.append({probe.TRUTH: eyes, "all of it": known, "nothing of it": rest})
        return made

    rates = probe.pick_rates(photos(200), photos(100))
    assert rates["all of it"][0] > 0.9
    assert rates["nothing of it"][0] < 0.1 and rates["nothing of it"][1] < 0.3


def test_of_fewer_than_two_photos_nothing_is_learnt():
    photo = {probe.TRUTH: np.ones(3), "a view": np.ones(4)}
    for train, test in (([], [photo]), ([photo], [photo]), ([photo, photo], [])):
        assert probe.pick_rates(train, test) == {}
