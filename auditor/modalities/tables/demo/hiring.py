"""The hiring demonstration: one table of applicants, three models trained on the spot, three audits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auditor.modalities.tables.demo.applicants import HISTORIES, History, applicants

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TRAINED_ON, AUDITED, SEED = 20_000, 5_000, 2026
NUMBERS, WORDS = ("years", "test"), ("degree", "certified", "club", "channel", "font", "weekday")
"""What the models are given: neither sex, nor race, nor age."""

STORIES = {
    "fair": "It learned from a history in which the suitable were hired (logistic regression).",
    "proxy": (
        "It learned from a history in which more was asked of women, and was not given the sex: the club gives it away"
        " (gradient boosting)."
    ),
    "brittle": (
        "It learned from a history in which the channel of the application went with suitability (gradient boosting)."
    ),
}

_AUDIT = """\
# One audit of the hiring demonstration. Paths are relative to this file.
title: Made-up applicants, model '{name}'
intended_use: >-
  Proposes applicants for an interview. {story}

model:
  source: sklearn                     # a scikit-learn pipeline, stored by skops
  path: {name}.skops
  trusted: [{trusted}]   # types in the file that were looked at and are trusted

data:
  source: table
  table: applicants.csv
  id: applicant
  label: suitable                     # who was in truth suitable; known here, since the table is made up
  favourable: hired                   # the outcome that people want
  groups: [sex, race]                 # compared as groups, though the model is not given them
  columns:                            # the expert's mask: which columns should matter, and what can change
    years: {{type: integer, role: relevant, change: [0, 3], range: [0, 40], cost: 1}}     # a year of experience costs 1
    degree: {{type: ordinal, role: relevant, levels: [none, bachelor, master, doctorate], change: [0, 1], cost: 2}}
    test: {{type: integer, role: relevant, change: [-5, 15], range: [0, 100], cost: 0.2}}   # five points cost 1
    certified: {{type: categorical, role: relevant, cost: 1}}
    club: {{type: categorical, role: proxy, cost: 1}}            # goes with sex
    channel: {{type: categorical, role: irrelevant, cost: 1}}
    font: {{type: categorical, role: irrelevant, cost: 1}}
    weekday: {{type: categorical, role: irrelevant, cost: 1}}
    # age, sex and race are left out: the models are not given them
  drop: [age, sex, race]
  # rules between columns are counted on these data before anything else is done
  rules:
    - {{id: certificate, if: "certified == 'yes'", then: "test >= 45"}}   # nobody is certified with fewer points

threat:
  epsilon: [1, 2, 4]                  # costs, in the units declared above
  primary: 2                          # verdicts are taken here, the others draw the curve

# Tolerances and sizes, declared before the run; what is not named keeps its default.
checks:
  # fewer rows, zones and methods than usual, to keep the demonstration short
  exposure: {{samples: 150, zones: [outside, everywhere]}}
  reliance: {{samples: 300}}
  attribution: {{methods: [kernel_shap], samples: 48, searched: 150}}
  fairness: {{samples: 300, exposure_samples: 150, minimum_group: 80}}   # smaller groups are listed, not judged

report:
  organisation: Demonstration
  annex: [hiring]                     # tables in the form of New York City's Local Law 144
  hiring: {{sex: sex, race: race, data: test, why_test: the applicants are made up}}
"""


def trained(kind: str, history: History, seed: int, *, n: int = TRAINED_ON) -> Pipeline:
    """Return a model, 'linear' or 'trees', of n applicants of a history."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    encoder = make_column_transformer(
        (StandardScaler(), list(NUMBERS)),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(WORDS)),
        verbose_feature_names_out=False,
    )
    last: Any = (
        LogisticRegression(max_iter=500)
        if kind == "linear"
        else GradientBoostingClassifier(n_estimators=40, learning_rate=0.15, subsample=0.5, random_state=seed)
    )
    past = applicants(n, seed, history)
    return make_pipeline(encoder, last).fit(past[[*NUMBERS, *WORDS]], past["outcome"])


def write_study(folder: Path, models: Mapping[str, tuple[str, Pipeline]], *, n: int, seed: int) -> dict[str, Path]:
    """Write a table of n fresh applicants and, for each model, given with its story by name, its file and an audit
    file; return name -> audit file.
    """
    import skops.io as sio

    folder.mkdir(parents=True, exist_ok=True)
    applicants(n, seed).drop(columns="outcome").to_csv(folder / "applicants.csv", index=False, lineterminator="\n")
    audits = {}
    for name, (story, model) in models.items():
        file = folder / f"{name}.skops"
        sio.dump(model, file)
        audits[name] = folder / f"audit-{name}.yaml"
        text = _AUDIT.format(name=name, story=story, trusted=", ".join(sio.get_untrusted_types(file=file)))
        audits[name].write_text(text, encoding="utf-8")
    return audits


def write_hiring_demo(folder: Path) -> dict[str, Path]:
    """Write the table, three trained models and three audit files; return model -> its audit file."""
    models = {
        name: (story, trained("linear" if name == "fair" else "trees", HISTORIES[name], SEED + 1 + place))
        for place, (name, story) in enumerate(STORIES.items())
    }
    return write_study(folder, models, n=AUDITED, seed=SEED)
