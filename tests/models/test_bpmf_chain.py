"""What a sweep draws of a prior and of the weights that shift it, beside what they were made from."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import chi2, kstest

from shelfaware.arrays import Floats
from shelfaware.models import features
from shelfaware.models.bpmf_chain import draw_expected
from shelfaware.models.features import Features
from shelfaware.models.gibbs import Prior

ROWS, COLUMNS, PRECISION, SCATTER = 5, 8, 0.5, np.array([0.5])


@pytest.fixture(scope="module")
def scores() -> dict[str, Floats]:
    """Of 1,000 worlds made from the prior and drawn anew given their vectors: what chi^2 says of the draws, uniform if right.

    What was made and what is drawn have one distribution, whatever is measured of it (Geweke 2004).
    """
    rng = np.random.default_rng(0)
    shape = Features.of(csr_array(rng.binomial(1, 0.6, (ROWS, COLUMNS)).astype(float)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "PRECISIONS", np.array([PRECISION]))
        found = [_scores(shape, *_made_and_drawn(shape, rng)) for _ in range(1000)]
    return {name: np.array([one[name] for one in found]) for name in found[0]}


def _made_and_drawn(shape: Features, rng: np.random.Generator) -> tuple[Floats, Prior, Floats]:
    deviation = np.sqrt(SCATTER[0] / rng.chisquare(3))
    mean = rng.normal(0, deviation)
    weights = rng.normal(0, deviation / np.sqrt(PRECISION), (COLUMNS, 1))
    vectors = mean + shape.means(weights) + rng.normal(0, deviation, (ROWS, 1))
    return vectors, *draw_expected(shape, vectors, Prior(np.array([mean]), np.array([[deviation]])), SCATTER, rng)


def _scores(shape: Features, vectors: Floats, prior: Prior, weights: Floats) -> dict[str, float]:
    variance = prior.root[0, 0] ** 2
    left = vectors - prior.mean - shape.means(weights)
    return {
        "of vectors": float(chi2.cdf(np.sum(left**2) / variance, ROWS)),
        "of weights": float(chi2.cdf(PRECISION * np.sum(weights**2) / variance, COLUMNS)),
        "of the mean": float(chi2.cdf(prior.mean[0] ** 2 / variance, 1)),
        "of Sigma": float(chi2.sf(SCATTER[0] / variance, 3)),
    }


@pytest.mark.parametrize("name", ["of vectors", "of weights", "of the mean", "of Sigma"])
def test_a_sweep_leaves_the_distribution_as_it_is(scores: dict[str, Floats], name: str) -> None:
    assert kstest(scores[name], "uniform").pvalue > 0.001
