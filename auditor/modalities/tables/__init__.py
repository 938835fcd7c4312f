"""Tables of people's columns under an expert's roles and rules."""

from auditor.core.modality import Modality, Words

MODALITY = Modality(
    name="table",
    home="auditor.modalities.tables",
    words=Words(
        sample="row",
        samples="rows",
        budget="cost",
        place="column",
        places="columns",
        shown="rows shown",
        usual="A model that passes 1 may still fail 4: near its boundary every column counts.",
    ),
    sources=("table",),
    norms=("cost",),
    threat={"norm": "cost", "epsilon": [1.0, 2.0, 4.0]},
    attack={"name": "table_search", "settings": {}},
    zones=("irrelevant", "protected", "proxy"),
    chunk=256,
    least_batch=8192,
    packages=(
        "torch",
        "numpy",
        "scipy",
        "statsmodels",
        "pandas",
        "scikit-learn",
        "skops",
        "xgboost",
        "lightgbm",
        "catboost",
        "onnxruntime",
    ),
    exported={
        "clean": ("predicted", "correct", "margin", "confidence", "score", "missing"),
        "flip": ("flipped", "cost", "changes", "outcome"),
    },
    templates="tables",
    demonstrations={"hiring": "demo.hiring:write_hiring_demo"},
)
