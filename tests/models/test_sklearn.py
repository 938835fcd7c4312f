"""An estimator in a file answers as the estimator itself; nothing in a file runs before it is trusted."""

import pickle
import sys
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy.special import logit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import make_scorer, recall_score
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from auditor.core.errors import AuditorError, ClassifierError
from auditor.modalities.tables.classifier import TableClassifier
from auditor.models.load import load_classifier

skops = pytest.importorskip("skops.io")
ESTIMATORS: dict[str, Any] = {
    "logistic": LogisticRegression(),
    "discriminant": LinearDiscriminantAnalysis(),
    "ridge": RidgeClassifier(),
    "linear svc": LinearSVC(),
    "svc": SVC(),
    "tree": DecisionTreeClassifier(max_depth=4),
    "forest": RandomForestClassifier(9, random_state=0),
    "extra trees": ExtraTreesClassifier(9, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=5),
    "histogram boosting": HistGradientBoostingClassifier(max_iter=5),
    "ada boost": AdaBoostClassifier(n_estimators=5),
    "neighbours": KNeighborsClassifier(5),
    "bayes": GaussianNB(),
    "search": GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    "labels only": VotingClassifier(
        [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=2)), ("c", GaussianNB())]
    ),
}


@pytest.fixture(scope="module")
def frame(small: SimpleNamespace) -> pd.DataFrame:
    return small.people()


def load(file: Path, **settings: Any) -> TableClassifier:
    made = load_classifier(file, trust_code=True, **settings)
    assert isinstance(made, TableClassifier)
    return made


def saved(model: Any, folder: Path) -> Path:
    joblib.dump(model, folder / "model.joblib")
    return folder / "model.joblib"


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("classes", [2, 3])
def test_a_file_answers_as_its_estimator(
    name: str, classes: int, frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path
) -> None:
    y = small.hired(frame)
    y = y if classes == 2 else np.where(frame["age"] > 60, "maybe", y)
    model = make_pipeline(small.encoder(), FunctionTransformer(np.asarray), ESTIMATORS[name]).fit(frame, y)
    classifier = load(saved(model, tmp_path))
    fresh = small.people(80, seed=1)
    assert classifier.classes == tuple(model.classes_) and classifier.columns == tuple(frame)
    assert (model.classes_[classifier.decisions(fresh).numpy()] == model.predict(fresh)).all()
    scores = classifier.logits(fresh).numpy()
    assert (model.classes_[scores.argmax(1)] == model.predict(fresh)).all()
    assert classifier.offers == ({"labels"} if name == "labels only" else {"labels", "scores"})
    if hasattr(model, "predict_proba"):
        shares = model.predict_proba(fresh)
        order = np.argsort(shares[:, -1], kind="stable")
        smooth = {"tree": 1 / 2, "forest": 1 / 18, "extra trees": 1 / 18, "neighbours": 1 / 10}.get(name, 1e-6)
        inner = (shares.min(1) > 1e-3) | (smooth > 1e-3)
        pull = 0.0 if smooth == 1e-6 else smooth
        expected = np.log((shares + pull) / (1 + classes * pull))
        assert np.allclose((scores - scores[:, :1])[inner], (expected - expected[:, :1])[inner], atol=3e-3)
        assert classes == 3 or (np.diff((scores[:, -1] - scores[:, 0])[order]) >= -1e-9).all()
    elif hasattr(model, "decision_function"):
        margins = model.decision_function(fresh)
        assert np.allclose(scores[:, 1] - scores[:, 0] if classes == 2 else scores, margins)


def test_codes_are_read_as_the_file_would_be(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    model = make_pipeline(small.encoder(), LogisticRegression()).fit(frame, small.hired(frame))
    table = small.table(frame)
    classifier = load(saved(model, tmp_path)).over(table)
    assert torch.equal(classifier.logits(small.codes(table, frame)), classifier.logits(frame))
    assert classifier.input_shape == (5,)


def test_columns_are_taken_by_name(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    model = make_pipeline(small.encoder(), LogisticRegression()).fit(frame, small.hired(frame))
    classifier = load(saved(model, tmp_path))
    mixed = frame[list(frame)[::-1]].assign(extra=1)
    assert torch.equal(classifier.logits(mixed), classifier.logits(frame))
    with pytest.raises(
        ClassifierError,
        match="expected the column 'job', which the model was trained with, got age, hours, owns, shift",
    ):
        classifier.logits(frame.drop(columns="job"))


@pytest.mark.parametrize("name", ["logistic", "forest", "tree", "neighbours"])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 8 / 9])
def test_a_threshold_decides_and_the_scores_agree(
    name: str, threshold: float, frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path
) -> None:
    model = make_pipeline(small.encoder(), FunctionTransformer(np.asarray), ESTIMATORS[name]).fit(
        frame, small.hired(frame)
    )
    classifier = load(saved(model, tmp_path), threshold=threshold, classes=["no job", "job"])
    fresh = small.people(200, seed=2)
    shares = model.predict_proba(fresh)[:, 1]
    assert classifier.classes == ("no job", "job")
    assert np.array_equal(classifier.decisions(fresh).numpy(), shares >= threshold)
    assert torch.equal(classifier.logits(fresh).argmax(1), classifier.decisions(fresh))
    if name == "logistic":
        odds = classifier.logits(fresh).numpy() @ [-1, 1]
        assert np.allclose(odds, logit(shares) - logit(threshold), atol=1e-6)


@pytest.mark.slow
def test_a_tuned_threshold_is_kept(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    inner = make_pipeline(small.encoder(), LogisticRegression())
    model = FixedThresholdClassifier(inner, threshold=0.8, pos_label="yes").fit(frame, small.hired(frame))
    classifier = load(saved(model, tmp_path))
    assert np.array_equal(model.classes_[classifier.decisions(frame).numpy()], model.predict(frame))
    assert torch.equal(classifier.logits(frame).argmax(1), classifier.decisions(frame))
    assert (
        any("share of 0.8" in note for note in classifier.notes)
        and (model.predict(frame) != model.estimator_.predict(frame)).any()
    )
    # the threshold of the other class is no share of the last one, yet its answers stay the estimator's
    for positive in ("no", "yes"):
        scorer = make_scorer(recall_score, pos_label=positive)
        tuned = TunedThresholdClassifierCV(inner, scoring=scorer, cv=2).fit(frame, small.hired(frame))
        classifier = load(saved(tuned, tmp_path))
        assert np.array_equal(
            tuned.classes_[classifier.decisions(frame).numpy()], tuned.predict(frame)
        ) and classifier.columns == tuple(frame)


@pytest.mark.slow
def test_an_array_and_numbers_as_classes(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    x = frame[["age", "shift"]]
    model = LogisticRegression().fit(x.to_numpy(), (small.hired(frame) == "yes").astype(float))
    classifier = load(saved(model, tmp_path), array=True)
    assert classifier.classes == ("0", "1") and classifier.columns is None
    assert np.array_equal(classifier.decisions(x).numpy(), model.predict(x.to_numpy()))
    named = load(saved(model, tmp_path), array=True, columns=["age", "shift"])
    assert named.columns == ("age", "shift") and torch.equal(
        named.logits(frame[["shift", "job", "age"]]), classifier.logits(x)
    )
    nameless = (
        pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=2, verbose=-1).fit(x.to_numpy(), frame["owns"])
    )
    assert load(saved(nameless, tmp_path)).columns is None  # Column_0 is no column of the data
    with pytest.raises(ClassifierError, match="decision_function fails on 300 rows: ValueError: X has 5 features"):
        classifier.logits(frame.assign(hours=0.0, job=1.0))


def test_categories_of_lightgbm(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    kinds = frame.astype({"job": "category"})
    model = lightgbm.LGBMClassifier(n_estimators=10, verbose=1).fit(kinds, small.hired(frame))
    classifier = load(saved(model, tmp_path), categories=True)
    some = frame[frame["job"] == "smith"]  # one level alone is not the first
    assert np.allclose(
        classifier.logits(some).softmax(1).numpy(), model.predict_proba(kinds.loc[some.index]), atol=1e-5
    )
    assert classifier.columns == tuple(frame)


def test_columns_whose_names_a_library_changed(frame: pd.DataFrame, tmp_path: Path) -> None:
    x = frame[["age", "shift"]].set_axis(["age in years", "shift"], axis=1)
    model = pytest.importorskip("lightgbm").LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(x, frame["owns"])
    with pytest.raises(ClassifierError, match="expected the column 'age_in_years', which the model was trained with"):
        load(saved(model, tmp_path)).logits(x)
    classifier = load(saved(model, tmp_path), columns=list(x))
    assert classifier.columns == tuple(x) and np.array_equal(classifier.decisions(x).numpy(), model.predict(x))


def test_categories_of_xgboost(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost")
    kinds = frame.astype({"job": "category"})
    model = xgboost.XGBClassifier(n_estimators=10, enable_categorical=True).fit(
        kinds, (small.hired(frame) == "yes").astype(int)
    )
    some = frame[frame["job"] == "smith"]
    for categories in (True, {"job": ["clerk", "nurse", "smith"]}):
        classifier = load(saved(model, tmp_path), categories=categories, classes=["no", "yes"])
        assert np.allclose(
            classifier.logits(some).softmax(1).numpy(), model.predict_proba(kinds.loc[some.index]), atol=1e-5
        )


def test_catboost(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    catboost = pytest.importorskip("catboost")
    x = frame.assign(job=frame["job"].fillna("none"))
    model = catboost.CatBoostClassifier(iterations=10, cat_features=["job"], verbose=0, allow_writing_files=False).fit(
        x, small.hired(frame)
    )
    classifier = load(saved(model, tmp_path))
    assert classifier.classes == ("no", "yes") and classifier.columns == tuple(frame)
    assert np.array_equal(np.array(classifier.classes)[classifier.decisions(x).numpy()], model.predict(x).ravel())
    assert np.allclose(classifier.logits(x).softmax(1).numpy(), model.predict_proba(x), atol=1e-5)


class Loud(ClassifierMixin, BaseEstimator):
    """Prints, warns, and knows labels only."""

    def fit(self, x: Any, y: Any) -> "Loud":
        self.classes_ = np.unique(y)
        return self

    def predict(self, x: Any) -> Any:
        print("hello")
        warnings.warn("careful", stacklevel=1)
        return np.where(x["age"] > 40, self.classes_[1], self.classes_[0]).astype(object)


def test_an_estimator_may_print_and_warn(
    frame: pd.DataFrame, small: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    from auditor.modalities.tables.models.estimator import from_estimator

    classifier = from_estimator(Loud().fit(frame, small.hired(frame)), name="loud", digest="")
    assert np.array_equal(classifier.logits(frame).argmax(1).numpy(), frame["age"] > 40)
    assert capsys.readouterr().out == "" and classifier.offers == {"labels"}
    with pytest.raises(ClassifierError, match="predict fails on 300 rows: KeyError: 'age'"):
        classifier.decisions(frame.drop(columns="age"))
    with pytest.raises(ClassifierError, match="'threshold': expected a classifier that gives probabilities"):
        from_estimator(Loud().fit(frame, small.hired(frame)), name="loud", digest="", threshold=0.3).logits(frame)


class Payload:
    """Leaves a mark when a pickle is read, or when a saved function is called."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("ending", ["joblib", "pkl", "pickle"])
def test_a_pickle_is_not_read_without_trust(ending: str, tmp_path: Path) -> None:
    file, mark = tmp_path / f"model.{ending}", tmp_path / "mark"
    joblib.dump(Payload(mark), file) if ending == "joblib" else file.write_bytes(pickle.dumps(Payload(mark)))
    for source in (None, "sklearn"):
        with pytest.raises(
            ClassifierError, match=rf"a \.{ending} file runs code when it is loaded; pass --trust-code .*\.skops"
        ):
            load_classifier(file, source)
    assert not mark.exists()
    with pytest.raises(
        ClassifierError,
        match="expected a fitted estimator with predict_proba, decision_function or predict, got a NoneType",
    ):
        load_classifier(file, trust_code=True)
    assert mark.exists()


def test_types_in_a_skops_file_are_reviewed(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    model = make_pipeline(small.encoder(), RandomForestClassifier(3)).fit(frame, small.hired(frame))
    skops.dump(model, tmp_path / "model.skops")
    types = skops.get_untrusted_types(file=tmp_path / "model.skops")
    assert len(types) > 1
    with pytest.raises(ClassifierError) as caught:
        load_classifier(tmp_path / "model.skops", trusted=types[:1])
    assert f"trusted: [{', '.join(types)}]" in str(caught.value) and "\n" not in str(caught.value)
    classifier = load_classifier(tmp_path / "model.skops", trusted=[*types, "os.system"])
    assert classifier.notes[0] == f"trusted by the audit file: {', '.join(types)}"
    assert np.array_equal(classifier.logits(frame).argmax(1).numpy(), model.predict(frame) == "yes")


def test_a_payload_in_a_skops_file_is_refused(
    tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "planted.py").write_text(
        "from pathlib import Path\nPath('mark').touch()\ndef act(x):\n    Path('mark').touch()\n    return x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import planted  # type: ignore[import-not-found]

    model = make_pipeline(FunctionTransformer(planted.act), LogisticRegression()).fit(frame[["age"]], frame["owns"])
    skops.dump(model, tmp_path / "model.skops")
    (tmp_path / "mark").unlink()
    del sys.modules["planted"]
    with pytest.raises(ClassifierError, match=r"got planted\.act"):
        load_classifier(tmp_path / "model.skops", trusted=["numpy.dtype"])
    assert not (tmp_path / "mark").exists() and "planted" not in sys.modules


def test_a_file_that_cannot_be_used(tmp_path: Path, frame: pd.DataFrame) -> None:
    (tmp_path / "words.skops").write_text("no zip")
    (tmp_path / "words.pkl").write_text("no pickle")
    (tmp_path / "words.txt").write_text("nothing")
    with zipfile.ZipFile(tmp_path / "empty.skops", "w"):
        pass
    joblib.dump({"model": LogisticRegression()}, tmp_path / "dict.joblib")
    joblib.dump(LogisticRegression().fit(frame[["age"]], frame["owns"]), tmp_path / "good.joblib")
    joblib.dump(LogisticRegression(), tmp_path / "raw.joblib")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("words.skops", {}, r"expected a file of skops\.io\.dump"),
        ("empty.skops", {}, r"expected a file of skops\.io\.dump"),
        ("words.pkl", {}, "the model cannot be read"),
        ("words.txt", {"source": "sklearn"}, r"expected a file ending in \.skops"),
        ("gone.pkl", {}, "expected a model or weights file, got nothing there"),
        ("dict.joblib", {}, "got a dict"),
        ("raw.joblib", {}, "expected an estimator that knows its classes"),
        ("good.joblib", {"classes": ["a"]}, "names 1 classes"),
        ("good.joblib", {"threshold": 1.5}, "a share between 0 and 1"),
        ("good.joblib", {"low": -1.0}, "unknown setting 'low'"),
        ("good.joblib", {"draws": 2}, "that brings its own"),
        ("good.joblib", {"trused": []}, "did you mean 'trusted'"),
    ]
    for name, settings, sentence in cases:
        with pytest.raises(AuditorError, match=sentence) as caught:
            load_classifier(name, base=tmp_path, trust_code=True, **settings)
        assert "\n" not in str(caught.value)


def test_another_version_of_scikit_learn_is_said(
    tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LogisticRegression().fit(frame[["age"]], frame["owns"])
    monkeypatch.setattr("sklearn.base.__version__", "0.1")
    file = saved(model, tmp_path)
    monkeypatch.undo()
    notes = load(file).notes
    assert notes == (
        f"the estimator was saved with scikit-learn 0.1 and is read with {sklearn.__version__}; its answers may differ",
    )
