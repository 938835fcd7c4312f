"""Where the answers of tree ensembles can jump: every threshold of every tree, library by library."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORESTS = (
    "RandomForestClassifier",
    "ExtraTreesClassifier",
    "AdaBoostClassifier",
    "VotingClassifier",
    "OneVsRestClassifier",
    "StackingClassifier",
)
CONSTANT = ("DummyClassifier", "_ConstantPredictor")


@dataclass
class Splits:
    """Thresholds of an ensemble by feature of what it is given.

    Parameters
    ----------
    single
        Whether values are rounded to float32 before they are compared.
    strict
        Whether a value on a threshold goes with those above it.
    """

    single: bool
    strict: bool = False
    levels: set[int] = field(default_factory=set)
    """Features that are split by sets of levels, which have no order."""
    _noted: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = field(default_factory=list)

    def add(self, features: Any, thresholds: Any) -> None:
        """Take note of splits: features (k,) and their thresholds (k,)."""
        self._noted.append((np.asarray(features, dtype=np.int64), np.asarray(thresholds, dtype=np.float64)))

    def jumps(self, *, single: bool = False) -> dict[int, NDArray[np.float64]]:
        """Return feature -> rising values (k,) in float64 between which its side is constant; `single`: it comes as
        float32 anyway.
        """
        features = np.concatenate([one for one, _ in self._noted] or [np.zeros(0, np.int64)])
        thresholds = np.concatenate([one for _, one in self._noted] or [np.zeros(0)])
        found = {int(feature): np.unique(thresholds[features == feature]) for feature in np.unique(features)}
        return {
            feature: rounded_thresholds(at, strict=self.strict) if self.single or single else at
            for feature, at in found.items()
        }


def rounded_thresholds(thresholds: NDArray[np.float64], *, strict: bool) -> NDArray[np.float64]:
    """Return where float64 values change sides that are rounded to float32 first: between the last value on one side
    and the first on the other.
    """
    near = thresholds.astype(np.float32)
    if strict:
        above = np.where(near < thresholds, np.nextafter(near, np.float32(np.inf)), near)
        below = np.nextafter(above, np.float32(-np.inf))
    else:
        below = np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
        above = np.nextafter(below, np.float32(np.inf))
    return (below.astype(np.float64) + above.astype(np.float64)) / 2


def splits_of(estimator: Any) -> Splits | None:
    """Return every split of an estimator that answers by trees alone; None: it does not, or is not known."""
    readers = {"sklearn": _sklearn, "lightgbm": _lightgbm, "xgboost": _xgboost, "catboost": _catboost}
    reader = readers.get(type(estimator).__module__.partition(".")[0])
    return reader(estimator) if reader is not None else None


def _sklearn(estimator: Any) -> Splits | None:
    if type(estimator).__name__ == "HistGradientBoostingClassifier":
        return _histogram(estimator)
    found = Splits(single=True)
    return found if _gather(estimator, found, None) else None


def _gather(estimator: Any, found: Splits, columns: NDArray[np.int64] | None) -> bool:
    """Note the splits of an estimator and of its parts; `columns`: which features it is given. False: some part is no
    tree.
    """
    kind = type(estimator).__name__
    if not type(estimator).__module__.startswith("sklearn."):
        return False
    tree = getattr(estimator, "tree_", None)
    if tree is not None:
        inner = tree.feature >= 0
        features = tree.feature[inner]
        found.add(features if columns is None else columns[features], tree.threshold[inner])
        return True
    if kind in CONSTANT:
        return True
    parts = _parts(estimator, kind)
    if parts is None:
        return False
    return all(_gather(part, found, own if columns is None or own is None else columns[own]) for part, own in parts)


def _parts(estimator: Any, kind: str) -> list[tuple[Any, NDArray[np.int64] | None]] | None:
    """Return the estimators of which another one's answer is a function, with the features that each is given."""
    if kind == "GradientBoostingClassifier" and (
        estimator.init in (None, "zero") or type(estimator.init).__name__ in CONSTANT
    ):
        return [(tree, None) for tree in estimator.estimators_.ravel()]
    if kind == "BaggingClassifier":
        return [
            (part, np.asarray(features))
            for part, features in zip(estimator.estimators_, estimator.estimators_features_, strict=True)
        ]
    if kind == "CalibratedClassifierCV":
        return [(part.estimator, None) for part in estimator.calibrated_classifiers_]
    if kind in FORESTS and not getattr(estimator, "passthrough", False):
        return [(part, None) for part in estimator.estimators_]
    return None


def _histogram(estimator: Any) -> Splits:
    found = Splits(single=False)
    for predictor in (one for stage in estimator._predictors for one in stage):
        inner = predictor.nodes[predictor.nodes["is_leaf"] == 0]
        by_level = inner["is_categorical"] != 0
        found.levels |= set(inner["feature_idx"][by_level].tolist())
        found.add(inner["feature_idx"][~by_level], inner["num_threshold"][~by_level])
    return found


def _lightgbm(estimator: Any) -> Splits | None:
    booster = estimator.booster_
    if "is_linear=1" in booster.model_to_string():  # leaves that hold lines are not constant
        return None
    found = Splits(single=False)
    for tree in booster.dump_model()["tree_info"]:
        for node in _nodes(tree["tree_structure"]):
            if node["decision_type"] == "<=":
                found.add([node["split_feature"]], [node["threshold"]])
            else:
                found.levels.add(int(node["split_feature"]))
    return found


def _nodes(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the inner nodes of a tree of LightGBM."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if "split_feature" in node:
            yield node
            waiting += [node["left_child"], node["right_child"]]


def _xgboost(estimator: Any) -> Splits | None:
    booster = json.loads(bytes(estimator.get_booster().save_raw("json")))["learner"]["gradient_booster"]
    trees = booster.get("gbtree", booster).get("model", {}).get("trees")  # dart holds a gbtree
    if trees is None:
        return None
    found = Splits(single=True, strict=True)
    for tree in trees:
        inner = np.array(tree["left_children"]) >= 0
        features, by_level = np.array(tree["split_indices"])[inner], np.array(tree["split_type"])[inner] != 0
        found.levels |= set(features[by_level].tolist())
        found.add(features[~by_level], np.array(tree["split_conditions"], dtype=np.float32)[inner][~by_level])
    return found


def _catboost(estimator: Any) -> Splits:
    found = Splits(single=True)
    for feature, borders in estimator.get_borders().items():
        found.add([feature] * len(borders), borders)
    found.levels |= set(map(int, estimator.get_cat_feature_indices()))
    return found
