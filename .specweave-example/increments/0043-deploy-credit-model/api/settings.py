"""Where the model is, and the limits of a request; README.md names the environment variables that change them."""

from pathlib import Path

from specweave_runtime.settings import Settings

PACKAGE = Path(__file__).parent / "../../../models/credit-model/0043-v2"


def settings() -> Settings:
    """The settings of this process."""
    return Settings.from_environment(PACKAGE, body_bytes=1_048_576, batch_rows=1_000)
