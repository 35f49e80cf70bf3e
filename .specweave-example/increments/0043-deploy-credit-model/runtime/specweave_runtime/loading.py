"""From a package on disk to a model that has shown its golden rows: verify, then open, then prove."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specweave_runtime import agreement
from specweave_runtime import package as packages
from specweave_runtime.outcomes import Outcome
from specweave_runtime.package import Golden, GoldenRow, Manifest, PackageError, Signature
from specweave_runtime.predictors import Predictor, Row, open_predictor


@dataclass(frozen=True, slots=True)
class Model:
    """A version that can answer.

    Attributes:
        manifest, signature, golden: of its package.
        identity: SHA-256 of its manifest.
        predictor: predicts.
    """

    manifest: Manifest
    signature: Signature
    golden: Golden
    identity: str
    predictor: Predictor


def load(package: Path, identity: str | None = None) -> Model:
    """Open a package, after every byte of it was verified.

    Args:
        package: its directory.
        identity: the expected SHA-256 of its manifest, None for any.

    Raises:
        PackageError: it is not what its manifest says, or cannot be opened.
    """
    if not package.is_dir():
        raise PackageError(f"there is no model package {package}")
    manifest = packages.verify(package, identity)
    signature, golden = packages.read_signature(package), packages.read_golden(package)
    if not golden.rows:
        raise PackageError(f"{package}: there is no golden row")
    predictor = open_predictor(package, manifest, signature, golden)
    return Model(manifest, signature, golden, packages.digest_of_manifest(package), predictor)


def prove(model: Model, rows: Sequence[Row]) -> None:
    """Predict the golden rows, one by one and together, and compare. It also warms the model up.

    Args:
        model: the model.
        rows: the golden rows as the service read them.

    Raises:
        PackageError: an answer is not the expected one.
    """
    together = model.predictor.many(rows)
    for number, (row, golden, outcome) in enumerate(zip(rows, model.golden.rows, together, strict=True), start=1):
        for given in (outcome, model.predictor.one(row)):
            if not agrees(given, golden, model.golden):
                raise PackageError(
                    f"golden row {number} of {model.manifest.name} {model.manifest.version}: "
                    f"expected {golden.prediction!r} {golden.probabilities or ''}, "
                    f"got {given.prediction!r} {given.probabilities or ''}"
                )


def agrees(outcome: Outcome[Any], row: GoldenRow, golden: Golden) -> bool:
    """Whether an outcome is the expected one: the same label, and every number within the tolerance."""
    if row.probabilities is None:
        return agreement.agrees(outcome.prediction, row.prediction, golden.tolerance, golden.scale)
    return bool(outcome.prediction == row.prediction) and agreement.agrees(
        tuple(outcome.probabilities), row.probabilities, golden.tolerance, golden.scale
    )
