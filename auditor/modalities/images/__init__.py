"""Images under an expert's masks."""

from auditor.core.modality import Modality, Words

MODALITY = Modality(
    name="image",
    assumed=True,
    home="auditor.modalities.images",
    words=Words(
        sample="image",
        samples="images",
        place="pixel",
        places="pixels",
        usual="An ordinary undefended network usually fails 4 and may well pass 1.",
    ),
    sources=("images",),
    packages=(
        "torch",
        "torchvision",
        "timm",
        "captum",
        "numpy",
        "scipy",
        "scikit-image",
        "statsmodels",
        "pillow",
    ),
    exported={
        "clean": ("predicted", "correct", "margin", "confidence"),
        "evasion": ("fooled", "size", "margin"),
        "smallest": ("fooled", "size"),
        "attribution": ("inside", "noise/rank", "attack/rank", "null/rank"),
    },
    templates="images",
    registries={"masks": "masks:masks"},
    commands={"masks": "commands:masks_command"},
    demonstrations={"image": "demo.image:write_image_demo"},
)
