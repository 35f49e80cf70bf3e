"""The application, as `python -m specweave_runtime.server api.main:app` serves it."""

from specweave_runtime.service import create_app

from .models import Features
from .predict import answer, batch_answer
from .settings import settings

app = create_app(settings(), name="credit-model", features=Features, answer=answer, batch_answer=batch_answer)
