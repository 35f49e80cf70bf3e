"""The assistants' files of a checkout, made from commands/, skills/ and the registry: written, or checked for drift.

Commands become skills of the plugins `ml` and `sw`, which is what gives `/ml:deploy` in Claude Code and `ml:deploy` in
Codex; `core` holds the MCP server and the knowledge skills, once, so that no tool is listed twice.
"""

import json
from pathlib import Path

from specweave import __version__
from specweave.arguments import Parameter, hint, parameters
from specweave.errors import (
    ConflictError,
    GateError,
    HostError,
    InternalError,
    InvalidInputError,
    ModelError,
    NotFoundError,
    OperationError,
    SpecweaveError,
)
from specweave.files import atomic
from specweave.operations.validation import reference
from specweave.registry import ENTRIES, Entry
from specweave.texts import command_text

_DESCRIPTIONS = {
    "core": "specweave's tools (MCP server) and its knowledge of deploying models",
    "ml": "Slash commands from a trained model to a running, reversible service",
    "sw": "Slash commands for increments: spec, plan, tasks and their evidence",
}
# Everything in these belongs to the generator; a file it does not know is drift.
_OWNED = (".claude-plugin", "plugin/core", "plugin/ml", "plugin/sw")
_NOTICE = "<!-- Generated from {source} by `specweave slash`; edit that file instead. -->"
_SERVER = {"mcpServers": {"specweave": {"command": "specweave", "args": ["mcp"]}}}
_ERRORS: tuple[type[SpecweaveError], ...] = (
    OperationError,
    InvalidInputError,
    NotFoundError,
    ConflictError,
    GateError,
    ModelError,
    HostError,
    InternalError,
)


def differences(root: Path | None = None) -> list[str]:
    """The files of the checkout that are not as they would be generated, relative paths in order.

    Args:
        root: the checkout; by default the one this module lies in.

    Raises:
        NotFoundError: `checkout-not-found` where the tool runs from an installed wheel.
    """
    root = root or _checkout()
    wanted = files(root)
    changed = {path for path, content in wanted.items() if _read(root / path) != content}
    return sorted(changed | (_present(root) - wanted.keys()))


def write(root: Path | None = None) -> list[str]:
    """Make the checkout's files as they should be; the relative paths that were written or removed."""
    root = root or _checkout()
    wanted = files(root)
    changed = differences(root)
    for path in changed:
        if path in wanted:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            atomic.write(root / path, wanted[path])
        else:
            (root / path).unlink()
    return changed


def files(root: Path) -> dict[str, bytes]:
    """Every generated file: relative path to content."""
    made = {".claude-plugin/marketplace.json": _json(_marketplace()), "docs/commands.md": _reference().encode()}
    made[reference.PATH] = reference.page(_NOTICE.format(source="plugin/specweave/operations/validation/")).encode()
    for plugin, description in _DESCRIPTIONS.items():
        manifest = _json(_manifest(plugin, description))
        made[f"plugin/{plugin}/plugin.json"] = manifest
        made[f"plugin/{plugin}/.claude-plugin/plugin.json"] = manifest
    made["plugin/core/mcp.json"] = made["plugin/core/.mcp.json"] = _json(_SERVER)
    for entry in ENTRIES:
        made[f"plugin/{entry.group}/skills/{entry.name}/SKILL.md"] = _skill(entry).encode()
    for path in sorted((root / "skills").rglob("*")):
        if path.is_file():
            made[f"plugin/core/skills/{path.relative_to(root / 'skills').as_posix()}"] = path.read_bytes()
    return made


def _checkout() -> Path:
    root = Path(__file__).resolve().parents[2]
    if not (root / "commands").is_dir() or not (root / "pyproject.toml").is_file():
        raise NotFoundError(
            "checkout-not-found",
            "the assistants' files belong to a checkout of specweave, and this is an installed one",
            next_step="run it in a clone of the repository",
        )
    return root


def _present(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for folder in _OWNED
        for path in (root / folder).rglob("*")
        if path.is_file() or path.is_symlink()
    }


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _marketplace() -> dict[str, object]:
    return {
        "name": "specweave",
        "owner": {"name": "specweave"},
        "metadata": {"description": "From a trained model to a running, reversible service, in reviewed increments"},
        "plugins": [
            {"name": name, "source": f"./plugin/{name}", "description": description}
            for name, description in _DESCRIPTIONS.items()
        ],
    }


def _manifest(plugin: str, description: str) -> dict[str, object]:
    manifest: dict[str, object] = {
        "name": plugin,
        "version": __version__,
        "description": description,
        "author": {"name": "specweave"},
        "license": "MIT",
    }
    if plugin != "core":
        manifest["dependencies"] = ["core"]
    return manifest


def _skill(entry: Entry) -> str:
    text = command_text(entry)
    return "\n".join(
        (
            "---",
            f"name: {entry.name}",
            f"description: {json.dumps(text.description, ensure_ascii=False)}",
            "metadata:",
            f"  argument-hint: {json.dumps(text.argument_hint, ensure_ascii=False)}",
            "---",
            "",
            _NOTICE.format(source=f"commands/{entry.group}/{entry.name}.md"),
            "",
            text.body,
        )
    )


def _reference() -> str:
    lines = [
        "# Commands",
        "",
        _NOTICE.format(source="the registry"),
        "",
        "| slash command | shell | MCP tool | prompt | what it does |",
        "|---|---|---|---|---|",
    ]
    for entry in ENTRIES:
        shell = f"specweave {entry.group} {entry.name}"
        prompt = f"{entry.group}-{entry.name}"
        lines.append(f"| `{entry.slash}` | `{shell}` | `{entry.tool}` | `{prompt}` | {entry.summary} |")
    lines += [
        "",
        "In a shell each also takes `--json` (one JSON document on stdout), `--project DIR`, `--debug`",
        "and `--help`; those that may ask a person take `--approve`, which answers with yes.",
    ]
    for entry in ENTRIES:
        lines += ["", *_section(entry)]
    lines += [
        "",
        "## Exit statuses",
        "",
        "| status | meaning |",
        "|---|---|",
        "| 0 | done, and the result is positive |",
    ]
    lines.append("| 1 | done, and the result is negative (a load test beyond its objective) |")
    for error in _ERRORS:
        meaning = (error.__doc__ or "").splitlines()[0].rstrip(".")
        lines.append(f"| {error.exit_status} | {meaning[0].lower() + meaning[1:]} |")
    lines += ["| 130 | interrupted (ctrl-C) |", "| 143 | terminated (SIGTERM) |", ""]
    lines += [
        "With `--json` stdout carries one JSON document and nothing else; an error is",
        '`{"error": {"code": …, "message": …, "next_step": …, "details": …}}`.',
        "",
    ]
    return "\n".join(lines)


def _section(entry: Entry) -> list[str]:
    command = entry.load()
    said = command.annotations
    words = [
        "changes nothing" if said.read_only else "writes",
        *(["may replace or stop what runs"] if said.destructive else []),
        *(["repeating it changes nothing more"] if said.idempotent and not said.read_only else []),
        *(["may ask a person for a yes first"] if command.approval else []),
    ]
    lines = [
        f"## {entry.slash}",
        "",
        f"`{entry.slash} {hint(command.request)}`",
        "",
        f"{entry.summary}; {', '.join(words)}.",
    ]
    rows = [_row(parameter) for parameter in parameters(command.request)]
    if rows:
        lines += ["", "| parameter | option | value | default | meaning |", "|---|---|---|---|---|", *rows]
    lines += [
        "",
        "```sh",
        *(f"specweave {entry.group} {entry.name} {example}".rstrip() for example in command.examples),
        "```",
    ]
    return lines


def _row(parameter: Parameter) -> str:
    value = "flag" if parameter.shape == "flag" else parameter.placeholder.replace("|", " \\| ")
    value += ",…" if parameter.shape == "many" else ""
    default = "required" if parameter.required else _default(parameter.default)
    position = " (or by position)" if parameter.positional else ""
    return f"| `{parameter.field}` | `{parameter.option}`{position} | {value} | {default} | {parameter.description} |"


def _default(value: object) -> str:
    if value is None or value in ((), [], {}, False):
        return ""
    if isinstance(value, (list, tuple)):
        return ",".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
