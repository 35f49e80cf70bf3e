"""From a trained model to a running, reversible production service, in increments that people review in git.

The public names are loaded on first use, so that `import specweave` costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specweave.api import ModelVersion, containerize_model, create_model_api, load_test_model

    __version__: str

__all__ = ["ModelVersion", "__version__", "containerize_model", "create_model_api", "load_test_model"]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - loaded on first use

        return version("specweave-ml")
    if name in __all__:
        from specweave import api  # noqa: PLC0415 - loaded on first use

        return getattr(api, name)
    raise AttributeError(f"module 'specweave' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
