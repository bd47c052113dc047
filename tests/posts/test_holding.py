"""A post is held by somebody who can be reached, or it is a defect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.contacts import service as contacts
from emergency.people.contacts.models import Contact, PhoneState
from emergency.people.posts import rules, service
from emergency.people.posts.defects import defects
from emergency.people.posts.models import ActKind, Duty, Means, Post, PostHolder, PostState, ShiftState
from emergency.privacy.journal import JournalEntry
from kernel.clock import ManualClock
from kernel.db import Database
from kernel.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from kernel.states import ForbiddenTransition, timeline, transition
from tests.conftest import START
from tests.divisions.conftest import actor
from tests.posts.conftest import CONSOLE, DISTRICT, NEIGHBOUR, TAITOU, VILLAGE

Make = Callable[..., Post]


@pytest.mark.parametrize(("enum", "table"), [(PostState, rules.TRANSITIONS), (ShiftState, rules.SHIFT_TRANSITIONS)])
def test_every_state_has_its_row_of_transitions(enum: type, table: dict) -> None:
    assert set(table) == set(enum)


def test_a_post_takes_only_the_steps_of_its_table(make_post: Make, tree: Database) -> None:
    duties = iter(Duty)
    for start in PostState:
        for target in PostState:
            post = make_post(TAITOU if start is PostState.HELD else VILLAGE, next(duties), phone=None)
            with tree.write() as session:
                session.execute(sa.update(Post).where(Post.id == post.id).values(state=start))
            with tree.write() as session:
                record = session.get_one(Post, post.id)
                if target in rules.TRANSITIONS[start]:
                    transition(session, record, target, allowed=rules.TRANSITIONS, actor=CONSOLE)
                    assert record.state is target
                else:
                    with pytest.raises(ForbiddenTransition):
                        transition(session, record, target, allowed=rules.TRANSITIONS, actor=CONSOLE)


def test_a_new_post_is_vacant_and_a_holder_fills_it(make_post: Make, tree: Database) -> None:
    post = make_post(phone=None)
    assert post.state is PostState.VACANT and post.responsible
    with tree.write() as session:
        service.set_holder(session, actor=CONSOLE, post_id=post.id, name="张某一", phone="15400000001", reason="换届")
    with tree.read() as session:
        row = service.list_posts(session, actor=CONSOLE).items[0]
        assert (row.holder and row.holder.name, row.holder and row.holder.phone) == ("张某某", "154****0001")
        assert row.fault is rules.Fault.UNVERIFIED
        assert [c.to_state for c in timeline(session, "post", post.id)] == ["held"]
        assert service.history(session, post.id)[0][1] == "换届"


def test_one_duty_once_a_place(make_post: Make, tree: Database) -> None:
    make_post()
    with pytest.raises(Conflict) as refused:
        make_post()
    assert refused.value.code == "post_exists"


def test_verifying_says_who_when_and_by_which_means(
    make_post: Make, tree: Database, liaison: Actor, clock: ManualClock
) -> None:
    post = make_post()
    at = START - timedelta(hours=1)
    with tree.write() as session:
        service.verify(session, actor=liaison, post_id=post.id, means=Means.CALL, at=at, note="本人接听")
    with tree.read() as session:
        (act, note), *_rest = service.history(session, post.id)
        assert (act.kind, act.means, act.at, act.actor, note) == (
            ActKind.VERIFIED,
            Means.CALL,
            at,
            "account:3",
            "本人接听",
        )
        row = service.list_posts(session, actor=CONSOLE).items[0]
        assert (row.fault, row.verified_at, row.post.verified_at) == (None, at, at)
    with tree.write() as session, pytest.raises(Invalid):
        service.verify(session, actor=liaison, post_id=post.id, means=Means.CALL, at=START + timedelta(days=1))


def test_a_number_verified_once_is_verified_for_every_post_of_that_person(make_post: Make, tree: Database) -> None:
    chief, gong = make_post(), make_post(duty=Duty.GONG_KEEPER)
    with tree.write() as session:
        held = service.holders(session, [chief.id, gong.id])
        assert held[chief.id][0].contact_id == held[gong.id][0].contact_id
        service.verify(session, actor=CONSOLE, post_id=chief.id, means=Means.VISIT)
        assert session.scalar(sa.select(Post.verified_at).where(Post.id == gong.id)) == START
        service.correct(session, actor=CONSOLE, post_id=gong.id, holder_id=held[gong.id][0].id, phone="16300000009")
    with tree.read() as session:
        rows = service.list_posts(session, actor=CONSOLE).items
        assert {row.fault for row in rows} == {rules.Fault.UNVERIFIED}
        assert {row.holder.phone for row in rows if row.holder} == {"163****0009"}


def test_a_wrong_number_is_not_trusted_any_more(make_post: Make, tree: Database) -> None:
    post = make_post()
    with tree.write() as session:
        service.verify(session, actor=CONSOLE, post_id=post.id, means=Means.CALL)
        service.verify(session, actor=CONSOLE, post_id=post.id, means=Means.CALL, result=ActKind.NO_ANSWER)
        assert service.list_posts(session, actor=CONSOLE).items[0].fault is None
        service.verify(session, actor=CONSOLE, post_id=post.id, means=Means.CALL, result=ActKind.WRONG_NUMBER)
        assert service.list_posts(session, actor=CONSOLE).items[0].fault is rules.Fault.UNVERIFIED


def test_a_number_that_is_none_is_kept_shown_and_cannot_be_verified(make_post: Make, tree: Database) -> None:
    post = make_post(phone="1540000000X")
    with tree.write() as session:
        assert service.list_posts(session, actor=CONSOLE).items[0].fault is rules.Fault.NO_NUMBER
        with pytest.raises(ForbiddenTransition):
            service.verify(session, actor=CONSOLE, post_id=post.id, means=Means.CALL)


def test_deputies_close_up_and_one_can_take_over(make_post: Make, tree: Database) -> None:
    post = make_post()
    with tree.write() as session:
        for n in (2, 3, 4):
            service.add_deputy(session, actor=CONSOLE, post_id=post.id, name=f"李某{n}", phone=f"1630000000{n}")
        people = service.holders(session, [post.id])[post.id]
        service.remove_deputy(session, actor=CONSOLE, post_id=post.id, holder_id=people[1].id)
        people = service.holders(session, [post.id])[post.id]
        assert [p.order for p in people] == [0, 1, 2]
        taking_over = people[1].contact_id
        service.promote(session, actor=CONSOLE, post_id=post.id, holder_id=people[1].id, reason="书记调离")
        people = service.holders(session, [post.id])[post.id]
        assert [p.order for p in people] == [0, 1] and people[0].contact_id == taking_over
        with pytest.raises(Conflict):
            service.remove_deputy(session, actor=CONSOLE, post_id=post.id, holder_id=people[0].id)
        with pytest.raises(Conflict):
            service.add_deputy(session, actor=CONSOLE, post_id=post.id, contact_id=taking_over)


def test_a_post_left_or_abolished_calls_nobody(make_post: Make, tree: Database) -> None:
    post = make_post()
    with tree.write() as session:
        service.release(session, actor=CONSOLE, post_id=post.id, reason="调离")
        assert session.execute(service.recipients([TAITOU])).all() == []
        service.abolish(session, actor=CONSOLE, post_id=post.id, reason="并村")
        assert service.count_posts(session, actor=CONSOLE) == 0
        assert service.restore(session, actor=CONSOLE, post_id=post.id).state is PostState.VACANT


def test_a_township_never_sees_or_touches_a_neighbours_post(make_post: Make, tree: Database, liaison: Actor) -> None:
    own, other = make_post(), make_post(NEIGHBOUR, name="李某二", phone="16300000002")
    with tree.read() as session:
        assert [row.id for row in service.list_posts(session, actor=liaison).items] == [own.id]
        assert service.count_posts(session, actor=liaison, within=DISTRICT) == 1
        assert sum(service.count_faults(session, actor=liaison).values()) == 1
    held = {"post_id": other.id, "actor": liaison}
    acts: list[Callable[..., object]] = [
        lambda s: service.get_post(s, **held),
        lambda s: service.post_view(s, **held),
        lambda s: service.set_holder(s, **held, name="抢", phone="15400000009"),
        lambda s: service.add_deputy(s, **held, name="抢", phone="15400000009"),
        lambda s: service.verify(s, **held, means=Means.CALL),
        lambda s: service.release(s, **held, reason=""),
        lambda s: service.abolish(s, **held, reason=""),
        lambda s: service.edit_post(s, **held, title="", responsible=False),
    ]
    for act in acts:
        with tree.write() as session, pytest.raises(NotFound):
            act(session)
    with tree.write() as session, pytest.raises(Forbidden):
        service.create_post(session, actor=liaison, division_code=NEIGHBOUR, duty=Duty.KEEPER)
    with tree.read() as session:
        holder = session.scalars(sa.select(PostHolder).where(PostHolder.post_id == other.id)).one()
        with pytest.raises(NotFound):
            service.reveal_holder(session, actor=liaison, post_id=other.id, holder_id=holder.id, purpose="warning")


def test_a_reveal_is_remembered_and_a_list_is_one_entry(make_post: Make, tree: Database, officer: Actor) -> None:
    post = make_post()
    make_post(TAITOU)
    with tree.write() as session:
        service.list_posts(session, actor=officer)
    with tree.read() as session:
        holder = service.holders(session, [post.id])[post.id][0]
        shown = service.reveal_holder(session, actor=officer, post_id=post.id, holder_id=holder.id, purpose="warning")
        assert (shown.name, shown.phone) == ("张某一", "15400000001")
    with tree.read() as session:
        kinds = list(session.scalars(sa.select(JournalEntry.kind).where(JournalEntry.actor == str(officer))))
    assert (kinds.count("personal.listed"), kinds.count("personal.revealed")) == (1, 1)


def test_a_village_officer_may_verify_but_not_change(make_post: Make, tree: Database) -> None:
    post = make_post()
    village = actor(Role.VILLAGE_OFFICER, division=VILLAGE, prefix=VILLAGE, id=5)
    with tree.write() as session:
        service.verify(session, actor=village, post_id=post.id, means=Means.MEETING)
        with pytest.raises(Forbidden):
            service.set_holder(session, actor=village, post_id=post.id, name="李某二", phone="16300000002")


def test_the_one_above_is_asked_when_nobody_answers(make_post: Make, tree: Database) -> None:
    village = make_post(duty=Duty.WARNING_RECEIVER)
    town_chief = make_post(TAITOU, Duty.FLOOD_CHIEF, "李某二", "16300000002")
    district = make_post(DISTRICT, Duty.WARNING_RECEIVER, "王某三", "16400000003")
    with tree.write() as session:
        assert service.superior_of(session, village).id == town_chief.id  # type: ignore[union-attr]
        service.release(session, actor=CONSOLE, post_id=town_chief.id, reason="")
        assert service.superior_of(session, village).id == district.id  # type: ignore[union-attr]
        assert service.superior_of(session, district) is None
        assert service.titles(session, [village.id])[village.id] == "胜利村 信息员"


def test_a_broadcast_reaches_each_number_once_the_responsible_first(make_post: Make, tree: Database) -> None:
    keeper = make_post(duty=Duty.KEEPER)
    chief = make_post(duty=Duty.FLOOD_CHIEF)
    make_post(duty=Duty.LIAISON, name="张某一之妻")
    make_post(TAITOU, Duty.LIAISON, "李某二", "16300000002")
    make_post(TAITOU, Duty.KEEPER, "王某三", "坏号码")
    make_post(NEIGHBOUR, Duty.LIAISON, "赵某四", "16400000004")
    with tree.write() as session:
        rows = session.execute(service.recipients([TAITOU, VILLAGE]).order_by("rank")).all()
        assert list(rows[0]._mapping) == ["rank", "recipient", "division", "address_key", "number_key", "people"]
        assert (rows[0].rank, rows[0].recipient, rows[0].division, rows[0].people) == (
            0,
            f"post:{chief.id}",
            VILLAGE,
            2,
        )
        assert len(rows) == 2 and keeper.id != chief.id
        assert len(session.execute(service.recipients([VILLAGE])).all()) == 1
        assert session.execute(service.recipients([])).all() == []
        assert len(session.execute(service.recipients([DISTRICT], duties=[Duty.LIAISON])).all()) == 3
        contact = session.scalars(sa.select(Contact).where(Contact.id == rows[1].address_key)).one()
        contacts.opt_out(session, actor=CONSOLE, number_key=contact.phone_index or b"")
        assert len(session.execute(service.recipients([TAITOU])).all()) == 1


@given(
    state=st.sampled_from(PostState),
    phone=st.none() | st.sampled_from(PhoneState),
    days=st.none() | st.integers(0, 400),
)
def test_a_post_without_fault_can_be_reached_and_was_verified_lately(
    state: PostState, phone: PhoneState | None, days: int | None
) -> None:
    verified = None if days is None else START - timedelta(days=days)
    fault = rules.fault(state, phone, verified, START)
    if state is PostState.HELD and fault is None:
        assert phone is PhoneState.VERIFIED and days is not None and days <= 90
    if state is PostState.ABOLISHED:
        assert fault is None
    if state is PostState.VACANT:
        assert fault is rules.Fault.VACANT


def test_defects_open_and_close_with_the_facts(make_post: Make, tree: Database, clock: ManualClock) -> None:
    vacant, post = make_post(duty=Duty.LIAISON, phone=None), make_post()
    with tree.read() as session:
        found = {(d.rule, d.subject_id, d.url) for d in defects(session, clock.now())}
        assert found == {
            ("post_vacant", vacant.id, f"/posts/{vacant.id}"), ("post_unverified", post.id, f"/posts/{post.id}"),
        }  # fmt: skip
    with tree.write() as session:
        service.verify(session, actor=CONSOLE, post_id=post.id, means=Means.CALL)
    clock.advance(timedelta(days=91))
    with tree.read() as session:
        contact_id = service.contact_of(session, [post.id])[post.id]
        found_late = defects(session, clock.now(), [("contact", contact_id)])
        assert [(d.rule, d.since) for d in found_late] == [("post_stale", (START + timedelta(days=90)).date())]
        assert service.count_posts(session, actor=CONSOLE, fault="stale") == 1
        assert service.count_posts(session, actor=CONSOLE, fault="any") == 2
        assert defects(session, clock.now(), [("plan", 3)]) == []
        with pytest.raises(DomainError):
            service.list_posts(session, actor=CONSOLE, fault="haunted")


def test_every_fault_of_a_list_is_the_fault_of_its_rows(make_post: Make, tree: Database) -> None:
    make_post(duty=Duty.LIAISON, phone=None)
    make_post(duty=Duty.KEEPER, phone="15400000X")
    make_post()
    with tree.read() as session:
        counted = service.count_faults(session, actor=CONSOLE)
        for fault in rules.Fault:
            rows = service.list_posts(session, actor=CONSOLE, fault=fault).items
            assert {row.fault for row in rows} <= {fault} and len(rows) == counted[fault]
