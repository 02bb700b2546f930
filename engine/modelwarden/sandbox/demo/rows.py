"""Rows that the demo's models are trained on: synthetic, except for one public data set that ships in scikit-learn.

Every synthetic row is drawn from a fixed seed; no row describes a person. The breast cancer data set is the Diagnostic
Wisconsin set (UCI Machine Learning Repository, CC BY 4.0), as scikit-learn bundles it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rows:
    """One data set, split: the model learns from `train` and is judged on `test`."""

    train: Any
    """pandas frame: features, facet columns and `label`"""
    test: Any
    features: tuple[str, ...]
    """columns that the model sees"""


def _split(frame: Any, features: tuple[str, ...], share: float = 0.6) -> Rows:
    cut = int(len(frame) * share)
    return Rows(frame.iloc[:cut].reset_index(drop=True), frame.iloc[cut:].reset_index(drop=True), features)


def people(seed: int, count: int = 1500, *, gap: float = 0.0, base: float = 0.0, proxy: bool = False) -> Rows:
    """Synthetic applicants with `sex`, `age` and `job` (the group variable).

    `gap` is added to the score of sex 1, so that a model trained on these rows favours it; `base` moves the share of
    positive labels; `proxy` lets the model see the sex itself.
    """
    import numpy  # type: ignore[import-not-found,unused-ignore]
    import pandas

    random = numpy.random.default_rng(seed)
    sex = random.integers(0, 2, count)
    age = random.integers(21, 70, count)
    job = random.integers(0, 4, count)
    income = numpy.round(random.normal(42, 11, count) + gap * 6 * (sex - 0.5), 2)
    debt = numpy.round(random.beta(2, 5, count), 4)
    tenure = numpy.minimum(random.integers(0, 25, count), age - 18)
    score = 0.09 * (income - 42) - 4.2 * (debt - 0.28) + 0.05 * (tenure - 10) + gap * (sex - 0.5) + base
    label = (score + random.normal(0, 0.7, count) > 0).astype(int)
    frame = pandas.DataFrame(
        {"income": income, "debt_ratio": debt, "tenure": tenure, "sex": sex, "age": age, "job": job, "label": label}
    )
    features = ("income", "debt_ratio", "tenure", *(("sex",) if proxy else ()))
    return _split(frame, features)


def payments(seed: int, count: int = 3000, *, share: float = 0.06) -> Rows:
    """Synthetic card payments; label 1 is fraud, a small `share` of them, the same in both sexes."""
    import numpy
    import pandas

    random = numpy.random.default_rng(seed)
    label = (random.random(count) < share).astype(int)
    frame = pandas.DataFrame(
        {
            "amount": numpy.round(random.lognormal(3.2 + 1.6 * label, 0.8, count), 2),
            "hour": random.integers(0, 24, count),
            "distance_km": numpy.round(random.gamma(1.5 + 4 * label, 12, count), 2),
            "sex": random.integers(0, 2, count),
            "age": random.integers(18, 80, count),
            "job": random.integers(0, 4, count),
            "label": label,
        }
    )
    return _split(frame, ("amount", "hour", "distance_km"))


def tumours() -> Rows:
    """The Diagnostic Wisconsin set, shuffled by a fixed seed: 569 samples, four of its thirty features; label 1 is benign."""
    from sklearn.datasets import load_breast_cancer

    frame = load_breast_cancer(as_frame=True).frame.rename(columns={"target": "label"})
    names = ("mean radius", "mean texture", "mean smoothness", "mean concavity")
    return _split(frame.sample(frac=1.0, random_state=11), names, 0.5)


def houses(seed: int, count: int = 500) -> Rows:
    """Synthetic houses; `label` is a price in thousands."""
    import numpy
    import pandas

    random = numpy.random.default_rng(seed)
    area, rooms, years = random.normal(110, 30, count), random.integers(1, 8, count), random.integers(0, 90, count)
    price = numpy.round(1.9 * area + 14 * rooms - 0.8 * years + random.normal(0, 25, count), 1)
    frame = pandas.DataFrame({"area": numpy.round(area, 1), "rooms": rooms, "years": years, "label": price})
    return _split(frame, ("area", "rooms", "years"))
