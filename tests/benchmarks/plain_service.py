"""The service that people write by hand, as the baseline that ours is measured against.

FastAPI, `async def`, a joblib model, one row at a time. Run it on one core:

    MODEL=model.joblib FEATURES=features.json taskset -c 0 python -m uvicorn plain_service:app --port 9000 --no-access-log

MODEL     path of a joblib file holding a fitted classifier or Pipeline
FEATURES  path of a JSON list of the feature names, in the model's order; with FRAME=1 a one-row DataFrame is built
          (what a Pipeline with a ColumnTransformer needs), otherwise a list of lists
"""
# ruff: noqa - it stands for other people's code, and is kept as it was measured

import json
import os

import joblib
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL"])
with open(os.environ["FEATURES"], encoding="utf-8") as file:
    names = json.load(file)
as_frame = os.environ.get("FRAME") == "1"


class Request(BaseModel):
    features: dict


@app.post("/predict")
async def predict(request: Request):
    row = [request.features[name] for name in names]
    if as_frame:
        import pandas as pd

        rows = pd.DataFrame([row], columns=names)
    else:
        rows = [row]
    prediction = model.predict(rows)[0]
    return {"prediction": prediction.item() if hasattr(prediction, "item") else prediction}


@app.get("/health")
async def health():
    return {"status": "healthy"}
