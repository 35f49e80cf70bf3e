import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import specweave
from specweave import command_line, texts
from specweave.arguments import hint, parameters
from specweave.cli.groups import GROUPS, root
from specweave.command import Context
from specweave.mcp_server import create_server
from specweave.registry import ENTRIES, Entry, find

ROOT = Path(__file__).resolve().parents[2]
SHELL_OPTIONS = {"--json", "--project", "--debug", "--help", "--approve", "--version", "--http", "--check"}
# Announced for later: a document may name them where the same line says that they are not built, and the template of a
# deployment binds tasks to them, which `sw do` leaves to people with these words.
LATER = {("ml", "setup-monitoring"), ("ml", "create-ab-test")}
NOT_BUILT = re.compile(r"not built|later|\*\*Run\*\*", re.IGNORECASE)
MENTION = re.compile(
    r"(?:/(?P<slash>sw|ml):|\bspecweave (?P<shell>sw|ml) )(?P<name>[a-z][a-z-]*[a-z])(?P<rest>[^`\n|]*)"
)
TOOL = re.compile(r"(?<![\w./-])(?:ml|sw)_[a-z_]*[a-z](?![\w.(=])")
IMPORT = re.compile(r"^\s*(?:>>> )?from (?P<module>specweave[\w.]*) import (?P<names>[\w, ]+)$", re.MULTILINE)
OPTION = re.compile(r"(?<!\S)(--[a-z][a-z-]*)")

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.slash)


def documents() -> Iterator[Path]:
    for pattern in ("*.md", "docs/**/*.md", "commands/**/*.md", "skills/**/*.md", "templates/**/*"):
        yield from (path for path in sorted(ROOT.glob(pattern)) if path.is_file())


each_document = pytest.mark.parametrize("path", list(documents()), ids=lambda path: path.relative_to(ROOT).as_posix())


def _options(entry: Entry) -> set[str]:
    found = set()
    for parameter in parameters(entry.load().request):
        found |= {parameter.option, "--no-" + parameter.option[2:]} if parameter.shape == "flag" else {parameter.option}
    return found


@pytest.mark.anyio
async def test_the_names_are_the_same_on_every_face(context: Context) -> None:
    names = {(entry.group, entry.name) for entry in ENTRIES}
    server = create_server(context)
    pages = {(path.parent.name, path.stem) for path in (ROOT / "commands").rglob("*.md")}
    skills = {
        (group, path.name)
        for group in GROUPS
        for path in (ROOT / "plugin" / group / "skills").iterdir()
        if path.is_dir()
    }
    shell = {
        (group, name)
        for group in GROUPS
        for name in root().commands[group].list_commands(None)  # type: ignore[attr-defined]
    }
    modules = {
        (path.parent.name, path.stem.replace("_", "-"))
        for group in GROUPS
        for path in (ROOT / "plugin/specweave/operations" / group).glob("*.py")
        if path.stem != "__init__"
    }
    assert {tool.name for tool in await server.list_tools()} == {f"{g}_{n}".replace("-", "_") for g, n in names}
    assert {prompt.name for prompt in await server.list_prompts()} == {f"{g}-{n}" for g, n in names}
    assert pages == skills == shell == modules == names


@each_entry
def test_the_declaration_agrees_with_the_registry(entry: Entry) -> None:
    command = entry.load()
    assert (command.group, command.name) == (entry.group, entry.name)
    assert command.examples
    assert not (command.annotations.read_only and command.annotations.destructive)


@each_entry
def test_every_example_can_be_typed(entry: Entry) -> None:
    command = entry.load()
    for example in command.examples:
        command_line.parse(command.request, shlex.split(example))


@each_entry
def test_every_parameter_says_what_it_means(entry: Entry) -> None:
    for parameter in parameters(entry.load().request):
        assert parameter.description, parameter.field
        assert parameter.description.endswith("."), parameter.field
        assert parameter.option not in SHELL_OPTIONS - {"--version"}, parameter.field


@each_entry
def test_the_page_of_a_command_begins_with_its_summary_and_has_its_hint(entry: Entry) -> None:
    text = texts.command_text(entry)
    assert text.description.startswith(entry.summary + ". Use ")
    assert text.argument_hint == hint(entry.load().request)
    assert text.body.startswith(f"# {entry.slash} $ARGUMENTS\n")
    assert f"`{entry.tool}`" in text.body
    assert f"specweave {entry.group} {entry.name}" in text.body


@each_entry
def test_every_option_on_the_page_of_a_command_exists(entry: Entry) -> None:
    spans = re.findall(r"`(--[a-z-]+)", texts.command_text(entry).body)
    assert set(spans) <= _options(entry) | SHELL_OPTIONS


@each_document
def test_every_command_and_option_that_is_mentioned_exists(path: Path) -> None:
    text = path.read_text("utf-8")
    for mention in MENTION.finditer(text):
        line = text[text.rfind("\n", 0, mention.start()) + 1 : text.find("\n", mention.end())]
        group, name = mention["slash"] or mention["shell"], mention["name"]
        if (group, name) in LATER and NOT_BUILT.search(line):
            continue
        entry = find(group, name)
        unknown = set(OPTION.findall(mention["rest"])) - _options(entry) - SHELL_OPTIONS
        assert not unknown, f"{mention.group().strip()}: {unknown}"


@each_document
def test_every_tool_that_is_mentioned_exists(path: Path) -> None:
    tools = {entry.tool for entry in ENTRIES}
    assert set(TOOL.findall(path.read_text("utf-8"))) <= tools


@each_document
def test_every_python_name_that_is_mentioned_exists(path: Path) -> None:
    for found in IMPORT.finditer(path.read_text("utf-8")):
        names = [name.strip().split(" as ")[0] for name in found["names"].split(",")]
        module = importlib.import_module(found["module"])
        missing = [name for name in names if not hasattr(module, name)]
        assert not missing, f"{found['module']}: {missing}"


@each_entry
def test_every_error_code_on_the_page_of_a_command_is_raised_somewhere(entry: Entry) -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "plugin").rglob("*.py"))
    codes = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", texts.command_text(entry).body))
    assert {code for code in codes if f'"{code}"' not in source} == set()


def test_the_public_names_are_those_that_can_be_seen() -> None:
    assert sorted(specweave.__all__) == specweave.__all__ == dir(specweave)
    for name in specweave.__all__:
        assert getattr(specweave, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'create_batch_predictor'"):
        getattr(specweave, "create_batch_predictor")  # noqa: B009 - mypy knows that it is not there
