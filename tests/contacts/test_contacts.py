"""One sealed record of a name and a number: what is kept, what is shown, and who is told that somebody looked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.contacts import rules, service
from emergency.people.contacts.models import Contact, PhoneState
from emergency.privacy import journal
from emergency.privacy.journal import JournalEntry, Purpose
from emergency.privacy.keys import KeyRing
from emergency.privacy.vault import Vault, normalise_phone
from kernel.db import Database
from kernel.errors import Forbidden, Invalid
from kernel.states import ForbiddenTransition
from tests.conftest import on_disk

VILLAGE = "120118104201"
OFFICER = Actor(
    kind="account", id=1, roles=frozenset({Role.DUTY_OFFICER}), division_prefix="120118", division_code="120118000000"
)
ELSEWHERE = Actor(
    kind="account", id=9, roles=frozenset({Role.VILLAGE_OFFICER}), division_prefix="120118100201",
    division_code="120118100201",
)  # fmt: skip


def make(database: Database, name: str | None = "张某一", phone: str | None = "15400000001") -> int:
    with database.write() as session:
        return service.create(session, name=name, phone=phone).id


def load(database: Database, contact_id: int) -> Contact:
    with database.read() as session:
        return service.get(session, contact_id)


def entries(database: Database, kind: journal.Kind) -> list[JournalEntry]:
    with database.read() as session:
        return list(session.scalars(sa.select(JournalEntry).where(JournalEntry.kind == kind.key)))


# --- what is kept --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "state", "shown"),
    [
        ("154 0000-0001", PhoneState.UNVERIFIED, "15400000001"),
        ("+8615400000001", PhoneState.UNVERIFIED, "15400000001"),
        ("１５４０００００００１", PhoneState.UNVERIFIED, "15400000001"),
        ("022-00001234", PhoneState.UNVERIFIED, "02200001234"),
        ("+49301234567", PhoneState.UNVERIFIED, "+49301234567"),
        ("1540000000a", PhoneState.INVALID, "1540000000a"),
        ("12345", PhoneState.INVALID, "12345"),
        ("", PhoneState.NONE, ""),
        (None, PhoneState.NONE, ""),
        ("  ", PhoneState.NONE, ""),
    ],
)
def test_a_number_is_normalised_and_an_invalid_one_is_kept_as_written(
    database: Database, typed: str | None, state: PhoneState, shown: str
) -> None:
    contact = load(database, make(database, phone=typed))
    assert contact.phone_state is state
    assert (contact.phone_index is not None) == (state is PhoneState.UNVERIFIED)
    with database.read() as session:
        found = service.reveal(
            session, actor=OFFICER, contact_id=contact.id, purpose=Purpose.VERIFY, division_code=VILLAGE
        )
    assert found.phone == shown


digits = st.text("0123456789", min_size=9, max_size=9)
mobiles = st.builds(lambda second, rest: f"1{second}{rest}", st.sampled_from("3456789"), digits)


@given(mobiles, st.lists(st.integers(0, 11), max_size=4), st.sampled_from(["", "+86", "86", "0086", "+86 "]))
def test_every_way_of_writing_a_mobile_has_one_normal_form(mobile: str, cuts: list[int], country: str) -> None:
    written = mobile
    for cut in sorted(cuts, reverse=True):
        written = written[:cut] + " -"[cut % 2] + written[cut:]
    number = rules.read_phone(country + written)
    assert number == rules.Number("+86" + mobile, PhoneState.UNVERIFIED)
    assert rules.read_phone(rules.show_phone(number.text)) == number


@given(st.text(max_size=20))
def test_what_is_shown_of_a_number_is_read_back_as_the_same(text: str) -> None:
    number = rules.read_phone(text)
    assert rules.read_phone(rules.show_phone(number.text)) == number
    normal = normalise_phone(text)
    if normal is not None:
        assert normalise_phone(normal) == normal


@given(st.text(max_size=80))
def test_a_cleaned_name_stays_as_it_is(text: str) -> None:
    once = rules.clean_name(text)
    assert rules.clean_name(once) == once
    assert len(once) <= rules.NAME_LENGTH


def test_blanks_do_not_make_another_person() -> None:
    assert rules.clean_name(" 张　某 一 ") == "张某一"
    assert rules.clean_name(" Li  Mou  Yi ") == "Li Mou Yi"


def test_two_people_at_one_number_are_found_together(database: Database) -> None:
    first, second = make(database), make(database, name="张某二", phone="+86 154 0000 0001")
    make(database, name="张某三", phone="15400000003")
    with database.read() as session:
        assert {c.id for c in service.find_by_phone(session, "15400000001")} == {first, second}
        assert service.find_by_phone(session, "no number") == []


def test_nothing_personal_stands_in_the_database_file(database: Database, tmp_path: Path) -> None:
    make(database, name="张某一", phone="15400000001")
    make(database, name="张某二", phone="1540000x001")
    if not database.is_sqlite:
        pytest.skip("the file of PostgreSQL is not ours to read")
    with database.engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    stored = on_disk(database)
    for secret in ("张某", "15400000001", "5400000001", "1540000x001"):
        assert secret.encode() not in stored


# --- correcting ----------------------------------------------------------------------------------------------------


def test_a_changed_number_has_to_be_verified_anew(database: Database) -> None:
    contact_id = make(database)
    with database.write() as session:
        service.verify_number(session, actor=OFFICER, contact_id=contact_id, means="电话核实")
    assert load(database, contact_id).phone_state is PhoneState.VERIFIED
    with database.write() as session:
        service.change(session, actor=OFFICER, contact_id=contact_id, name="张某二", division_code=VILLAGE)
    assert load(database, contact_id).phone_state is PhoneState.VERIFIED
    with database.write() as session:
        service.change(session, actor=OFFICER, contact_id=contact_id, phone="154 0000 0001")
    assert load(database, contact_id).phone_state is PhoneState.VERIFIED  # the same number, written otherwise
    with database.write() as session:
        service.change(session, actor=OFFICER, contact_id=contact_id, phone="15400000002")
    contact = load(database, contact_id)
    assert contact.phone_state is PhoneState.UNVERIFIED
    assert contact.verified_at is None
    assert [e.data for e in entries(database, journal.CHANGED)] == [
        f'{{"division": "{VILLAGE}", "fields": "name"}}', '{"fields": "phone"}'
    ]  # fmt: skip


@pytest.mark.parametrize("phone", [None, "", "15x", "15400000009"])
def test_a_number_can_be_changed_into_any_other_and_back(database: Database, phone: str | None) -> None:
    contact_id = make(database)
    for typed in (phone, phone, "15400000001"):
        with database.write() as session:
            service.change(session, actor=OFFICER, contact_id=contact_id, phone=typed)
    assert load(database, contact_id).phone_state is PhoneState.UNVERIFIED


def test_a_missing_number_cannot_be_verified(database: Database) -> None:
    contact_id = make(database, phone=None)
    with pytest.raises(ForbiddenTransition), database.write() as session:
        service.verify_number(session, actor=OFFICER, contact_id=contact_id)


def test_an_objection_holds_for_everybody_at_that_number_and_for_those_who_come_later(
    database: Database, vault: Vault
) -> None:
    first, second = make(database), make(database, name="张某二")
    key = service.number_key(vault, "+8615400000001")
    with database.write() as session:
        assert service.opt_out(session, actor=OFFICER, number_key=key, reason="TD") == 2
    third = make(database, name="张某三")
    assert {load(database, c).phone_state for c in (first, second, third)} == {PhoneState.OPTED_OUT}
    book = service.ContactAddressBook(database, vault)
    assert book.addresses([first, second, third], broadcast_id=1, purpose="warning") == {}
    with database.write() as session:
        assert service.opt_in(session, actor=OFFICER, number_key=key, reason="本人到窗口申请恢复") == 3
    assert load(database, first).phone_state is PhoneState.UNVERIFIED


# --- who sees it ---------------------------------------------------------------------------------------------------


def test_lists_are_masked(database: Database) -> None:
    whole, none = make(database), make(database, name="", phone=None)
    with database.read() as session:
        found = service.masked(session, [whole, none, 12345])
        assert service.names(session, [whole]) == {whole: "张某某"}
    assert found[whole] == service.MaskedContact("张某某", "154****0001", PhoneState.UNVERIFIED)
    assert found[none] == service.MaskedContact("某", "", PhoneState.NONE)
    assert 12345 not in found


def test_a_reveal_is_in_the_journal_before_anything_is_opened(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_id = make(database)

    def watch(*_args: Any) -> service.Revealed:
        assert len(entries(database, journal.REVEALED)) == 1  # committed, seen by another connection
        raise RuntimeError("the machine stops here")

    monkeypatch.setattr(service, "opened", watch)
    with pytest.raises(RuntimeError, match="stops here"), database.read() as session:
        service.reveal(session, actor=OFFICER, contact_id=contact_id, purpose="verify", division_code=VILLAGE)
    entry = entries(database, journal.REVEALED)[0]
    assert (entry.actor, entry.subject_id, entry.purpose) == ("account:1", contact_id, "verify")


@pytest.mark.parametrize("purpose", [None, "", "curiosity"])
def test_a_reveal_without_a_purpose_is_refused(database: Database, purpose: Any) -> None:
    contact_id = make(database)
    with pytest.raises(Invalid) as refusal, database.read() as session:
        service.reveal(session, actor=OFFICER, contact_id=contact_id, purpose=purpose, division_code=VILLAGE)
    assert refusal.value.code == "purpose_required"
    assert entries(database, journal.REVEALED) == []


def test_a_reveal_outside_the_scope_is_refused(database: Database) -> None:
    contact_id = make(database)
    with pytest.raises(Forbidden) as refusal, database.read() as session:
        service.reveal(session, actor=ELSEWHERE, contact_id=contact_id, purpose="verify", division_code=VILLAGE)
    assert refusal.value.code == "out_of_scope"


def test_a_reveal_never_waits_for_its_own_writer(database: Database) -> None:
    contact_id = make(database)
    with pytest.raises(RuntimeError, match="writing transaction"), database.write() as session:
        service.get(session, contact_id)
        service.reveal(session, actor=OFFICER, contact_id=contact_id, purpose="verify", division_code=VILLAGE)


def test_the_engine_gets_numbers_in_one_journalled_batch(database: Database, vault: Vault) -> None:
    ids = [make(database, name=f"张某{n}", phone=phone) for n, phone in enumerate(["15400000001", "x", None])]
    ids.append(make(database, name="李某一", phone="022-00001234"))
    book = service.ContactAddressBook(database, vault)
    found = book.addresses([*ids, 99], broadcast_id=7, purpose="warning")
    assert found == {ids[0]: "+8615400000001", ids[3]: "+862200001234"}
    (entry,) = entries(database, journal.ADDRESSED)
    assert entry.data == f'{{"broadcast": 7, "count": 5, "first": 99, "last": {ids[3]}}}'
    assert book.addresses([], broadcast_id=7, purpose="warning") == {}
    assert len(entries(database, journal.ADDRESSED)) == 1


def test_a_value_copied_to_another_row_does_not_open(database: Database) -> None:
    first, second = make(database), make(database, name="李某二", phone="15400000002")
    with database.write() as session:
        stolen = service.get(session, first).phone_sealed
        session.execute(sa.update(Contact).where(Contact.id == second).values(phone_sealed=stolen))
    with pytest.raises(Exception, match="does not open"), database.read() as session:
        service.masked(session, [second])


@pytest.mark.parametrize("before", list(PhoneState))
@pytest.mark.parametrize("after", list(PhoneState))
def test_only_a_number_that_is_one_can_be_verified_or_object(before: PhoneState, after: PhoneState) -> None:
    allowed = after in rules.TRANSITIONS[before]
    if before in (PhoneState.NONE, PhoneState.INVALID) and after in (PhoneState.VERIFIED, PhoneState.OPTED_OUT):
        assert not allowed
    if before is PhoneState.OPTED_OUT and after is PhoneState.VERIFIED:
        assert not allowed


def test_both_ciphers_serve(database: Database) -> None:
    sm4 = Vault(KeyRing.generate(), "sm4-gcm")
    columns = rules.sealed_columns(sm4, 5, "张某一", rules.read_phone("15400000001"))
    contact = Contact(**columns)
    assert service.opened(sm4, contact).phone == "15400000001"
