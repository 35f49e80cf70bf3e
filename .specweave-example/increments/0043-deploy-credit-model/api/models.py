"""What credit-model takes and answers, as it travels in JSON."""

from typing import Literal

from msgspec import Struct, field
from specweave_runtime.values import Integer, Number

Label = Literal["bad", "good"]


class Features(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One row.

    Attributes:
        seniority: 0 to 48 in the training data. May be null.
        home: 6 known categories; others are accepted. May be null.
        time: 6 to 72 in the training data. May be null.
        age: 18 to 68 in the training data. May be null.
        marital: 5 known categories; others are accepted. May be null.
        records: 2 known categories; others are accepted. May be null.
        job: 4 known categories; others are accepted. May be null.
        expenses: 35 to 173 in the training data. May be null.
        income: 6 to 830 in the training data. May be null.
        assets: 0 to 300000 in the training data. May be null.
        debt: 0 to 30000 in the training data. May be null.
        amount: 100 to 5000 in the training data. May be null.
        price: 105 to 11140 in the training data. May be null.
    """

    seniority: Integer | None = field(name="Seniority")
    home: str | None = field(name="Home")
    time: Integer | None = field(name="Time")
    age: Integer | None = field(name="Age")
    marital: str | None = field(name="Marital")
    records: str | None = field(name="Records")
    job: str | None = field(name="Job")
    expenses: Integer | None = field(name="Expenses")
    income: Number | None = field(name="Income")
    assets: Number | None = field(name="Assets")
    debt: Number | None = field(name="Debt")
    amount: Integer | None = field(name="Amount")
    price: Integer | None = field(name="Price")


class Prediction(Struct, frozen=True, gc=False):
    """What the model says about one row.

    Attributes:
        prediction: the most probable class.
        probability: that it is good.
    """

    prediction: Label
    probability: float


class Answer(Prediction, frozen=True, gc=False):
    """The answer to one row.

    Attributes:
        model_version: the version that predicted.
        inference_time_ms: how long the prediction took, milliseconds.
    """

    model_version: str
    inference_time_ms: float


class BatchAnswer(Struct, frozen=True, gc=False):
    """The answer to many rows.

    Attributes:
        predictions: one for each row, in their order.
        model_version: the version that predicted all of them.
        inference_time_ms: how long the predictions took together, milliseconds.
    """

    predictions: list[Prediction]
    model_version: str
    inference_time_ms: float
