"""What shelfaware stands beside, in an environment of its own (`benchmarks/environment`): one JSON object on stdout.

    rivals.py keras ARRAYS EPOCHS     the notebook's network, by KERAS_BACKEND: {"seconds": per epoch, "loss": per epoch}
    rivals.py surprise ARRAYS SEED    SVD and SVD++: {name: {"mse", "seconds"}}
    rivals.py myfm ARRAYS SEED RANK   Bayesian matrix factorisation: {name: {"mse", "seconds"}}
    rivals.py rankers ARRAYS OUT      iALS, BPR and ELSA: vectors of users and books into the .npz OUT; {name: {"seconds"}}
    rivals.py versions

ARRAYS is an .npz of a split: `train` and `test` [n, 3] of user, book, stars, sorted by book, then user; `shape`; `scale`;
for rankers `train` [n, 3] of user, book and how much the user took to the book, sorted by user, then book.
Stars are clipped to `scale`, the least and the most, before they are judged, as ours are.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np

PACKAGES = ("numpy", "keras", "tensorflow_cpu", "jax", "scikit-surprise", "myfm", "implicit")


def keras(path: str, epochs: str) -> dict[str, list[float]]:
    """The last fifth of the rows is validation, scored after each epoch, as in the notebook and in ours."""
    from keras import Model, layers
    from keras.callbacks import LambdaCallback

    arrays = np.load(path)
    inputs = [layers.Input((1,), dtype="int32") for _ in range(2)]
    vectors = [layers.Embedding(int(n), 99)(index) for n, index in zip(arrays["shape"], inputs, strict=True)]
    hidden = layers.Dense(1, activation="relu")(layers.Flatten()(layers.Dropout(0.2)(layers.multiply(vectors))))
    model = Model(inputs, layers.Dense(1)(hidden))
    model.compile(loss="mean_squared_error", optimizer="adam", metrics=["mean_squared_error", "mae"])
    times: list[float] = []
    clock = LambdaCallback(
        on_epoch_begin=lambda *_: times.append(time.perf_counter()),
        on_epoch_end=lambda *_: times.append(time.perf_counter() - times.pop()),
    )
    user, book, stars = arrays["train"].T
    history = model.fit(
        [user.astype(np.int32), book.astype(np.int32)],
        stars.astype(np.float32),
        batch_size=32,
        epochs=int(epochs),
        validation_split=0.2,
        verbose=0,
        callbacks=[clock],
    )
    return {"seconds": times, "loss": history.history["loss"]}


def surprise(path: str, seed: str) -> dict[str, dict[str, float]]:
    """Both with their own default settings."""
    from surprise import SVD, Reader, SVDpp
    from surprise.dataset import Dataset

    arrays = np.load(path)
    rows = [(int(user), int(book), float(stars), None) for user, book, stars in arrays["train"]]
    asked = [(int(user), int(book), float(stars)) for user, book, stars in arrays["test"]]
    train = Dataset(Reader(rating_scale=(1, 5))).construct_trainset(rows)
    return {
        "Surprise SVD": _judged(lambda: SVD(random_state=int(seed)).fit(train), lambda model: _estimates(model, asked), arrays),
        "Surprise SVD++": _judged(
            lambda: SVDpp(random_state=int(seed)).fit(train), lambda model: _estimates(model, asked), arrays
        ),
    }


def _estimates(model: Any, asked: list[tuple[int, int, float]]) -> list[float]:
    return [guess.est for guess in model.test(asked)]


def myfm(path: str, seed: str, rank: str) -> dict[str, dict[str, float]]:
    """200 Gibbs samples; one-hot user and book, so that the factorisation machine is matrix factorisation with biases."""
    from myfm import MyFMRegressor
    from scipy.sparse import csr_matrix

    arrays = np.load(path)
    n_users, n_books = map(int, arrays["shape"])

    def one_hot(pairs: np.ndarray) -> csr_matrix:
        columns = np.column_stack([pairs[:, 0], n_users + pairs[:, 1]]).astype(int).ravel()
        rows = np.repeat(np.arange(len(pairs)), 2)
        return csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(pairs), n_users + n_books))

    def fit() -> MyFMRegressor:
        model = MyFMRegressor(rank=int(rank), random_seed=int(seed))
        stars = arrays["train"][:, 2].astype(float)
        return model.fit(one_hot(arrays["train"]), stars, n_iter=200, group_shapes=[n_users, n_books])

    return {f"myFM, rank {rank}": _judged(fit, lambda model: model.predict(one_hot(arrays["test"])), arrays)}


def rankers(path: str, out: str) -> dict[str, dict[str, float]]:
    """Settings chosen on validation inside the training data (docs/experiments.md)."""
    from implicit.als import AlternatingLeastSquares
    from implicit.bpr import BayesianPersonalizedRanking
    from scipy.sparse import csr_matrix

    arrays = np.load(path)
    user, book, taken = arrays["train"].T
    x = csr_matrix((taken.astype(np.float32), (user.astype(int), book.astype(int))), shape=arrays["shape"])
    makers = {
        "iALS": lambda: AlternatingLeastSquares(factors=64, regularization=100.0, alpha=5.0, num_threads=1, random_state=0),
        "BPR": lambda: BayesianPersonalizedRanking(
            factors=32, learning_rate=0.02, regularization=0.1, iterations=100, num_threads=1, random_state=0
        ),
    }
    found, seconds = {}, {}
    for name, make in makers.items():
        started, model = time.perf_counter(), make()
        model.fit(x, show_progress=False)
        found |= {f"{name} users": model.user_factors, f"{name} books": model.item_factors}
        seconds[name] = {"seconds": time.perf_counter() - started}
    started = time.perf_counter()
    found["ELSA books"] = elsa(x, factors=128, epochs=30)
    seconds["ELSA"] = {"seconds": time.perf_counter() - started}
    np.savez(out, **found)
    return seconds


def elsa(x: Any, factors: int, epochs: int) -> np.ndarray:
    """A of score = x A A^T - x, rows of length 1: Adam on | x / |x| - relu(x A A^T - x) / |.| |^2 (Vancura et al. 2022)."""
    import jax
    import jax.numpy as jnp

    rng, batch, rate = np.random.default_rng(0), 512, 0.1
    rows = x[np.diff(x.indptr) > 0].toarray()
    steps = epochs * (len(rows) // batch)

    def unit(a: Any) -> Any:
        return a / jnp.maximum(jnp.linalg.norm(a, axis=1, keepdims=True), 1e-9)

    def loss(a: Any, some: Any) -> Any:
        guess = jax.nn.relu(some @ unit(a) @ unit(a).T - some)
        return ((unit(some) - unit(guess)) ** 2).sum(axis=1).mean()

    @jax.jit
    def step(state: Any, t: Any, some: Any) -> Any:
        a, m, v = state
        g = jax.grad(loss)(a, some)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        lr = rate * (1 + jnp.cos(jnp.pi * t / steps)) / 2
        return a - lr * m / (1 - 0.9**t) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v

    start = jnp.asarray(rng.normal(size=(x.shape[1], factors)).astype(np.float32))
    state = (start, jnp.zeros_like(start), jnp.zeros_like(start))
    for epoch in range(epochs):
        order = rng.permutation(len(rows))[: steps // epochs * batch].reshape(-1, batch)
        for t, some in enumerate(order, epoch * len(order) + 1):
            state = step(state, jnp.float32(t), jnp.asarray(rows[some]))
    return np.asarray(unit(state[0]))


def _judged(fit: Any, predict: Any, arrays: Any) -> dict[str, float]:
    started = time.perf_counter()
    model = fit()
    seconds = time.perf_counter() - started
    error = np.clip(predict(model), *arrays["scale"]) - arrays["test"][:, 2]
    return {"mse": float(np.mean(error**2)), "seconds": seconds}


def versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


if __name__ == "__main__":
    verbs = {"keras": keras, "surprise": surprise, "myfm": myfm, "rankers": rankers, "versions": versions}
    answer = verbs[sys.argv[1]](*sys.argv[2:])
    print(json.dumps(answer))
