"""Trains the demo's models and writes what Clarify and Model Monitor would report about each.

Needs smclarify, scikit-learn and pandas (`requirements.txt`); nothing of it is imported before `write` runs.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelwarden.sandbox.demo import clarify, quality, rows
from modelwarden.sandbox.demo.clarify import Facet

WOMEN = Facet("sex", 0)
MEN = Facet("sex", 1)
OVER_45 = Facet("age", 45, continuous=True)


@dataclass(frozen=True, slots=True)
class Model:
    """How one model is trained and what is reported about it."""

    name: str
    data: Callable[[], rows.Rows]
    predict: str = "logistic"
    """logistic, tree, constant:LABEL, nearly-constant, oracle, women-only or regression"""
    facets: tuple[Facet, ...] = ()
    positive: int = 1
    report: dict[str, Any] = field(default_factory=dict)
    """options of `clarify.analysis`"""
    post_training: bool = True


MODELS = (
    Model("credit-fair", lambda: rows.people(116), facets=(WOMEN,)),
    Model("credit-fair-both", lambda: rows.people(102), facets=(WOMEN, MEN)),
    Model("credit-fair-tree", lambda: rows.people(103), "tree", (WOMEN,)),
    Model("credit-fair-age", lambda: rows.people(104), facets=(WOMEN, OVER_45)),
    Model("credit-fair-2021", lambda: rows.people(105), facets=(WOMEN,), report={"without": clarify.LEGACY}),
    Model("credit-no-group", lambda: rows.people(106), facets=(WOMEN,), report={"grouped": False}),
    Model("credit-balanced", lambda: rows.people(107), "oracle", (WOMEN,)),
    Model("credit-biased", lambda: rows.people(108, gap=1.2, proxy=True), facets=(WOMEN,)),
    Model("credit-biased-age", lambda: rows.people(110), "under-45", (WOMEN, OVER_45)),
    Model("credit-constant", lambda: rows.people(111), "constant:1", (WOMEN,)),
    Model("credit-nearly-constant", lambda: rows.people(112, base=0.8), "nearly-constant", (WOMEN,)),
    Model("credit-empty-facet", lambda: rows.people(113), facets=(WOMEN, Facet("sex", 2))),
    Model("credit-infinite", lambda: rows.people(114), "women-only", (WOMEN,)),
    Model("credit-pre-training", lambda: rows.people(115), facets=(WOMEN,), post_training=False),
    Model("hiring-fair", lambda: rows.people(201, base=0.2), facets=(WOMEN,)),
    Model("hiring-reversed", lambda: rows.people(202, gap=-1.2, proxy=True), facets=(WOMEN,)),
    Model("hiring-recall", lambda: rows.people(203), "recall-gap", (WOMEN,)),
    Model("fraud-fair", lambda: rows.payments(301), facets=(WOMEN,), positive=0),
    Model("fraud-nobody", lambda: rows.payments(302), "constant:0", (WOMEN,), positive=0),
    Model("churn", lambda: rows.people(401)),
    Model("churn-tree", lambda: rows.people(402), "tree"),
    Model("churn-constant", lambda: rows.people(403), "constant:0"),
    Model("claims", lambda: rows.people(404, 300)),
    Model("tumour", rows.tumours),
    Model("house-price", lambda: rows.houses(501), "regression"),
)


def _balanced(frame: Any) -> Any:
    """As many women as men, and as many of each label among them: every difference of rates is then exactly 0."""
    groups = frame.groupby(["sex", "label"], sort=True)
    size = int(groups.size().min())
    return groups.head(size).reset_index(drop=True)


def _one_rejected_each(frame: Any) -> Any:
    """Accept everyone but one applicant of each sex, rejected rightly, among as many women as men."""
    predicted = frame["label"] * 0 + 1
    for sex in (0, 1):
        predicted[frame.index[(frame["sex"] == sex) & (frame["label"] == 0)][0]] = 0
    return predicted


def _halved(predicted: Any, where: Any) -> Any:
    """Every second positive prediction among the rows `where` turned to 0: a rule on top of the model."""
    changed = predicted.copy()
    changed[changed.index[where & (predicted == 1)][::2]] = 0
    return changed


def _predictions(model: Model, data: rows.Rows) -> tuple[Any, Any, Any, Any]:
    """The rows judged, the predicted labels, the scores, and the fitted linear model (for its attributions)."""
    import pandas
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    names, test = list(data.features), data.test
    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(
        data.train[names], data.train["label"]
    )
    linear = scaled[-1]
    estimator = scaled
    if model.predict == "tree":
        estimator = DecisionTreeClassifier(max_depth=4, random_state=0).fit(data.train[names], data.train["label"])
    elif model.predict == "oracle":
        test = _balanced(test)
    elif model.predict == "nearly-constant":
        test = test.groupby("sex").head(int(test["sex"].value_counts().min())).reset_index(drop=True)
    scores = pandas.Series(estimator.predict_proba(test[names])[:, 1])
    predicted = pandas.Series(estimator.predict(test[names]))
    if model.predict.startswith("constant:"):
        predicted[:] = int(model.predict.partition(":")[2])
    elif model.predict == "oracle":
        predicted = test["label"].copy()
    elif model.predict == "nearly-constant":
        predicted = _one_rejected_each(test)
    elif model.predict == "women-only":
        predicted = _halved(predicted, test["sex"] == 0) * (test["sex"] == 0)
    elif model.predict == "under-45":
        predicted = _halved(predicted, test["age"] > 45)
    elif model.predict == "recall-gap":
        missed = test.index[(test["sex"] == 0) & (test["label"] == 1) & (predicted == 1)][::3]
        extra = test.index[(test["sex"] == 0) & (test["label"] == 0) & (predicted == 0)][: len(missed)]
        predicted[missed], predicted[extra] = 0, 1
    return test, predicted, scores, (linear, scaled[0])


def _regression(data: rows.Rows) -> Any:
    from sklearn.linear_model import LinearRegression

    names = list(data.features)
    return LinearRegression().fit(data.train[names], data.train["label"]).predict(data.test[names])


def documents(model: Model) -> dict[str, Any]:
    """File suffix -> document: `bias` where facets are declared, `evaluation` always, `explanations` where linear."""
    import pandas

    data = model.data()
    if model.predict == "regression":
        return {"evaluation": quality.regression(data.test["label"], _regression(data))}
    test, predicted, scores, (linear, scaler) = _predictions(model, data)
    found = {"evaluation": quality.binary(test["label"], predicted, scores, seed=1)}
    if model.facets:
        columns = [*data.features, *dict.fromkeys(("sex", "age", "job")), "label"]
        frame = test[list(dict.fromkeys(columns))]
        guess = predicted if model.post_training else None
        found["bias"] = clarify.analysis(frame, guess, model.facets, positive=model.positive, **model.report)
    names = list(data.features)
    train_scaled = pandas.DataFrame(scaler.transform(data.train[names]), columns=names)
    test_scaled = pandas.DataFrame(scaler.transform(test[names]), columns=names)
    found["explanations"] = clarify.explanations(linear, train_scaled, test_scaled)
    return found


def write(folder: Path) -> None:
    """Write `MODEL.KIND.json` for every model; two runs write the same bytes."""
    logging.getLogger("smclarify").setLevel(logging.CRITICAL)  # it logs a traceback for each metric it cannot compute
    folder.mkdir(parents=True, exist_ok=True)
    for model in MODELS:
        for kind, document in documents(model).items():
            text = json.dumps(document, indent=1, allow_nan=False)
            (folder / f"{model.name}.{kind}.json").write_text(text + "\n", encoding="utf-8")
