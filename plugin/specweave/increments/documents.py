"""spec.md, plan.md and tasks.md of a new increment, and of a deployment increment whose model has changed.

Values of `templates/increment/` and `templates/deployment/` (`common_values`):

    number "0043" · id "0043-deploy-credit-model" · title · type · created "2026-11-20" · links: ids

More values of `templates/deployment/` (`deployment_values`):

    slo           latency_p95_ms (milliseconds), error_rate (0 to 1)
    environments  each with name, target, port, gates
    model         None before there is a package; else name, version, digest, estimator, execution, answers, parity (a
                  Parity), estimator_us, executable_us (microseconds a row), notes, and features, each with name, type,
                  nullable and allowed (text)

tasks.md depends on none of the latter, so it is written once and belongs to people and their evidence from then on.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from specweave.files import ledger, rendering
from specweave.increments import criteria
from specweave.increments import metadata as metadata_file
from specweave.increments.names import number_of
from specweave.project import EnvironmentSettings, Project, SloSettings

if TYPE_CHECKING:
    from specweave_runtime.package import Feature, Manifest, Signature

KIND = "documents"
_REGENERATED = ("spec.md", "plan.md")
_EXECUTION = {
    "onnx": "ONNX Runtime",
    "treelite": "treelite GTIL",
    "estimator": "the estimator itself, behind a batcher",
}
_CATEGORIES_SHOWN = 8


def common_values(identifier: str, *, title: str, kind: str, links: Sequence[str], created: str) -> dict[str, object]:
    """The values that every increment's documents have; `created` is a date."""
    return {
        "number": f"{number_of(identifier) or 0:04d}",
        "id": identifier,
        "title": title,
        "type": kind,
        "links": list(links),
        "created": created,
    }


def deployment_values(
    slo: SloSettings,
    environments: Mapping[str, EnvironmentSettings],
    model: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The further values of a deployment increment's documents; `model` is what `model_values` gives."""
    return {
        "slo": slo.model_dump(),
        "environments": [
            {"name": name, "target": settings.target, "port": settings.port, "gates": list(settings.gates)}
            for name, settings in environments.items()
        ],
        "model": model,
    }


def model_values(manifest: "Manifest", signature: "Signature", digest: str) -> dict[str, object]:
    """What the documents say of a model package."""
    return {
        "name": manifest.name,
        "version": manifest.version,
        "digest": digest,
        "estimator": " → ".join(manifest.estimator),
        "execution": _EXECUTION[manifest.executable.kind],
        "answers": _answers(signature),
        "parity": manifest.parity,
        "estimator_us": manifest.parity.estimator_us,
        "executable_us": manifest.parity.executable_us,
        "notes": list(manifest.notes),
        "features": [
            {"name": item.name, "type": item.type, "nullable": item.nullable, "allowed": _feature_values(item)}
            for item in signature.features
        ],
    }


def render(project: Project, kind: str, values: Mapping[str, object]) -> dict[str, bytes]:
    """The documents of a new increment; a deployment's own values default to those of config.yaml, without a model."""
    if kind != "deployment":
        return rendering.render("increment", values)
    defaults = deployment_values(project.config.slo, project.config.environments)
    return rendering.render("deployment", {**defaults, **values})


def owned(kind: str) -> tuple[str, ...]:
    """The documents that are generated again when their facts change, as long as nobody edited them."""
    return _REGENERATED if kind == "deployment" else ()


def plan(project: Project, folder: Path, values: Mapping[str, object]) -> ledger.Plan:
    """spec.md and plan.md of a deployment increment with other values than before.

    Args:
        project: gives the values that are not given.
        folder: the increment's.
        values: what `deployment_values` gives.

    Raises:
        InvalidInputError: `metadata-invalid`, `ledger-invalid`.
    """
    metadata = metadata_file.read(folder)
    common = common_values(
        folder.name,
        title=metadata.title or folder.name,
        kind=metadata.type,
        links=metadata.links,
        created=metadata.created[:10],
    )
    files = render(project, "deployment", {**common, **values})
    with suppress(FileNotFoundError):
        files[criteria.FILE] = criteria.carried((folder / criteria.FILE).read_bytes(), files[criteria.FILE])
    return ledger.plan(folder, {name: files[name] for name in _REGENERATED}, kind=KIND)


def _answers(signature: "Signature") -> str:
    output = signature.output
    if output.task == "regression":
        return "a number" if output.width == 1 else f"{output.width} numbers"
    labels = ", ".join(str(label) for label in output.classes[:_CATEGORIES_SHOWN])
    more = ", …" if len(output.classes) > _CATEGORIES_SHOWN else ""
    return f"one of {labels}{more}" + (", with a probability for each" if output.probabilities else "")


def _feature_values(feature: "Feature") -> str:
    if feature.categories is not None:
        shown = ", ".join(str(category) for category in feature.categories[:_CATEGORIES_SHOWN])
        more = f" and {len(feature.categories) - _CATEGORIES_SHOWN} more"
        unknown = "; others are refused" if feature.unknown_category == "error" else "; others are accepted"
        return shown + (more if len(feature.categories) > _CATEGORIES_SHOWN else "") + unknown
    if feature.minimum is not None and feature.maximum is not None:
        return f"{feature.minimum:g} to {feature.maximum:g} in training"
    return "any"
