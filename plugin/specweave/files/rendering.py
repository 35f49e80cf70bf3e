"""From a template folder and values to files; it reads templates and writes nothing.

`templates/<kind>/` mirrors the paths it generates. A file ending in `.j2` is rendered and loses that suffix; any other
is copied byte for byte. A path may hold expressions too; one that renders to nothing leaves the file out. Blocks take
their whole line (`trim_blocks`, `lstrip_blocks`); a missing value is an error; the quoting filters are those of
`specweave.files.quoting`.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from specweave.errors import InvalidInputError, NotFoundError, OperationError
from specweave.files import resources
from specweave.files.quoting import FILTERS

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment

_SUFFIX = ".j2"


def render(kind: str, values: Mapping[str, object]) -> dict[str, bytes]:
    """Every file of `templates/<kind>/`, by its path with forward slashes.

    Raises:
        NotFoundError: `template-not-found`.
        InvalidInputError: `value-not-writable` where a value cannot be said in the language of its file.
        OperationError: `template-failed` for a value that was not given, or a fault of the template.
    """
    return render_folder(resources.folder("templates"), kind, values)


def render_folder(templates: Path, kind: str, values: Mapping[str, object]) -> dict[str, bytes]:
    """The same from another folder of templates."""
    folder = templates / kind
    if not kind or kind == ".." or PurePosixPath(kind).name != kind or not folder.is_dir():
        raise NotFoundError("template-not-found", f"there are no templates of the kind {kind!r}")
    environment = _environment(templates)
    files: dict[str, bytes] = {}
    for source in _sources(folder):
        name = source.relative_to(templates).as_posix()
        relative = source.relative_to(folder).as_posix()
        path = _render_text(environment, relative.removesuffix(_SUFFIX), name, values) if "{" in relative else relative
        if not all(path.split("/")):
            continue
        checked = inside(path.removesuffix(_SUFFIX))
        files[checked] = _render_file(environment, name, values) if name.endswith(_SUFFIX) else source.read_bytes()
    return files


def inside(path: str) -> str:
    """`path`, if it is relative, posix and does not leave the folder it will be joined to.

    Raises:
        InvalidInputError: `path-leaves-folder`.
    """
    parts = path.split("/")
    if "\\" in path or "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise InvalidInputError(
            "path-leaves-folder",
            f"{path!r} is no path below the folder that is generated",
            next_step="restore .generated.json from git, if that is where it stands",
        )
    return path


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path


@cache
def _environment(templates: Path) -> "SandboxedEnvironment":
    from jinja2 import FileSystemLoader, StrictUndefined  # noqa: PLC0415 - start-up: only writers render
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415 - as above

    environment = SandboxedEnvironment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # the filters quote for the language at hand; HTML is none of them
    )
    environment.filters.update(FILTERS)
    return environment


def _render_file(environment: "SandboxedEnvironment", name: str, values: Mapping[str, object]) -> bytes:
    from jinja2 import TemplateError  # noqa: PLC0415 - jinja2 takes long to import

    try:
        return environment.get_template(name).render(values).encode("utf-8")
    except TemplateError as error:
        raise _failed(name, error) from error


def _render_text(environment: "SandboxedEnvironment", text: str, name: str, values: Mapping[str, object]) -> str:
    from jinja2 import TemplateError  # noqa: PLC0415 - as above

    try:
        return environment.from_string(text).render(values)
    except TemplateError as error:
        raise _failed(name, error) from error


def _failed(name: str, error: Exception) -> OperationError:
    line = getattr(error, "lineno", None)
    where = f"{name}, line {line}" if line else name
    return OperationError("template-failed", f"the template {where} cannot be rendered: {error}")
