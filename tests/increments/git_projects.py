"""Real git repositories for tests."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import store
from specweave.increments.store import Increment
from specweave.project import Project


class GitProject:
    """A project in a git repository of its own, or in one that lies above it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        self.context = Context(Project(self.root), RealHost())

    @classmethod
    def initialised(cls, root: Path) -> "GitProject":
        """In a new repository with a commit of one file."""
        project = cls(root)
        project.git("init", "--quiet", "--initial-branch=main")
        project.git("config", "user.name", "Ada")
        project.git("config", "user.email", "ada@example.org")
        project.write("train.py", "print('train')\n")
        project.git("add", "--all")
        project.git("commit", "--quiet", "--message=first")
        return project

    def git(self, *arguments: str, check: bool = True, env: Mapping[str, str] | None = None) -> str:
        """What git prints."""
        answer = subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(env or {})},
        )
        assert not check or answer.returncode == 0, answer.stderr
        return answer.stdout

    def write(self, path: str, text: str) -> Path:
        """A file of the project."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def increment(self, title: str = "work") -> Increment:
        """A new increment."""
        return store.create(self.context, title)

    def committed_files(self, commit: str = "HEAD") -> set[str]:
        """The paths that a commit changed."""
        printed = self.git("show", "--pretty=", "--name-only", "--no-renames", "-z", commit)
        return {name for name in printed.split("\0") if name}

    def hook(self, name: str, script: str) -> None:
        """A hook of the repository, a shell script."""
        path = self.write(f".git/hooks/{name}", f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


def staged(project: GitProject) -> tuple[str, str]:
    """All that is staged outside of the increments: the difference, and the entries of the index."""
    outside = ("--", ":(exclude).specweave/increments")
    return (
        project.git("diff", "--cached", "--binary", *outside),
        project.git("ls-files", "--stage", "-t", "-v", "-z", *outside),
    )
