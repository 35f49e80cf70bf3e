"""Every command, once. Adding one: a module in operations, a page in commands/, a line here."""

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from specweave.errors import NotFoundError

if TYPE_CHECKING:
    from specweave.command import AnyCommand


class Entry(NamedTuple):
    """A command before it is loaded: enough for a listing, at no cost.

    Attributes:
        group: `sw` or `ml`.
        name: the verb, with hyphens.
        summary: one line, imperative, without a full stop.
    """

    group: str
    name: str
    summary: str

    @property
    def slash(self) -> str:
        """As typed in chat: `/ml:load-test`."""
        return f"/{self.group}:{self.name}"

    @property
    def tool(self) -> str:
        """As an MCP tool: `ml_load_test`."""
        return f"{self.group}_{self.name}".replace("-", "_")

    def load(self) -> "AnyCommand":
        """Import the command's module and return what it declares."""
        module = import_module(f"specweave.operations.{self.group}.{self.name.replace('-', '_')}")
        command: AnyCommand = module.COMMAND
        return command


ENTRIES: tuple[Entry, ...] = (
    Entry("sw", "inc", "Create an increment: a folder with spec, plan and tasks"),
    Entry("sw", "next", "Say what to do now, and why"),
    Entry("sw", "do", "Run the ready tasks of an increment by their bound commands and tests"),
    Entry("sw", "verify", "Run the tests bound to the criteria, and write what shows each of them"),
    Entry("sw", "validate", "Find what is wrong with an increment, by rules with a code each"),
    Entry("sw", "done", "Close an increment when every criterion has passing evidence, or list what is missing"),
    Entry("sw", "status", "Show the increments and what each needs next"),
    Entry("sw", "progress", "Show how far an increment is, per story, criterion and task"),
    Entry("sw", "diff", "Show what changed in an increment since a git revision"),
    Entry("sw", "pause", "Put work on an increment off, with the reason"),
    Entry("sw", "resume", "Go on with a paused increment, in the state it was in"),
    Entry("sw", "abandon", "Close an increment that will not be finished, with the reason"),
    Entry("sw", "reopen", "Take a completed or abandoned increment up again, for a reason"),
    Entry("sw", "archive", "Put a completed or abandoned increment away"),
    Entry("sw", "restore", "Bring an archived increment back"),
    Entry("sw", "sync", "Repair what has drifted between metadata.json, documents and reports"),
    Entry("sw", "migrate", "Bring increments of older SpecWeave generations to this format, losing nothing"),
    Entry("sw", "adopt", "Make an increment of a list of tasks, a spec-kit feature or an OpenSpec change"),
    Entry("ml", "inspect", "Read a trained model and its data: inputs, outputs, statistics"),
    Entry("ml", "deploy-prepare", "Make a deployment increment: model package, deployment.yaml, artifacts"),
    Entry("ml", "create-api", "Generate the HTTP service of a model"),
    Entry("ml", "containerize", "Generate the Dockerfile of a service, and build it where a builder is at hand"),
    Entry("ml", "load-test", "Measure latency and errors of the service at given request rates"),
    Entry("ml", "deploy", "Bring a version to an environment, or stop it there"),
    Entry("ml", "rollback", "Return an environment to the version before"),
    Entry("ml", "status", "Show what runs in each environment: version, health, address"),
)

# Later names that people type; the commands' own names stand above.
ALIASES = {("sw", "increment"): "inc"}


# What a deployment increment plans, and no version has yet: people do it.
PLANNED = frozenset({("ml", "setup-monitoring"), ("ml", "create-ab-test")})
COMMAND_NOT_BUILT = "command-not-built"


def find(group: str, name: str) -> Entry:
    """The entry of one command by its name or alias; `find("ml", "load-test")`.

    Raises:
        NotFoundError: `command-not-found`, `command-not-built`.
    """
    wanted = (group, ALIASES.get((group, name), name))
    for entry in ENTRIES:
        if (entry.group, entry.name) == wanted:
            return entry
    if wanted in PLANNED:
        raise NotFoundError(
            COMMAND_NOT_BUILT, f"/{group}:{name} is not built yet", next_step="do the task by hand, and tick its box"
        )
    known = ", ".join(entry.slash for entry in ENTRIES)
    raise NotFoundError("command-not-found", f"there is no command /{group}:{name}", next_step=f"use one of {known}")
