"""A file on its way into a plan: sealed, looked at, confirmed; nothing half-written, no number in clear."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import flask
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from emergency.cli import cli
from emergency.http.actor import Actor
from emergency.http.permissions import Role
from emergency.people.posts.models import Duty, Post, PostHolder, PostState
from emergency.plans import attachments, bodies, service
from emergency.plans.attachment_models import AttachmentKind, PlanAttachment
from emergency.plans.drafting import Draft, SectionText
from emergency.plans.importing import runs
from emergency.plans.importing.confirm import Choices, Decision, Places, confirm, suggested
from emergency.plans.importing.models import PlanImport, PlanImportState
from emergency.plans.models import Hazard, Plan, PlanKind, PlanLevel, PlanSection, PlanVersion
from emergency.plans.phones import find_phones
from emergency.plans.service import NewPlan
from kernel.db import Database, metadata
from kernel.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from tests.plans import writing
from tests.plans.support import DISTRICT, DULIU, TAITOU, YIHE, add_post, person, signed_in
from tests.plans.test_reading import by_hand

NEW = NewPlan(
    kind=PlanKind.TOWNSHIP, level=PlanLevel.TOWNSHIP, title="台头镇防汛应急预案", division_code=TAITOU,
    issuer="台头镇人民政府", hazards=(Hazard.FLOOD,),
)  # fmt: skip
SECRETS = ("15400000001", "154-0000-0002", "022-00001234", "张某一", "李某二", "王某三")


def brought(database: Database, actor: Actor, data: bytes | None = None, name: str = "预案.docx", **more: Any) -> int:
    """An uploaded and read file."""
    run_id = runs.upload(database, by_hand() if data is None else data, actor=actor, name=name, **more)
    assert runs.work(database, run_id)
    return run_id


def offered(database: Database, actor: Actor, run_id: int) -> dict[int, Decision]:
    with database.read() as session:
        run = runs.seen(session, actor=actor, run_id=run_id)
        result = runs.result_of(session, run)
        assert result is not None
        return suggested(result.people, Places.within(session, actor, TAITOU), TAITOU)


def everything(database: Database) -> str:
    """Every cell of every table, as text and as bytes."""
    found = []
    with database.read() as session:
        for table in metadata.sorted_tables:
            for row in session.execute(sa.select(table)):
                found += [value.decode("utf-8", "ignore") if isinstance(value, bytes) else str(value) for value in row]
    return "\n".join(found)


def test_a_confirmed_file_is_a_draft_with_posts_and_sealed_files(district: Database, planner: Actor) -> None:
    run_id = brought(district, planner)
    decisions = offered(district, planner, run_id)
    plan_id, version_id = confirm(
        district, actor=planner, run_id=run_id, choices=Choices(new=NEW, people=decisions, levels=True, evacuation=True)
    )
    with district.read() as session:
        text = service.version_text(session, actor=planner, version_id=version_id)
        body = "\n".join(s.body for s in text.sections)
        titles = bodies.post_titles(session, [body])
        assert "义和村 防汛责任人" in titles.values()
        assert not find_phones(body)
        post = session.scalars(sa.select(Post).where(Post.division_code == YIHE, Post.duty == Duty.FLOOD_CHIEF)).one()
        assert post.state is PostState.HELD and post.verified_at is None
        files = attachments.attachments(session, actor=planner, version_id=version_id)
        assert {f.kind for f in files} == {AttachmentKind.IMAGE, AttachmentKind.ORIGINAL} and len(files) == 2
        image = next(f for f in files if f.kind is AttachmentKind.IMAGE)
        assert bodies.attachment_ids(body) == [image.id]
        opened = attachments.open_attachment(session, actor=planner, plan_id=plan_id, attachment_id=image.id)
        assert opened.data == writing.PNG and opened.media_type == "image/png"
        run = session.get_one(PlanImport, run_id)
        assert run.state is PlanImportState.DONE and run.data_sealed is None and run.result_sealed is None


@pytest.mark.parametrize("confirmed", [False, True])
def test_no_name_and_no_number_lies_in_clear_anywhere(
    district: Database, planner: Actor, confirmed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    run_id = brought(district, planner, name="张某一的预案15400000001.docx")
    if confirmed:
        confirm(
            district, actor=planner, run_id=run_id, choices=Choices(new=NEW, people=offered(district, planner, run_id))
        )
    kept = everything(district) + caplog.text
    assert not [secret for secret in SECRETS if secret in kept]


def test_what_is_left_out_is_marked_and_a_mobile_number_never_stays(district: Database, planner: Actor) -> None:
    run_id = brought(district, planner, "一、总则\n张某一，电话15400000001；值班室022-00001234。".encode(), "a.txt")
    with pytest.raises(Invalid) as caught:
        confirm(district, actor=planner, run_id=run_id, choices=Choices(new=NEW, people={0: Decision("keep")}))
    assert caught.value.code == "phone_in_text"
    _plan, version_id = confirm(
        district, actor=planner, run_id=run_id, choices=Choices(new=NEW, people={1: Decision("keep")})
    )
    with district.read() as session:
        body = session.scalars(sa.select(PlanSection.body).where(PlanSection.version_id == version_id)).one()
    assert bodies.to_text(body, {}) == "〔略〕，电话〔略〕；值班室022-00001234。"


def test_a_refusal_leaves_nothing_behind(district: Database, planner: Actor) -> None:
    run_id = brought(district, planner)
    bad = {key: Decision("post", Duty.LIAISON, DULIU) for key in range(4)}
    town = person(Role.PLANNER, division=TAITOU, id=planner.id)
    with pytest.raises(Forbidden):
        confirm(district, actor=town, run_id=run_id, choices=Choices(new=NEW, people=bad))
    with district.read() as session:
        for table in (Plan, PlanSection, Post, PlanAttachment):
            assert session.scalar(sa.select(sa.func.count()).select_from(table)) == 0
        assert session.get_one(PlanImport, run_id).state is PlanImportState.READY


def test_a_known_number_refers_and_another_becomes_a_deputy(district: Database, planner: Actor) -> None:
    with district.write() as session:
        add_post(session, YIHE, Duty.FLOOD_CHIEF, "15400000001")
    for text, deputies in (("张某一，电话15400000001。", 0), ("李某二，电话15400000002。", 1)):
        run_id = brought(district, planner, ("一、总则\n义和村防汛责任人" + text).encode(), "a.txt")
        new = NewPlan(**{**NEW.__dict__, "title": text[:3]})
        confirm(district, actor=planner, run_id=run_id,
                choices=Choices(new=new, people={0: Decision("post", Duty.FLOOD_CHIEF, YIHE)}))  # fmt: skip
        with district.read() as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(PostHolder)) == 1 + deputies


def test_a_township_planner_does_not_reach_a_neighbours_plan(district: Database, planner: Actor) -> None:
    with district.write() as session:
        plan = service.create(session, actor=planner, facts=NEW)
        plan_id = plan.id
    neighbour = person(Role.PLANNER, division=DULIU, id=7)
    with pytest.raises(DomainError) as caught:
        runs.upload(district, b"x", actor=neighbour, name="a.txt", plan_id=plan_id)
    assert caught.value.status in (403, 404)
    run_id = brought(district, neighbour, "一、总则".encode(), "a.txt")
    with pytest.raises(DomainError) as again:
        confirm(district, actor=neighbour, run_id=run_id, choices=Choices(plan_id=plan_id))
    assert again.value.status in (403, 404)
    with district.read() as session, pytest.raises(NotFound):
        runs.seen(session, actor=planner, run_id=run_id)
    with pytest.raises(Forbidden):
        runs.upload(district, b"x", actor=person(Role.DUTY_OFFICER), name="a.txt")


def test_a_text_in_work_is_not_overwritten(district: Database, planner: Actor, make: Any) -> None:
    with district.write() as session:
        plan, row = make(session)
        ids = plan.id, row.id
    run_id = brought(district, planner, "一、总则".encode(), "a.txt", plan_id=ids[0])
    with pytest.raises(Conflict) as caught:
        confirm(district, actor=planner, run_id=run_id, choices=Choices())
    assert caught.value.code == "in_work"


def test_an_import_renews_an_issued_plan_and_the_issued_files_stay(
    district: Database, planner: Actor, approver: Actor, publish: Any
) -> None:
    run_id = brought(district, planner)
    plan_id, version_id = confirm(
        district, actor=planner, run_id=run_id, choices=Choices(new=NEW, people=offered(district, planner, run_id))
    )
    with district.write() as session:
        publish(session, session.get_one(PlanVersion, version_id))
    with pytest.raises(sa.exc.DBAPIError), district.write() as session:
        session.execute(sa.delete(PlanAttachment).where(PlanAttachment.version_id == version_id))
    with pytest.raises(sa.exc.DBAPIError), district.write() as session:
        session.execute(sa.update(PlanAttachment).values(size=1))
    renewed = brought(district, planner, "一、总则\n新文本。".encode(), "a.txt", plan_id=plan_id)
    _plan, second = confirm(district, actor=planner, run_id=renewed, choices=Choices())
    with district.read() as session:
        assert session.get_one(PlanVersion, second).number == 2


def test_a_draft_copied_from_an_issued_text_still_shows_its_images(
    district: Database, planner: Actor, publish: Any
) -> None:
    run_id = brought(district, planner)
    plan_id, version_id = confirm(district, actor=planner, run_id=run_id, choices=Choices(new=NEW))
    with district.write() as session:
        publish(session, session.get_one(PlanVersion, version_id))
    with district.write() as session:
        copy = service.new_draft(session, actor=planner, plan_id=plan_id).id
    with district.read() as session:
        assert [f.kind for f in attachments.attachments(session, actor=planner, version_id=copy)] == [
            AttachmentKind.IMAGE
        ]


def test_an_original_needs_the_right_to_see_people(district: Database, planner: Actor) -> None:
    run_id = brought(district, planner)
    plan_id, version_id = confirm(district, actor=planner, run_id=run_id, choices=Choices(new=NEW))
    with district.read() as session:
        files = attachments.attachments(session, actor=planner, version_id=version_id)
        original = next(f for f in files if f.kind is AttachmentKind.ORIGINAL)
        found = attachments.open_attachment(session, actor=planner, plan_id=plan_id, attachment_id=original.id)
        assert found.data == by_hand() or found.name == "预案.docx"
        with pytest.raises(Forbidden):
            attachments.open_attachment(
                session, actor=person(Role.STOREKEEPER), plan_id=plan_id, attachment_id=original.id
            )
        with pytest.raises(NotFound):
            attachments.open_attachment(session, actor=planner, plan_id=plan_id + 1, attachment_id=original.id)


def test_an_old_format_is_kept_beside_the_typed_outline(district: Database, planner: Actor) -> None:
    run_id = brought(district, planner, b"%PDF-1.7 text", "旧预案.pdf", typed="一、总则\n为了防汛。")
    _plan, version_id = confirm(district, actor=planner, run_id=run_id, choices=Choices(new=NEW))
    with district.read() as session:
        (file,) = attachments.attachments(session, actor=planner, version_id=version_id)
        assert file.kind is AttachmentKind.OLD_FORMAT and file.media_type == "application/pdf"


def test_a_file_that_cannot_be_read_says_why_and_is_erased(district: Database, planner: Actor) -> None:
    run_id = brought(district, planner, b"PK\x03\x04 broken")
    with district.read() as session:
        run = session.get_one(PlanImport, run_id)
        assert run.state is PlanImportState.FAILED and run.data_sealed is None
        failure = runs.failure_of(run)
        assert failure is not None and failure.code == "file_broken"


def test_a_reading_whose_process_died_is_not_begun_again(district: Database, planner: Actor) -> None:
    run_id = runs.upload(district, b"x", actor=planner, name="a.txt")
    with district.write() as session:
        session.execute(sa.update(PlanImport).values(state=PlanImportState.READING))
    assert runs.run_waiting(district) == 1
    with district.read() as session:
        run = session.get_one(PlanImport, run_id)
        assert run.state is PlanImportState.FAILED and (run.failure or {})["code"] == "interrupted"


def test_saving_a_number_in_clear_is_refused(district: Database, planner: Actor) -> None:
    with district.write() as session:
        plan = service.create(session, actor=planner, facts=NEW)
        row = service.versions(session, actor=planner, plan_id=plan.id)[0]
        with pytest.raises(Invalid) as caught:
            service.edit_draft(
                session, actor=planner, version_id=row.id, version=row.version,
                draft=Draft(sections=[SectionText("总则", "电话15400000001", "一、")]),
            )  # fmt: skip
    assert caught.value.code == "phone_in_text" and "154" not in str(caught.value) and "总则" in str(caught.value)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_pages_from_upload_to_draft(app: flask.Flask, district: Database, planner: Actor, language: str) -> None:
    client = signed_in(app, planner, language)
    assert client.get("/plans/import").status_code == 200
    answer = client.post("/plans/import", data={"file": (io.BytesIO(by_hand()), "预案.docx")})
    assert answer.status_code == 303
    at = answer.headers["Location"]
    assert client.get(at).status_code == 200
    runs.run_waiting(district)
    page = client.get(at).text
    assert "15400000001" not in page and "张某一" not in page and "154****0001" in page
    fields = dict(re.findall(r'name="((?:place)-\d+)" value="([^"]*)"', page))
    fields |= {f"do-{n}": "post" for n in range(3)} | {"do-3": "leave-out"}
    fields |= {f"duty-{n}": duty for n, duty in enumerate(("flood_chief", "liaison", "duty_room"))}
    refused = client.post(at, data=fields)
    assert refused.status_code == 422
    fields |= {"title": NEW.title, "kind": "gov.town", "level": "township", "division_code": TAITOU,
               "issuer": "台头镇人民政府", "hazards": "flood", "parent_id": "0"}  # fmt: skip
    fields |= {f"place-{n}": f"台头镇 {TAITOU}" for n in range(3)}
    done = client.post(at, data=fields)
    assert done.status_code == 303, done.text
    page = client.get(done.headers["Location"]).text
    assert "<table" in page and "/files/" in page and "{{post" not in page
    image = re.search(r'src="(/plans/\d+/files/\d+)"', page)
    assert image is not None
    picture = client.get(image[1])
    assert picture.data == writing.PNG and picture.headers["Content-Type"] == "image/png"


def test_who_stands_in_a_file_several_times_is_decided_once(
    app: flask.Flask, district: Database, planner: Actor
) -> None:
    text = "台头镇防汛应急预案\n" + "".join(
        f"{number}、{heading}\n联系人张某一，电话15400000001，负责{heading}。\n"
        for number, heading in zip("一二三", ("总则", "处置程序", "应急保障"), strict=True)
    )
    run_id = brought(district, planner, text.encode(), "预案.txt")
    page = signed_in(app, planner).get(f"/plans/import/{run_id}").get_data(as_text=True)
    assert page.count('name="do-') == 1 and "第 3、5、7 段" in page
    assert re.search(r'<option selected value="township">', page), "the title names a township"
    assert re.search(rf'<option selected value="{TAITOU}">', page)
    (key,) = re.findall(r'name="do-(\d+)"', page)
    decided = {int(key): Decision("post", Duty.LIAISON, TAITOU)}
    _plan, version_id = confirm(district, actor=planner, run_id=run_id, choices=Choices(None, NEW, decided))
    with district.read() as session:
        bodies = session.scalars(sa.select(PlanSection.body).where(PlanSection.version_id == version_id)).all()
        assert sum("{{post" in body for body in bodies) == 3 and not any("〔略〕" in body for body in bodies)
        assert len(session.scalars(sa.select(Post)).all()) == 1


def test_a_discarded_import_is_erased(app: flask.Flask, district: Database, planner: Actor) -> None:
    run_id = brought(district, planner)
    assert signed_in(app, planner).post(f"/plans/import/{run_id}/discard").status_code == 303
    with district.read() as session:
        run = session.get_one(PlanImport, run_id)
        assert run.state is PlanImportState.DISCARDED and run.data_sealed is None and run.result_sealed is None


def test_the_command_reads_checks_and_makes_a_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMERGENCY__DATABASE__URL", f"sqlite:///{tmp_path}/a.db")
    monkeypatch.setenv("EMERGENCY__PRIVACY__KEY_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("EMERGENCY__PRIVACY__JOURNAL_ANCHOR", str(tmp_path / "anchor"))
    shell = CliRunner()
    assert shell.invoke(cli, ["db", "upgrade"]).exit_code == 0
    places = tmp_path / "places.csv"
    rows = [
        ("120000000000", "天津市", ""),
        ("120100000000", "市辖区", "120000000000"),
        (DISTRICT, "静海区", "120100000000"),
    ]
    rows += [(TAITOU, "台头镇", DISTRICT)]
    places.write_text("code,name,parent_code\n" + "".join(",".join(row) + "\n" for row in rows), "utf-8")
    assert shell.invoke(cli, ["import", "divisions", str(places)]).exit_code == 0
    good, bad = tmp_path / "a.docx", tmp_path / "b.docx"
    good.write_bytes(by_hand())
    bad.write_bytes(b"PK\x03\x04")
    checked = shell.invoke(cli, ["import", "plans", str(good), str(bad), "--dry-run", "--format", "json"])
    told = json.loads(checked.stdout)
    assert checked.exit_code == 1 and [e["code"] for e in told["errors"]] == ["file_broken"]
    assert told["rows"] == told["created"] > 5 and told["files"][0]["people"] == 4
    assert shell.invoke(cli, ["import", "plans", str(good)]).exit_code == 2
    new = ["--new", "gov.town", "--division", TAITOU, "--issuer", "台头镇人民政府", "--hazard", "flood"]
    made = shell.invoke(cli, ["import", "plans", str(good), *new, "--format", "json"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["files"][0]["version"]
    again = shell.invoke(
        cli, ["import", "plans", str(good), "--plan", str(json.loads(made.stdout)["files"][0]["plan"])]
    )
    assert again.exit_code == 1 and not [secret for secret in SECRETS if secret in again.output + made.output]
