"""What the processes do: commands by their own door, and edits of documents as people make them."""

import re
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from places import SPEC, TASKS, Journal, Place, write_by_hand

from specweave import registry, slash_line
from specweave.command import Context
from specweave.errors import SpecweaveError
from specweave.host import RealHost
from specweave.increments import names
from specweave.project import Project

# How often each is taken. All but the last three lines are slash commands; `{}` stands for an increment.
WEIGHTS = {
    "/sw:inc": 6,
    "/sw:do {}": 12,
    "/sw:do {} --task T-001": 2,
    "/sw:do {} --parallel 3": 3,
    "/sw:do {} --as {who}": 3,
    "/sw:next {}": 2,
    "/sw:verify {}": 3,
    "/sw:validate {}": 2,
    "/sw:done {}": 2,
    '/sw:done {} --reason "enough for now"': 2,
    "/sw:status": 2,
    "/sw:status {}": 2,
    "/sw:progress {}": 2,
    "/sw:diff {}": 1,
    "/sw:pause {} --reason 'something else comes first'": 4,
    "/sw:resume {}": 4,
    "/sw:abandon {} --reason 'not needed'": 2,
    '/sw:reopen {} --reason "it is needed after all"': 3,
    "/sw:archive {}": 3,
    "/sw:restore {}": 4,
    "/sw:sync {}": 5,
    "a note": 24,
    "a tick": 5,
    "an evidence line that goes": 3,
}
MAY_COMMIT = ("pause", "resume", "abandon", "reopen", "archive", "restore", "sync", "do")
COMMITS = 0.2
AWAY = 0.15
# Most of the time all are at the newest increments, so that they meet.
TOGETHER, CROWDED = 0.8, 2
CASES = ("spec.md", "plan.md", "tasks.md")


@dataclass
class Actor:
    """One that acts: a process with a worktree, dice and a journal."""

    place: Place
    tree: Path
    name: str
    dice: Random
    journal: Journal
    count: int = 0

    @property
    def context(self) -> Context:
        return Context(Project(self.tree), RealHost(), actor="python")

    def act(self) -> None:
        """Do something, and write down what became of it."""
        (kind,) = self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()))
        folder = self._folder()
        if folder is None and ("{}" in kind or not kind.startswith("/")):
            kind = "/sw:inc"
        self.count += 1
        if kind.startswith("/"):
            self.command(self._line(kind, folder))
        elif folder is not None:
            {"a note": self.add_note, "a tick": self.tick}.get(kind, self.drop_evidence)(folder)

    def command(self, line: str) -> None:
        """Run a slash command."""
        self.journal.note(does=line, tree=self.tree.name)
        try:
            call = slash_line.parse(line)
            result = call.command.run(call.request, self.context)
        except SpecweaveError as error:
            self.journal.note(line=line, tree=self.tree.name, refused=error.code, step=bool(error.next_step))
            return
        except Exception as error:  # noqa: BLE001 - this is what must not be
            self.journal.note(line=line, tree=self.tree.name, broken=f"{type(error).__name__}: {error}")
            return
        answer = result.model_dump(mode="json")
        self.journal.note(line=line, tree=self.tree.name, answer=_kept(answer))
        if line.startswith("/sw:inc"):
            self.fill_in(self.tree / answer["folder"])

    def fill_in(self, folder: Path) -> None:
        """What a person does with a new increment: say what it is about, with tasks that can be run."""
        for name, text in (("spec.md", SPEC), ("tasks.md", TASKS)):
            new = text.format(id=folder.name, title=folder.name)
            write_by_hand(self.place, folder / name, lambda old, new=new: new + "".join(_notes(old)))

    def add_note(self, folder: Path) -> None:
        """A line at the end of a document, which must never be lost."""
        document = self.dice.choice(CASES)
        text = f"Note {self.name}-{self.count}."
        if write_by_hand(self.place, folder / document, lambda old: old + text + "\n"):
            self.journal.note(note=text, increment=folder.name, document=document, tree=self.tree.name)

    def tick(self, folder: Path) -> None:
        """A person ticks the box of their task, or takes the tick away."""

        def turn(old: str) -> str:
            head, mark, rest = old.partition("### T-003")
            ticked = rest.replace("[ ] pending", "[x] completed", 1)
            return head + mark + (ticked if ticked != rest else rest.replace("[x] completed", "[ ] pending", 1))

        write_by_hand(self.place, folder / "tasks.md", turn)

    def drop_evidence(self, folder: Path) -> None:
        """A person takes a line away that says what metadata.json knows."""
        write_by_hand(self.place, folder / "tasks.md", lambda old: re.sub(r"\*\*Evidence\*\*.*\n", "", old, count=1))

    def _folder(self) -> Path | None:
        """An increment of this worktree, seldom one that is put away."""
        increments = self.tree / ".specweave" / "increments"
        if self.dice.random() < AWAY:
            increments = increments / "_archive"
        try:
            found = sorted(path for path in increments.iterdir() if names.number_of(path.name) is not None)
        except FileNotFoundError:
            return None
        crowd = found[-CROWDED:] if self.dice.random() < TOGETHER else found
        return self.dice.choice(crowd) if crowd else None

    def _line(self, kind: str, folder: Path | None) -> str:
        if kind == "/sw:inc":
            return f"/sw:inc 'Thing {self.count} of {self.name}'"
        line = kind.format(folder.name.partition("-")[0] if folder else "", who=self.name)
        if slash_line.split(line).name in MAY_COMMIT and self.dice.random() < COMMITS:
            line += " --commit"
        return line


def load() -> None:
    """Import what the acts need, once, before there are many processes."""
    for kind in WEIGHTS:
        if kind.startswith("/"):
            registry.find("sw", slash_line.split(kind).name).load()


def _notes(text: str) -> list[str]:
    return [line for line in text.splitlines(keepends=True) if line.startswith("Note ")]


def _kept(answer: dict[str, Any]) -> dict[str, Any]:
    """Of an answer what must be found again afterwards."""
    return {key: answer[key] for key in ("increment", "folder", "ran", "report", "commit") if key in answer}
