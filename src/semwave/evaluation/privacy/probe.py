"""An attacker: a probe that learns to tell the eyes of a photo from what it sees of it, and then picks the true ones.

    what is seen -> kernel ridge regression -> principal components of the eyes' pixels -> the most similar of all eyes

It is linear in what it sees, and its regularisation is chosen by leaving out one training photo at a time, so nothing
is tuned on the photos that it is tried on.
"""

import numpy as np

TRUTH = "eyes"
COMPONENTS = 48
FIRST = 10
RIDGES = np.logspace(-4, 3, 15)


def pick_rates(train: list[dict[str, np.ndarray]], test: list[dict[str, np.ndarray]]) -> dict[str, tuple[float, float]]:
    """For every view of the photos, how often the true eyes come first, and among the first ten, of all in ``test``.

    A photo is a dictionary of views, vectors each, and its ``TRUTH``. Chance is 1 / N and 10 / N for N test photos.
    Nothing is picked where there are no test photos, or fewer than two to learn differences from.
    """
    if len(train) < 2 or not test:
        return {}
    centre = np.mean([photo[TRUTH] for photo in train], 0)
    _, values, axes = np.linalg.svd(np.stack([photo[TRUTH] - centre for photo in train]), full_matrices=False)
    kept = values[:COMPONENTS] > 1e-3 * values[0]
    # Whitened, so that the light on a face does not decide alone.
    whiten = (axes[:COMPONENTS][kept] / values[:COMPONENTS][kept, None]).T * len(train) ** 0.5
    known, sought = ((np.stack([photo[TRUTH] for photo in photos]) - centre) @ whiten for photos in (train, test))
    rates = {}
    for view in train[0]:
        if view == TRUTH:
            continue
        seen, tried = (np.stack([photo[view] for photo in photos]) for photos in (train, test))
        guessed = _predicted(seen, tried, known)
        similar = _unit(guessed) @ _unit(sought).T
        rank = (similar > similar.diagonal()[:, None]).sum(1)
        rates[view] = float((rank == 0).mean()), float((rank < FIRST).mean())
    return rates


def _predicted(seen: np.ndarray, tried: np.ndarray, known: np.ndarray) -> np.ndarray:
    """What kernel ridge regression from ``seen`` (N, D) to ``known`` (N, C) says of ``tried`` (M, D)."""
    mean, deviation = seen.mean(0), seen.std(0) + 1e-3
    seen, tried = (seen - mean) / deviation, (tried - mean) / deviation
    values, vectors = np.linalg.eigh(seen @ seen.T / seen.shape[1])
    rotated = vectors.T @ known
    best, weights = np.inf, np.zeros_like(known)
    for ridge in RIDGES * max(values[-1], 1e-6) / 100:
        candidate = vectors @ (rotated / (np.maximum(values, 0) + ridge)[:, None])
        # Leaving one out in closed form: its error is its weight over the diagonal of the inverse kernel.
        inverse = (vectors**2 / (np.maximum(values, 0) + ridge)).sum(1)
        error = np.square(candidate / inverse[:, None]).mean()
        if error < best:
            best, weights = error, candidate
    return tried @ seen.T / seen.shape[1] @ weights


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
