"""What is said of an estimator's structure holds: thresholds miss no jump, log odds that are called linear are."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.compose import make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from auditor.modalities.tables.classifier import TableClassifier
from auditor.modalities.tables.models.estimator import from_estimator
from auditor.modalities.tables.models.passage import random_rows
from auditor.modalities.tables.models.trees import rounded_thresholds
from auditor.modalities.tables.table import Table

pytestmark = pytest.mark.slow

LINEAR: dict[str, Any] = {
    "logistic": LogisticRegression(),
    "discriminant": LinearDiscriminantAnalysis(),
    "ridge": RidgeClassifier(),
    "linear svc": LinearSVC(),
    "svc, linear kernel": SVC(kernel="linear"),
    "gradient descent": SGDClassifier(),
    "gradient descent, logistic": SGDClassifier(loss="log_loss", random_state=0),
}
TREES: dict[str, Any] = {
    "tree": DecisionTreeClassifier(),
    "forest": RandomForestClassifier(9, random_state=0),
    "extra trees": ExtraTreesClassifier(9, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=12),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=12, min_samples_leaf=5),
    "ada boost": AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=5),
    "bagging": BaggingClassifier(DecisionTreeClassifier(max_depth=5), 5, max_features=0.7, random_state=0),
    "voting": VotingClassifier(
        [("a", RandomForestClassifier(3)), ("b", GradientBoostingClassifier(n_estimators=3))], voting="soft"
    ),
    "stacking": StackingClassifier(
        [("a", DecisionTreeClassifier(max_depth=4)), ("b", ExtraTreesClassifier(3))], LogisticRegression(), cv=2
    ),
}


@pytest.fixture(scope="module")
def frame(small: SimpleNamespace) -> pd.DataFrame:
    return small.people()


def over(model: Any, table: Table) -> TableClassifier:
    return from_estimator(model, name="model", digest="").over(table)


def passed(numbers: Any) -> Any:
    """Return an encoder with a step of one's own for the numbers; levels become ranks."""
    ranks = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    return make_column_transformer((numbers, ["age", "hours"]), (ranks, ["job"]), ("passthrough", ["owns", "shift"]))


def misses_no_jump(classifier: TableClassifier, table: Table, seed: int = 0) -> int:
    """Assert that scores are constant between neighbouring thresholds in random rows; return how many thresholds are
    jumps somewhere.
    """
    assert (
        classifier.structure is not None
        and classifier.structure.kind == "trees"
        and classifier.structure.thresholds is not None
    )
    draw, real = np.random.default_rng(seed), 0
    found = classifier.structure.thresholds(table)
    assert set(found) == {column.name for column in table.columns if column.numeric or column.kind == "ordinal"}
    for name, thresholds in found.items():
        place = table.index[name]
        column = table.columns[place]
        assert (np.diff(thresholds) > 0).all()
        low, high = (column.low, column.high) if column.numeric else (0, len(column.levels) - 1)
        values = np.sort(draw.uniform(low, high, 300)) if column.kind == "real" else np.arange(low, high + 1)
        cells = np.searchsorted(thresholds, values)
        rows = np.repeat(random_rows(table, 12, draw), len(values), 0)
        rows[:, place] = np.tile(values, 12)
        scores = classifier.scores(table.frame(rows)).reshape(12, len(values), -1)
        jumps = (np.abs(np.diff(scores, axis=1)).max(2) > 1e-9).any(0)
        assert (np.diff(cells)[jumps] > 0).all(), (name, values[1:][jumps & (np.diff(cells) == 0)])
        real += int(jumps.sum())
    return real


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", TREES)
def test_between_thresholds_nothing_changes(
    name: str, classes: int, frame: pd.DataFrame, small: SimpleNamespace
) -> None:
    y = small.hired(frame)
    y = y if classes == 2 else np.where(frame["age"] > 60, "maybe", y)
    table = small.table(frame)
    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    for encoder in (small.encoder(), passed(scaled), passed(SimpleImputer())):
        model = make_pipeline(encoder, FunctionTransformer(np.asarray), TREES[name]).fit(frame, y)
        assert misses_no_jump(over(model, table), table) > 4


def test_thresholds_are_the_trees_own(frame: pd.DataFrame, small: SimpleNamespace) -> None:
    y = frame["age"] > 40
    table = small.table(frame)
    for encoder in (small.encoder(), passed(MinMaxScaler()), passed("passthrough")):
        classifier = over(make_pipeline(encoder, DecisionTreeClassifier(max_depth=1)).fit(frame, y), table)
        assert classifier.structure is not None and classifier.structure.thresholds is not None
        found = classifier.structure.thresholds(table)
        assert found["age"] == pytest.approx([40.5], rel=1e-6) and len(found["hours"]) == 0 and len(found["shift"]) == 0


def test_a_threshold_on_a_whole_number_misses_no_side(frame: pd.DataFrame, small: SimpleNamespace) -> None:
    # thresholds midway between even numbers are odd numbers, which rounding puts on either side
    even = frame[["age"]] // 2 * 2
    table = Table(small.table(frame).columns[:1])
    for last in (HistGradientBoostingClassifier(min_samples_leaf=5), DecisionTreeClassifier()):
        for scaler in (StandardScaler(), MinMaxScaler(), FunctionTransformer(lambda x: x)):
            model = make_pipeline(scaler, last).fit(even, small.hired(frame))
            assert misses_no_jump(over(model, table), table) > 4


@pytest.mark.parametrize("library", ["lightgbm", "xgboost", "catboost", "histogram"])
def test_boosting_on_raw_columns(library: str, frame: pd.DataFrame, small: SimpleNamespace) -> None:
    table, y = small.table(frame), (small.hired(frame) == "yes").astype(int)
    kinds = frame.astype({"job": "category"})
    settings: dict[str, Any] = {"categories": True}
    if library == "lightgbm":
        model = (
            pytest.importorskip("lightgbm")
            .LGBMClassifier(n_estimators=12, n_jobs=1, verbose=-1, min_child_samples=5)
            .fit(kinds, y)
        )
    elif library == "xgboost":
        model = (
            pytest.importorskip("xgboost")
            .XGBClassifier(n_estimators=12, n_jobs=1, enable_categorical=True)
            .fit(kinds, y)
        )
    elif library == "histogram":
        model = HistGradientBoostingClassifier(max_iter=12, categorical_features="from_dtype").fit(kinds, y)
    else:
        catboost = pytest.importorskip("catboost")
        model = catboost.CatBoostClassifier(iterations=12, cat_features=["job"], verbose=0, allow_writing_files=False)
        model.fit(frame.assign(job=frame["job"].fillna("none")), y)
        table, settings = small.table(frame, job={"missing": 0}), {}
    classifier = from_estimator(model, name="model", digest="", **settings).over(table)
    assert misses_no_jump(classifier, table) > 4


def test_boosting_behind_an_encoder(frame: pd.DataFrame, small: SimpleNamespace) -> None:
    table, y = small.table(frame), (small.hired(frame) == "yes").astype(int)
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    for last in (
        lightgbm.LGBMClassifier(n_estimators=8, n_jobs=1, verbose=-1),
        xgboost.XGBClassifier(n_estimators=8, n_jobs=1),
    ):
        single = FunctionTransformer(lambda x: np.asarray(x, dtype=np.float32))
        for steps in ([small.encoder()], [small.encoder(), single]):
            model = make_pipeline(*steps, FunctionTransformer(np.asarray), last).fit(frame, y)
            assert misses_no_jump(over(model, table), table) > 4
    linear = lightgbm.LGBMClassifier(n_estimators=8, n_jobs=1, verbose=-1, linear_tree=True).fit(
        frame[["age", "shift"]], y
    )
    assert (
        over(linear, Table(tuple(column for column in table.columns if column.name in ("age", "shift")))).structure
        is None
    )


def test_a_whole_number_that_is_bent_gets_every_cell(frame: pd.DataFrame, small: SimpleNamespace) -> None:
    numbers = frame[["age", "shift"]]
    table = Table(tuple(column for column in small.table(frame).columns if column.name in numbers))
    bins = KBinsDiscretizer(5, encode="ordinal", strategy="uniform")
    for bend in (bins, PolynomialFeatures(2), FunctionTransformer(np.log1p), OneHotEncoder(handle_unknown="ignore")):
        classifier = over(make_pipeline(bend, RandomForestClassifier(5)).fit(numbers, frame["owns"]), table)
        assert misses_no_jump(classifier, table) > 4


@pytest.mark.parametrize(
    "bend",
    [np.log1p, np.floor, lambda x: np.clip(x, 30, 40), lambda x: x.mean(1)[:, None]],
    ids=["log", "floor", "clip", "mean"],
)
def test_a_real_number_that_is_bent_has_no_thresholds(
    bend: Callable[[Any], Any], frame: pd.DataFrame, small: SimpleNamespace
) -> None:
    numbers = frame[["age", "hours"]].fillna(40)
    table = Table(tuple(replace(column, missing=0) for column in small.table(frame).columns if column.name in numbers))
    bent = FunctionTransformer(lambda x: np.column_stack([bend(np.asarray(x)), np.asarray(x)[:, :1]]))
    model = make_pipeline(bent, RandomForestClassifier(5)).fit(numbers, small.hired(frame))
    assert over(model, table).structure is None
    held = Table(tuple(replace(column, mutable=column.name != "hours") for column in table.columns))
    classifier = over(model, held)
    assert classifier.structure is not None and classifier.structure.thresholds is not None
    assert set(classifier.structure.thresholds(held)) == {"age"}


def test_cells_filled_in_from_other_columns_have_no_thresholds(frame: pd.DataFrame, small: SimpleNamespace) -> None:
    numbers = frame[["age", "hours"]]
    table = Table(tuple(column for column in small.table(frame).columns if column.name in numbers))
    model = make_pipeline(KNNImputer(), RandomForestClassifier(5)).fit(numbers, small.hired(frame))
    found = over(model, table).structure
    assert found is None or "hours" not in (found.thresholds or (lambda _: {}))(table)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", LINEAR)
def test_linear_models_are_seen(name: str, classes: int, frame: pd.DataFrame, small: SimpleNamespace) -> None:
    y = small.hired(frame)
    y = y if classes == 2 else np.where(frame["age"] > 60, "maybe", y)
    table = small.table(frame)
    for encoder in (small.encoder(), passed(make_pipeline(SimpleImputer(), MinMaxScaler()))):
        classifier = over(make_pipeline(encoder, LINEAR[name]).fit(frame, y), table)
        one_against_one = classes == 3 and name in ("svc, linear kernel", "gradient descent, logistic")
        assert (
            (classifier.structure is None)
            if one_against_one
            else (classifier.structure is not None and classifier.structure.kind == "linear")
        )


def test_a_threshold_keeps_the_structure(frame: pd.DataFrame, small: SimpleNamespace) -> None:
    table = small.table(frame)
    for last, kind in ((LogisticRegression(), "linear"), (RandomForestClassifier(5), "trees")):
        model = make_pipeline(small.encoder(), last).fit(frame, small.hired(frame))
        for made in (
            from_estimator(model, name="model", digest="", threshold=0.3),
            from_estimator(_tuned(model, frame, small), name="model", digest=""),
        ):
            structure = made.over(table).structure
            assert structure is not None and structure.kind == kind


def _tuned(model: Any, frame: pd.DataFrame, small: SimpleNamespace) -> Any:
    frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator(model)
    return FixedThresholdClassifier(frozen, threshold=0.3).fit(frame, small.hired(frame))


@pytest.mark.parametrize("bend", ["square", "bins", "product", "layers", "kernel"])
def test_what_is_not_linear_is_not_called_so(bend: str, frame: pd.DataFrame, small: SimpleNamespace) -> None:
    numbers = frame[["age", "shift"]]
    table = Table(tuple(column for column in small.table(frame).columns if column.name in numbers))
    models = {
        "square": make_pipeline(FunctionTransformer(np.square), StandardScaler(), LogisticRegression()),
        "bins": make_pipeline(KBinsDiscretizer(5, strategy="uniform"), LogisticRegression()),
        "product": make_pipeline(StandardScaler(), PolynomialFeatures(2, interaction_only=True), LogisticRegression()),
        "layers": make_pipeline(StandardScaler(), MLPClassifier((8,), max_iter=5000, tol=1e-3, random_state=0)),
        "kernel": make_pipeline(StandardScaler(), SVC()),
    }
    assert over(models[bend].fit(numbers, small.hired(frame)), table).structure is None


@given(
    arrays(
        np.float64,
        5,
        elements=st.floats(-1e6, 1e6, width=32)
        | st.floats(-1e6, 1e6).filter(lambda value: value == 0 or abs(value) > 1e-30),
    ),
    st.booleans(),
)
def test_rounding_moves_a_threshold_to_where_sides_change(thresholds: np.ndarray, strict: bool) -> None:
    for threshold, jump in zip(thresholds, rounded_thresholds(thresholds, strict=strict), strict=True):
        for value in (np.nextafter(jump, -np.inf), np.nextafter(jump, np.inf)):
            side = np.float32(value) >= threshold if strict else np.float32(value) > threshold
            assert side == (value > jump)
