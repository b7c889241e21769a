"""One rival on a split of ratings, in an environment of its own: `scale_rivals.py NAME ARRAYS` prints one JSON object.

{"mse": on `test`, "rate": ratings of `train` a second and pass}, or {"missing": what the environment lacks}. ARRAYS as for
`rivals.py`; 64 factors, one core, each with its own other defaults.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

FACTORS, PASSES = 64, 10
Answer = dict[str, Any]


def answer(arrays: Any, guess: Any, seconds: float, passes: int) -> Answer:
    error = np.clip(np.asarray(guess, np.float64), *arrays["scale"]) - arrays["test"][:, 2]
    return {"mse": float(np.mean(error**2)), "rate": passes * len(arrays["train"]) / seconds}


def surprise(arrays: Any, *, implicit_feedback: bool) -> Answer:
    from surprise import SVD, Reader, SVDpp
    from surprise.dataset import Dataset

    passes = 2 if implicit_feedback else 20  # SVD++ pays for every pair of a user's ratings
    rows = [(int(user), int(book), float(stars), None) for user, book, stars in arrays["train"]]
    train = Dataset(Reader(rating_scale=(1, 5))).construct_trainset(rows)
    model = (SVDpp if implicit_feedback else SVD)(n_factors=FACTORS, n_epochs=passes, random_state=0)
    started = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - started
    guess = [one.est for one in model.test([(int(u), int(b), float(s)) for u, b, s in arrays["test"]])]
    return answer(arrays, guess, seconds, passes)


def implicit_als(arrays: Any) -> Answer:
    """It ranks and gives no stars, so it has no MSE."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    user, book, stars = arrays["train"].T
    x = csr_matrix((stars.astype(np.float32), (user.astype(int), book.astype(int))), shape=arrays["shape"])
    model = AlternatingLeastSquares(factors=FACTORS, iterations=PASSES, num_threads=1, random_state=0)
    started = time.perf_counter()
    model.fit(x, show_progress=False)
    return {"rate": PASSES * x.nnz / (time.perf_counter() - started)}


def spark_als(arrays: Any) -> Answer:
    """Explicit stars; books and users of the test that training lacks get the mean."""
    from pyspark.ml.recommendation import ALS
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.driver.memory", "4g").config("spark.ui.enabled", "false")
    spark = builder.getOrCreate()

    def frame(rows: Any) -> Any:
        made = [(int(user), int(book), float(stars)) for user, book, stars in rows]
        return spark.createDataFrame(made, ("user", "book", "stars")).repartition(4).cache()

    train, test = frame(arrays["train"]), frame(arrays["test"])
    train.count()
    als = ALS(rank=FACTORS, maxIter=PASSES, regParam=0.1, userCol="user", itemCol="book", ratingCol="stars", seed=0)
    started = time.perf_counter()
    model = als.fit(train)
    seconds = time.perf_counter() - started
    found = np.array([(row.prediction, row.stars) for row in model.transform(test).collect()])
    guess = np.clip(np.where(np.isnan(found[:, 0]), arrays["train"][:, 2].mean(), found[:, 0]), *arrays["scale"])
    mse = float(np.mean((guess - found[:, 1]) ** 2))
    return {"mse": mse, "rate": PASSES * len(arrays["train"]) / seconds}


def keras_gmf(arrays: Any) -> Answer:
    """The notebook's network with batches of 2,048: at 32 an epoch would take minutes."""
    from keras import Model, layers

    inputs = [layers.Input((1,), dtype="int32") for _ in range(2)]
    vectors = [layers.Embedding(int(n), FACTORS)(index) for n, index in zip(arrays["shape"], inputs, strict=True)]
    hidden = layers.Dense(1, activation="relu")(layers.Flatten()(layers.Dropout(0.2)(layers.multiply(vectors))))
    model = Model(inputs, layers.Dense(1)(hidden))
    model.compile(loss="mean_squared_error", optimizer="adam")
    user, book, stars = (
        column.astype(kind) for column, kind in zip(arrays["train"].T, ("int32", "int32", "float32"), strict=True)
    )
    model.fit([user, book], stars, batch_size=2048, epochs=1, verbose=0)
    started = time.perf_counter()
    model.fit([user, book], stars, batch_size=2048, epochs=2, verbose=0)
    seconds = time.perf_counter() - started
    asked = [column.astype(np.int32) for column in arrays["test"].T[:2]]
    return answer(arrays, model.predict(asked, batch_size=65_536, verbose=0)[:, 0], seconds, 2)


RIVALS = {
    "Surprise SVD": lambda arrays: surprise(arrays, implicit_feedback=False),
    "Surprise SVD++": lambda arrays: surprise(arrays, implicit_feedback=True),
    "implicit ALS": implicit_als,
    "Spark ALS": spark_als,
    "Keras GMF": keras_gmf,
}

if __name__ == "__main__":
    try:
        found = RIVALS[sys.argv[1]](np.load(sys.argv[2]))
    except ImportError as lack:
        found = {"missing": str(lack)}
    print(json.dumps(found))
