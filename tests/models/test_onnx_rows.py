"""An ONNX graph over a table answers as the estimator that it was made of."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from auditor.core.errors import AuditorError, ClassifierError
from auditor.modalities.tables.classifier import TableClassifier
from auditor.models.load import load_classifier
from auditor.models.torchvision import ensure_torchvision

skl2onnx = pytest.importorskip("skl2onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def frame(small: SimpleNamespace) -> pd.DataFrame:
    return small.people()


def fitted(last: Any, frame: pd.DataFrame, y: Any) -> Any:
    levels = OneHotEncoder(handle_unknown="ignore")
    hours = make_pipeline(SimpleImputer(), StandardScaler())
    encoder = make_column_transformer(
        (StandardScaler(), ["age"]), (hours, ["hours"]), (levels, ["job", "owns"]), (OneHotEncoder(), ["shift"])
    )
    return make_pipeline(encoder, last).fit(texts(frame), y)


def texts(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(owns=frame["owns"].astype(str))  # ONNX encoders know no booleans


def write(model: Any, file: Path, *, rows: int | None = None, **options: Any) -> Path:
    from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

    kinds = {
        "age": Int64TensorType,
        "hours": FloatTensorType,
        "job": StringTensorType,
        "owns": StringTensorType,
        "shift": Int64TensorType,
    }
    graph = skl2onnx.to_onnx(
        model, initial_types=[(name, kind([rows, 1])) for name, kind in kinds.items()], options=options
    )
    file.write_bytes(graph.SerializeToString())
    return file


def load(file: Path, **settings: Any) -> TableClassifier:
    made = load_classifier(file, **settings)
    assert isinstance(made, TableClassifier)
    return made


LAST = {
    "logistic": LogisticRegression(),
    "boosting": GradientBoostingClassifier(n_estimators=4),
    "layers": MLPClassifier((4,), max_iter=3000, random_state=0),
}


@pytest.mark.slow
@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("zipmap", [False, True], ids=["tensor", "zipmap"])
@pytest.mark.parametrize("rows", [None, 7], ids=["any rows", "seven rows"])
def test_a_graph_answers_as_its_estimator(
    last: str, zipmap: bool, rows: int | None, frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path
) -> None:
    model = fitted(LAST[last], frame, small.hired(frame))
    classifier = load(write(model, tmp_path / "model.onnx", rows=rows, zipmap=zipmap))
    assert (
        classifier.classes == ("no", "yes")
        and classifier.columns == tuple(frame)
        and classifier.offers == {"labels", "scores"}
    )
    fresh = small.people(50, seed=3)
    # the graph scales in float32, so that a row near a threshold may fall on its other side
    differs = (
        np.abs(classifier.logits(fresh[list(fresh)[::-1]]).softmax(1).numpy() - model.predict_proba(texts(fresh))).max(
            1
        )
        > 1e-4
    )
    assert differs.mean() <= (0.1 if last == "boosting" else 0.0)
    assert np.array_equal(
        model.classes_[classifier.decisions(fresh).numpy()][~differs], model.predict(texts(fresh))[~differs]
    )
    assert torch.equal(classifier.logits(fresh).argmax(1), classifier.decisions(fresh))
    assert any("missing text" in note for note in classifier.notes)
    table = small.table(frame)
    assert torch.equal(classifier.over(table).logits(small.codes(table, frame)), classifier.logits(frame))


def test_classes_are_renamed_in_order(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    model = fitted(LogisticRegression(), frame, (small.hired(frame) == "yes").astype(int))
    file = write(model, tmp_path / "model.onnx")
    assert load(file).classes == ("0", "1")
    renamed = load(file, classes=["refused", "hired"])
    assert renamed.classes == ("refused", "hired") and np.array_equal(
        renamed.decisions(frame).numpy(), model.predict(texts(frame))
    )
    with pytest.raises(ClassifierError, match="names 3 classes"):
        load(file, classes=["a", "b", "c"])


def numbers(model: Any, file: Path, **options: Any) -> Path:
    from skl2onnx.common.data_types import FloatTensorType

    file.write_bytes(
        skl2onnx.to_onnx(
            model, initial_types=[("x", FloatTensorType([None, model.n_features_in_]))], options=options
        ).SerializeToString()
    )
    return file


def test_numbers_side_by_side(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    x = frame[["age", "shift"]].to_numpy(dtype=np.float32)
    model = LogisticRegression().fit(x, frame["owns"].map({False: "rents", True: "owns"}))
    file = numbers(model, tmp_path / "model.onnx", zipmap=False)
    classifier = load(file)
    assert classifier.columns is None and classifier.classes == ("owns", "rents")
    assert np.allclose(classifier.logits(frame[["age", "shift"]]).softmax(1).numpy(), model.predict_proba(x), atol=1e-5)
    chosen = load(file, columns=["age", "shift"])
    assert chosen.columns == ("age", "shift") and torch.equal(
        chosen.logits(frame), classifier.logits(frame[["age", "shift"]])
    )
    with pytest.raises(ClassifierError, match="expected 2 columns, as the graph takes, got age, hours, shift"):
        classifier.logits(frame[["age", "hours", "shift"]])
    with pytest.raises(ClassifierError, match="expected numbers in column 'job'"):
        classifier.logits(frame[["age", "job"]])


def test_margins_are_declared_as_scores(frame: pd.DataFrame, tmp_path: Path) -> None:
    x = frame[["age", "shift"]]
    model = LinearSVC().fit(x.to_numpy(), frame["age"] > 40)
    file = numbers(model, tmp_path / "model.onnx")
    with pytest.raises(ClassifierError, match="declare `answers: scores`"):
        load(file).logits(x)
    classifier = load(file, answers="scores")
    assert np.array_equal(classifier.logits(x).argmax(1).numpy(), model.predict(x.to_numpy()))


def test_a_graph_of_plain_layers(frame: pd.DataFrame, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.array([[0.1], [-1.0]], dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["x", "weight"], ["raw"]), helper.make_node("Sigmoid", ["raw"], ["share"])]
    ends = [
        helper.make_tensor_value_info("x", number, ["n", 2]),
        helper.make_tensor_value_info("share", number, ["n", 1]),
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [onnx.numpy_helper.from_array(weight, "weight")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "net.onnx")
    x = frame[["age", "shift"]]
    classifier = load(tmp_path / "net.onnx", modality="table", classes=["no", "yes"], answers="probabilities")
    odds = (x.to_numpy() @ weight)[:, 0]
    assert np.allclose(classifier.logits(x).numpy() @ [-1, 1], odds, atol=1e-2)
    sure = np.abs(odds) > 1e-3
    assert np.array_equal(classifier.decisions(x).numpy()[sure], odds[sure] > 0)
    with pytest.raises(ClassifierError, match="does not say its classes"):
        load_classifier(tmp_path / "net.onnx", modality="table")
    with pytest.raises(ClassifierError, match="declare modality: table"):
        load_classifier(tmp_path / "net.onnx", columns=["age", "shift"])


def test_cells_that_do_not_fit(frame: pd.DataFrame, small: SimpleNamespace, tmp_path: Path) -> None:
    classifier = load(write(fitted(LogisticRegression(), frame, small.hired(frame)), tmp_path / "model.onnx"))
    cases = [
        (frame.drop(columns="job"), "expected the column 'job', which the graph takes"),
        (frame.assign(age=frame["age"] + 0.5), "expected whole numbers and no missing cell in column 'age'"),
        (frame.assign(shift=np.nan), "expected whole numbers and no missing cell in column 'shift'"),
        (frame.assign(hours="long"), "expected numbers in column 'hours', which the graph takes as float32"),
    ]
    for rows, sentence in cases:
        with pytest.raises(AuditorError, match=sentence) as caught:
            classifier.logits(rows)
        assert "\n" not in str(caught.value)


def test_a_module_behind_an_encoder(tmp_path: Path, frame: pd.DataFrame) -> None:
    onnx = pytest.importorskip("onnx")
    ensure_torchvision()
    pytest.importorskip("onnx2torch")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    ends = [
        helper.make_tensor_value_info("x", number, ["n", 3]),
        helper.make_tensor_value_info("out", number, ["n", 2]),
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["out"])],
        "g",
        ends[:1],
        ends[1:],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "net.onnx")
    columns = {"age": {"mean": 40, "std": 10}, "owns": {"levels": [False, True]}}
    classifier = load(tmp_path / "net.onnx", input={"columns": columns})
    encoded = np.stack([(frame["age"] - 40) / 10, ~frame["owns"], frame["owns"]], 1).astype(np.float32)
    assert classifier.offers == {"labels", "scores", "gradient"} and np.allclose(
        classifier.logits(frame).numpy(), encoded @ weight, atol=1e-5
    )
