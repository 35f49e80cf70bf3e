"""Names of increments: `0043-deploy-credit-model`."""

import re
import unicodedata
from typing import Literal

from specweave.errors import InvalidInputError

_ID = re.compile(r"(?P<number>\d{4,6})-(?P<slug>[a-z0-9]+(?:-[a-z0-9]+)*)")
_LIKE_ID = re.compile(r"\d{4,6}(?:-|$)")
# Folders of older tools: three digits, capitals, a letter for an increment that came from elsewhere (E, J for Jira).
_FOLDER = re.compile(r"(?P<number>\d{1,6})[A-Z]?(?:-.*)?", re.DOTALL)
_CLIMBING = re.compile(r"\.\.[/\\]|[/\\]\.\.")
_SLUG_CHARACTERS = 60
_TITLE_CHARACTERS = 120


def number_of(folder_name: str) -> int | None:
    """The number of an increment folder, None for a folder that is none."""
    match = _FOLDER.fullmatch(folder_name)
    return int(match["number"]) if match else None


def parse_id(text: str) -> tuple[int, str] | None:
    """Number and slug of `0043-deploy-credit-model`; None for a title.

    Raises:
        InvalidInputError: `increment-name-invalid` for text that begins like an id and is none.
    """
    if not _LIKE_ID.match(text):
        return None
    match = _ID.fullmatch(text)
    if match is None or len(match["slug"]) > _SLUG_CHARACTERS or int(match["number"]) == 0:
        raise InvalidInputError(
            "increment-name-invalid",
            f"{_shown(text)} is no increment id: it needs four digits and at most {_SLUG_CHARACTERS} lower-case "
            "letters, digits and single hyphens",
            next_step=f"write it as {_suggestion(text)}, or give a title instead",
        )
    return int(match["number"]), match["slug"]


def slug_of(title: str) -> str:
    """Lower-case letters, digits and hyphens of a title, cut at a word.

    Raises:
        InvalidInputError: `increment-name-invalid` for a title without a Latin letter or digit, a very long one, or one
            that climbs out of a folder.
    """
    if _CLIMBING.search(title):
        raise InvalidInputError(
            "increment-name-invalid",
            f"{_shown(title)} is a path, not a title",
            next_step="give a title such as 'Deploy the credit model', or an id such as 0043-deploy-credit-model",
        )
    if len(title) > _TITLE_CHARACTERS:
        raise InvalidInputError(
            "increment-name-invalid",
            f"the title has {len(title)} characters, {_TITLE_CHARACTERS} are allowed",
            next_step="say it shorter; the spec has room for the rest",
        )
    slug = _slug(title)
    if not slug:
        raise InvalidInputError(
            "increment-name-invalid",
            f"{_shown(title)} has no Latin letter or digit to name a folder by",
            next_step="give a name such as 0043-deploy-credit-model",
        )
    return slug


def type_of(title_or_id: str) -> Literal["deployment", "feature"]:
    """The type that a name suggests: one that begins with `deploy` is a deployment.

    Raises:
        InvalidInputError: `increment-name-invalid`.
    """
    wanted = parse_id(title_or_id.strip())
    slug = wanted[1] if wanted else slug_of(title_or_id)
    return "deployment" if slug == "deploy" or slug.startswith("deploy-") else "feature"


def title_of(slug: str) -> str:
    """A title for an increment that was named by its id: `deploy-credit-model` → `Deploy credit model`."""
    words = slug.replace("-", " ")
    return words[0].upper() + words[1:]


def clean_title(title: str) -> str:
    """The title on one line, without control characters."""
    visible = "".join(" " if unicodedata.category(character).startswith("C") else character for character in title)
    return " ".join(visible.split())


def _slug(text: str) -> str:
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", folded))
    if len(slug) <= _SLUG_CHARACTERS:
        return slug
    whole_words = slug[: _SLUG_CHARACTERS + 1].rpartition("-")[0]
    # One very long word is cut rather than left out.
    return whole_words if len(whole_words) > _SLUG_CHARACTERS // 2 else slug[:_SLUG_CHARACTERS].rstrip("-")


def _suggestion(text: str) -> str:
    number, _, rest = text.partition("-")
    return f"{number}-{_slug(rest) or 'deploy-credit-model'}"


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")  # noqa: PLR2004 - a line of a message
