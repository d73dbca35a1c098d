from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from countermark.core.database import database_url
from countermark.core.errors import UsageError
from countermark.core.settings import Settings
from policy import gate, load_policy
from policy.gate import admit, appeal
from policy.records import RecordsError, open_records

HARM = "tutorial: how to build a pipe bomb at home"
PEACE = "a red balloon rising over the sea"
RULES = load_policy().rules.file.abuse


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_every_decision_is_logged_without_the_prompt(home: Settings) -> None:
    admit(PEACE, settings=home)
    refused = admit(HARM, settings=home, user="ada")
    with open_records(home) as records:
        entries = records.entries()
        assert records.verify() == 2
    assert [e.action for e in entries] == ["allow", "block"]
    assert json.loads(entries[1].content)["appeal_id"] == refused.appeal_id
    everything = json.dumps([e.model_dump(mode="json") for e in entries])
    assert "bomb" not in everything
    assert "ada" not in {e.user for e in entries}


def test_prompts_are_kept_only_when_the_settings_say_so(home: Settings) -> None:
    admit(HARM, settings=home.model_copy(update={"policy_keep_prompts": True}))
    with open_records(home) as records:
        assert json.loads(records.entries()[0].content)["prompt"] == HARM


def test_an_altered_or_missing_entry_shows(home: Settings) -> None:
    for _ in range(4):
        admit(PEACE, settings=home)
    engine = create_engine(database_url(home))
    for change in ("UPDATE policy_log SET action='block' WHERE number=2", "DELETE FROM policy_log WHERE number=3"):
        with engine.begin() as connection:
            before = connection.execute(text("SELECT * FROM policy_log")).mappings().all()
            connection.execute(text(change))
        with open_records(home) as records, pytest.raises(RecordsError, match="altered"):
            records.verify()
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM policy_log"))
            for row in before:
                names = ", ".join(f'"{key}"' for key in row)
                values = ", ".join(f":{key}" for key in row)
                connection.execute(text(f"INSERT INTO policy_log ({names}) VALUES ({values})"), dict(row))
    engine.dispose()
    with open_records(home) as records:
        assert records.verify() == 4


def test_old_entries_expire_and_the_chain_still_holds(home: Settings) -> None:
    with open_records(home) as records:
        for k in range(3):
            records.log("prompt", "allow", {"k": k})
        assert records.expire(30) == 0
        old = datetime.now(UTC) - timedelta(days=40)
        engine = create_engine(database_url(home))
        with engine.begin() as connection:
            connection.execute(text("UPDATE policy_log SET at=:at WHERE number < 3"), {"at": old.isoformat(" ")})
        engine.dispose()
        assert records.expire(30) == 2
        assert [e.action for e in records.entries()] == ["allow", "expire"]
        assert records.verify() == 2


def test_old_entries_expire_with_the_first_prompt_and_then_every_hour(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def age() -> None:
        engine = create_engine(database_url(home))
        with engine.begin() as connection:
            old = datetime.now(UTC) - timedelta(days=home.policy_retention_days + 1)
            connection.execute(text("UPDATE policy_log SET at=:at"), {"at": old.isoformat(" ")})
        engine.dispose()

    def left() -> list[str]:
        admit(PEACE, settings=home)
        with open_records(home) as records:
            return [entry.action for entry in records.entries()]

    with open_records(home) as records:
        records.log("prompt", "block", {})
    age()
    assert left() == ["allow", "expire"]
    age()
    assert left() == ["allow", "expire", "allow"]
    monkeypatch.setattr(gate, "_EXPIRE_EVERY", 0)
    assert left() == ["allow", "allow", "expire"]


def test_a_released_prompt_passes_for_who_asked_and_is_then_forgotten(home: Settings) -> None:
    refused = admit(HARM, settings=home, user="ada")
    assert appeal(HARM, refused, settings=home, user="ada") == refused.appeal_id
    with open_records(home) as records:
        assert [r.prompt for r in records.reviews()] == [HARM]
        done = records.decide(refused.appeal_id, approve=True, reviewer="grace", note="museum film")
        assert (done[0].outcome, done[0].prompt, done[0].reviewer) == ("approved", None, "grace")
        assert records.reviews() == []
        with pytest.raises(UsageError):
            records.decide(refused.appeal_id, approve=False, reviewer="grace")
    released = admit(HARM, settings=home, user="ada")
    assert (released.action, released.output_check) == ("allow", "strict")
    assert admit(HARM, settings=home, user="mallory").action == "block"


def test_what_must_be_reported_cannot_be_released(home: Settings) -> None:
    prompt = "AGE-TERM minor, SEXUAL-TERM sexual"
    refused = admit(prompt, settings=home)
    assert refused.report
    appeal(prompt, refused, settings=home)
    with open_records(home) as records, pytest.raises(UsageError, match="cannot be lifted"):
        records.decide(refused.appeal_id, approve=True, reviewer="grace")
    assert admit(prompt, settings=home).action == "block"


@pytest.mark.parametrize("user", ["mallory", "\ud800"])  # a lone surrogate is a name like another
def test_repeated_refusals_lead_to_a_person(home: Settings, user: str) -> None:
    for _ in range(RULES.review_after):
        admit(HARM, settings=home, user=user)
    watched = admit(PEACE, settings=home, user=user)
    assert (watched.action, watched.categories[0].source) == ("review", "abuse")
    assert admit(PEACE, settings=home, user="ada").action == "allow"
    with open_records(home) as records:
        assert [r.prompt for r in records.reviews()] == [PEACE]
