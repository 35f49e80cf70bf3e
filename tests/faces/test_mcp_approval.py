"""A person's yes: asked for in both eras of the protocol, and good only for what was asked about."""

from dataclasses import replace
from types import ModuleType
from typing import Literal

import pytest
from mcp import Client
from tests.faces.clients import Mode, answering, error_of

from specweave.command import AnyCommand, Context
from specweave.mcp_server import create_server
from specweave.registry import Entry

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("error::mcp.MCPDeprecationWarning")]


async def test_a_yes_goes_on(context: Context, entry: Entry, mode: Mode) -> None:
    asked: list[str] = []
    answer = answering("accept", approve=True, asked=asked)
    async with Client(create_server(context, [entry]), mode=mode, elicitation_callback=answer) as client:
        result = await client.call_tool("ml_deploy", {"environment": "production"})
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["approved"] is True
    assert asked == ["Deploy to production?"]


@pytest.mark.parametrize(("action", "approve"), [("accept", False), ("decline", False), ("cancel", False)])
async def test_a_no_does_nothing(
    context: Context, entry: Entry, mode: Mode, action: Literal["accept", "decline", "cancel"], approve: bool
) -> None:
    answer = answering(action, approve=approve)
    async with Client(create_server(context, [entry]), mode=mode, elicitation_callback=answer) as client:
        error = error_of(await client.call_tool("ml_deploy", {"environment": "production"}))
    assert error["code"] == "approval-declined"


async def test_a_client_that_cannot_ask_is_told_what_a_person_types(context: Context, entry: Entry, mode: Mode) -> None:
    async with Client(create_server(context, [entry]), mode=mode) as client:
        error = error_of(await client.call_tool("ml_deploy", {"increment": "0043", "environment": "production"}))
    assert error["code"] == "approval-required"
    assert "`specweave ml deploy 0043 --environment production --approve`" in error["next_step"]


async def test_nothing_is_asked_where_nothing_needs_approval(context: Context, entry: Entry, mode: Mode) -> None:
    asked: list[str] = []
    answer = answering("accept", approve=True, asked=asked)
    async with Client(create_server(context, [entry]), mode=mode, elicitation_callback=answer) as client:
        result = await client.call_tool("ml_deploy", {"environment": "staging"})
    assert result.structured_content is not None
    assert (asked, result.structured_content["approved"]) == ([], False)


class Changing:
    """A command whose question is about something that others change.

    Attributes:
        digest: what it is about.
        asked: how often the question was computed.
        changes_at: which computation finds something new.
    """

    def __init__(self, exercise: ModuleType) -> None:
        self.exercise = exercise
        self.digest, self.asked, self.changes_at = "aaaa", 0, -1
        self.ran_with: list[str] = []

    def change(self) -> None:
        self.digest += "b"

    def question(self, _request: object, _context: Context) -> str:
        self.asked += 1
        if self.asked == self.changes_at:
            self.change()
        return f"Deploy {self.digest}?"

    def run(self, request: object, context: Context) -> object:
        self.ran_with.append(self.digest)
        return self.exercise.run(request, context)

    def entry(self) -> Entry:
        command: AnyCommand = replace(self.exercise.EXERCISE, approval=self.question, run=self.run)

        class ChangingEntry(Entry):
            def load(self) -> AnyCommand:
                return command

        return ChangingEntry("ml", "deploy", "Bring a version to an environment, or stop it there")


async def test_what_changes_while_a_person_thinks_is_not_done_on_their_old_answer(
    context: Context, exercise: ModuleType, mode: Mode
) -> None:
    changing = Changing(exercise)
    asked: list[str] = []

    def meanwhile() -> None:
        if len(asked) == 1:
            changing.change()

    answer = answering("accept", approve=True, asked=asked, meanwhile=meanwhile)
    async with Client(create_server(context, [changing.entry()]), mode=mode, elicitation_callback=answer) as client:
        result = await client.call_tool("ml_deploy", {})
        if mode == "legacy":
            error = error_of(result)
            assert error["code"] == "approval-outdated"
            assert error["details"] == {"answered": "Deploy aaaa?", "question": "Deploy aaaab?"}
            assert changing.ran_with == []
            assert asked == ["Deploy aaaa?"]
            assert not (await client.call_tool("ml_deploy", {})).is_error
        # Since 2026-07-28 an answer belongs to the very question that was shown, so the person is asked anew.
        assert asked == ["Deploy aaaa?", "Deploy aaaab?"]
    assert changing.ran_with == ["aaaab"]


async def test_what_changes_between_the_answer_and_the_start_is_not_done(
    context: Context, exercise: ModuleType, mode: Mode
) -> None:
    changing = Changing(exercise)
    # Computed once to ask, in the newer protocol once more to match the answer, and then before the command runs.
    changing.changes_at = 2 if mode == "legacy" else 3
    answer = answering("accept", approve=True)
    async with Client(create_server(context, [changing.entry()]), mode=mode, elicitation_callback=answer) as client:
        error = error_of(await client.call_tool("ml_deploy", {}))
    assert error["code"] == "approval-outdated"
    assert changing.ran_with == []
