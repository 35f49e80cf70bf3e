"""The life cycle: every move is in the table, and kept."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from specweave.command import Context
from specweave.errors import ConflictError, SpecweaveError
from specweave.increments import life_cycle, store
from specweave.increments.life_cycle import CLOSED, MOVES, STATES, Change, State
from specweave.increments.store import Increment

STATE = st.sampled_from(STATES)
REFUSED = "transition-not-allowed"


def advance(document: dict[str, object], to: State, reason: str | None = "for a reason") -> Change:
    return life_cycle.advance(document, to, at="2026-11-20T12:00:00Z", reason=reason, by="test", name="0001-work")


class Moves(RuleBasedStateMachine):
    """Whatever is asked for in whatever order, an increment goes from state to state by the table alone."""

    def __init__(self) -> None:
        super().__init__()
        self.document: dict[str, object] = {"status": "planned", "mine": [1, "two"]}
        self.state: State = "planned"
        self.made: list[tuple[str, str]] = []

    @rule(to=STATE, reason=st.sampled_from(["why", None, "  ", "two\nlines"]))
    def ask(self, to: State, reason: str | None) -> None:
        before = json.dumps(self.document)
        allowed = to in MOVES[self.state]
        needs_reason = self.state in CLOSED and not (reason or "").strip()
        try:
            outcome: Change | SpecweaveError = advance(self.document, to, reason)
        except SpecweaveError as error:
            outcome = error
        if isinstance(outcome, Change):
            assert outcome == (self.state, to)
            assert to == self.state or (allowed and not needs_reason)
            self.made += [] if to == self.state else [(self.state, to)]
            self.state = to
            return
        assert json.dumps(self.document) == before
        assert to != self.state
        assert (outcome.code, allowed) == (("reason-missing", True) if needs_reason and allowed else (REFUSED, False))
        if not allowed:
            assert outcome.details["possible"] == list(MOVES[self.state])

    @invariant()
    def the_document_says_so(self) -> None:
        assert self.document["status"] == self.state
        assert self.document["mine"] == [1, "two"]
        history = self.document.get("history", [])
        assert isinstance(history, list)
        assert [(entry["from"], entry["to"]) for entry in history] == self.made


TestMoves = Moves.TestCase


def test_the_table_is_closed_and_every_state_can_be_left_and_reached() -> None:
    assert set(MOVES) == set(STATES)
    for state, following in MOVES.items():
        assert following
        assert set(following) <= set(STATES) - {state}
    assert {state for following in MOVES.values() for state in following} == set(STATES)
    assert all(MOVES[state] == ("active",) for state in ("completed", "abandoned"))


@pytest.mark.parametrize("state", ["planned", "active", "ready_for_review"])
def test_each_open_state_can_be_paused_and_abandoned(state: State) -> None:
    assert {"paused", "abandoned", "completed"} <= set(MOVES[state])


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("planning", "planned"),
        ("in_progress", "active"),
        ("In Progress", "active"),
        ("done", "completed"),
        ("archived", "completed"),
        ("backlog", "planned"),
        ("blocked", "active"),
        ("", "planned"),
        (None, "planned"),
    ],
)
def test_words_of_other_tools_are_understood_and_the_first_move_is_from_them(word: str | None, state: State) -> None:
    for to in MOVES[state]:
        document: dict[str, object] = {"status": word}
        assert advance(document, to).after == to
        history = document["history"]
        assert isinstance(history, list)
        assert life_cycle.meaning(history[0]["from"]) == state
    with pytest.raises(ConflictError):
        advance({"status": word}, "paused" if state in CLOSED else "archived")  # type: ignore[arg-type]


@given(st.one_of(st.none(), st.text(), st.integers(), st.dictionaries(st.text(), st.integers()), st.lists(st.text())))
def test_what_another_tool_keeps_as_history_is_kept(kept: object) -> None:
    document: dict[str, object] = {"status": "active", "history": kept}
    advance(document, "paused")
    history = document["history"]
    assert isinstance(history, list)
    assert history[:-1] == (kept if isinstance(kept, list) else [] if kept is None else [kept])


def test_a_move_is_kept_with_its_time_its_reason_and_who_made_it(context: Context) -> None:
    increment = store.create(context, "work")
    change = life_cycle.move(context, increment, "paused", reason="waits\n for data", by="anna")
    assert change == ("planned", "paused")
    document = json.loads((increment.folder / "metadata.json").read_bytes())
    entry = {"at": "2026-11-20T12:03:00Z", "from": "planned", "to": "paused", "reason": "waits for data", "by": "anna"}
    assert (document["status"], document["history"]) == ("paused", [entry])


def test_the_same_state_again_changes_no_byte(context: Context) -> None:
    increment = store.create(context, "work")
    life_cycle.move(context, increment, "paused")
    before = (increment.folder / "metadata.json").read_bytes()
    assert life_cycle.move(context, increment, "paused", reason="again", facts={"more": 1}) == ("paused", "paused")
    assert (increment.folder / "metadata.json").read_bytes() == before


@given(st.lists(st.sampled_from(["planned", "active", "ready_for_review"]), min_size=1, max_size=4))
def test_a_paused_increment_goes_back_to_where_it_was(
    tmp_path_factory: pytest.TempPathFactory, states: list[State]
) -> None:
    folder = tmp_path_factory.mktemp("increments") / "0001-work"
    folder.mkdir()
    document: dict[str, object] = {"status": "planned"}
    for state in states:
        document["status"] = state
        advance(document, "paused")
    (folder / "metadata.json").write_text(json.dumps(document))
    increment = Increment(None, folder)  # type: ignore[arg-type]
    assert life_cycle.before_pause(increment) == states[-1]


@pytest.mark.parametrize(
    ("history", "state"),
    [
        (None, "active"),
        ("text", "active"),
        ([], "active"),
        ([1, None, {"to": "active"}], "active"),
        ([{"to": "paused", "from": "completed"}], "active"),
        ([{"to": "paused", "from": "planning"}, {"to": "active", "from": "paused"}], "planned"),
    ],
)
def test_without_a_history_it_goes_on(increment_with: Callable[..., Increment], history: object, state: State) -> None:
    increment = increment_with(metadata=json.dumps({"status": "paused", "history": history, "pausedReason": "old"}))
    assert life_cycle.before_pause(increment) == state


def test_only_what_is_paused_is_resumed_and_only_what_is_closed_is_put_away(context: Context) -> None:
    increment = store.create(context, "work")
    with pytest.raises(ConflictError) as caught:
        life_cycle.before_pause(increment)
    assert (caught.value.code, "/sw:pause 0001" in caught.value.next_step) == ("transition-not-allowed", True)
    with pytest.raises(ConflictError) as caught:
        life_cycle.require_closed(increment)
    assert "completed or abandoned" in caught.value.message
    life_cycle.move(context, increment, "abandoned")
    life_cycle.require_closed(increment)
    with pytest.raises(ConflictError) as caught:
        life_cycle.require(increment, "completed")
    assert "/sw:reopen 0001" in caught.value.next_step
    assert life_cycle.require(increment, "active") == "abandoned"


@pytest.mark.parametrize(
    ("status", "wanted", "message", "next_step"),
    [
        (
            "planned",
            "closed",
            "0007-some-work is planned: completed or abandoned ones alone are archived and reopened",
            "possible from here: `/sw:do 0007`, `/sw:done 0007`, `/sw:pause 0007`, `/sw:abandon 0007`",
        ),
        (
            "ready_for_review",
            "closed",
            "0007-some-work is ready for review: completed or abandoned ones alone are archived and reopened",
            "possible from here: `/sw:done 0007`, `/sw:pause 0007`, `/sw:abandon 0007`",
        ),
        (
            "completed",
            "resumed",
            "0007-some-work is completed: paused ones alone are resumed",
            'possible from here: `/sw:reopen 0007 --reason "why"`, `/sw:archive 0007`',
        ),
        (
            "abandoned",
            "ready_for_review",
            "0007-some-work is abandoned: it cannot become ready for review from there",
            'possible from here: `/sw:reopen 0007 --reason "why"`, `/sw:archive 0007`',
        ),
    ],
)
def test_a_move_that_is_refused_says_why_and_what_is_possible(
    increment_with: Callable[..., Increment], status: str, wanted: str, message: str, next_step: str
) -> None:
    increment = increment_with("0007-some-work", metadata=json.dumps({"status": status}))
    refused = {"closed": life_cycle.require_closed, "resumed": life_cycle.before_pause}
    with pytest.raises(ConflictError) as caught:
        refused.get(wanted, lambda one: life_cycle.require(one, wanted))(increment)  # type: ignore[arg-type]
    assert (caught.value.code, caught.value.message, caught.value.next_step) == (REFUSED, message, next_step)
    to = {"closed": "closed", "resumed": "active"}.get(wanted, wanted)
    possible = list(MOVES[status])  # type: ignore[index]
    assert caught.value.details == {"status": status, "wanted": to, "possible": possible}


def test_to_open_again_what_is_closed_a_reason_is_asked_for(
    increment_with: Callable[..., Increment], context: Context
) -> None:
    increment = increment_with("0007-some-work", metadata='{"status": "abandoned"}')
    with pytest.raises(SpecweaveError) as caught:
        life_cycle.move(context, increment, "active", reason=" ")
    assert (caught.value.code, caught.value.message, caught.value.next_step) == (
        "reason-missing",
        "0007-some-work is abandoned: it is opened again for a reason only",
        'say why: --reason "what was found"',
    )


def test_facts_are_kept_with_the_move_and_not_where_there_is_none(
    increment_with: Callable[..., Increment], context: Context
) -> None:
    increment = increment_with(metadata='{"status": "active"}')
    assert life_cycle.move(context, increment, "active", facts={"unproven": ["AC-01"]}) == ("active", "active")
    assert "history" not in metadata_of(increment)
    life_cycle.move(context, increment, "completed", facts={"unproven": ["AC-02"]})
    (entry,) = metadata_of(increment)["history"]
    assert (entry["to"], entry["unproven"]) == ("completed", ["AC-02"])


def test_the_frontmatter_of_the_specification_follows_a_move(
    increment_with: Callable[..., Increment], context: Context
) -> None:
    increment = increment_with(metadata='{"status": "planned"}', spec="---\nstatus: planned\n---\n# Work\n")
    life_cycle.move(context, increment, "active")
    assert (increment.folder / "spec.md").read_text() == "---\nstatus: active\n---\n# Work\n"


def metadata_of(increment: Increment) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((increment.folder / "metadata.json").read_bytes())
    return document
