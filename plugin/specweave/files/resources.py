"""Where the templates, command texts and skills lie: in the installed wheel, or in the checkout."""

from pathlib import Path
from typing import Literal

from specweave.errors import HostError

_PACKAGE = Path(__file__).resolve().parents[1]


def folder(name: Literal["templates", "commands", "skills"]) -> Path:
    """The folder of that name.

    Raises:
        HostError: `installation-incomplete`.
    """
    candidates = (_PACKAGE / "_data" / name, _PACKAGE.parents[1] / name)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise HostError(
        "installation-incomplete",
        f"the installation of specweave has no folder {name}",
        next_step="install it again",
    )
