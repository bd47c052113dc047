"""replies list | show | use | dismiss | messages."""

from __future__ import annotations

from typing import Any

import click

from emergency.commands.common import (
    _,
    actor,
    format_option,
    installation,
    language,
    moment,
    print_json,
    print_table,
    purpose_option,
    reading,
)

STATES = ("waiting", "used", "dismissed")


def register(cli: click.Group) -> None:
    """Add the commands."""
    cli.add_command(replies)


@click.group()
def replies() -> None:
    """Replies by text and key that a person has to place."""


@replies.command("list")
@click.option("--state", type=click.Choice(STATES), default="waiting", show_default=True, help="Which replies.")
@click.option("--why", help="Only those that need a person for this reason, such as ambiguous or unknown_number.")
@format_option
def list_(state: str, why: str | None, output: str) -> None:
    """What waits, oldest first; how many for which reason."""
    from emergency.asking import service
    from emergency.asking.models import Reply, ReplyState, ReplyWhy

    wanted = next((one for one in ReplyWhy if one.value == why), None)
    if why and wanted is None:
        raise click.BadParameter(", ".join(one.value for one in ReplyWhy), param_hint="--why")
    found: list[Reply] = []
    with installation() as runtime, reading(runtime) as session:
        cursor = None
        while True:
            page = service.replies(session, actor=actor(), state=ReplyState(state), why=wanted, cursor=cursor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
    if output == "json":
        print_json([_facts(reply) for reply in found])
        return
    if not found:
        click.echo(_("None."))
        return
    headings = [_("Number"), _("Received"), _("Division"), _("Why a person is needed"), _("Questions")]
    rows = [
        [r.id, moment(r.at), r.division_code, r.why.label(language()), " ".join(str(one) for one in r.question_ids)]
        for r in found
    ]
    print_table(headings, rows)


def _facts(reply: Any) -> dict[str, Any]:
    return {
        "id": reply.id,
        "at": reply.at,
        "division": reply.division_code,
        "channel": reply.channel,
        "state": reply.state.value,
        "why": reply.why.value,
        "questions": reply.question_ids,
        "asked_back_at": reply.asked_back_at,
        "answer": reply.answer_id,
    }


@replies.command()
@click.argument("reply_id", type=int)
@purpose_option()
@format_option
def show(reply_id: int, purpose: str | None, output: str) -> None:
    """One reply and what it may answer; with a purpose its words and its number, which is journalled."""
    from emergency.asking import pages, service

    with installation() as runtime, reading(runtime) as session:
        revealed = service.reveal_reply(session, actor=actor(), reply_id=reply_id, purpose=purpose) if purpose else None
        reply = service.get_reply(session, actor=actor(), reply_id=reply_id)
        record = pages.reply_record(session, actor(), reply, language())
        facts = _facts(reply)
    if revealed is not None:
        facts |= {"text": revealed.text, "number": revealed.number}
    choices = [
        {"question": int(value.partition(":")[0]), "answer": value.partition(":")[2], "words": f"{words} → {word}"}
        for words, options in record.choices
        for value, word in options
    ]
    if output == "json":
        print_json(facts | {"from": record.who.text, "choices": choices})
        return
    click.echo(f"{moment(reply.at)}  {record.who.text}  {reply.why.label(language())}")
    if revealed is not None:
        click.echo(_("They wrote: %(text)s", text=revealed.text))
        click.echo(_("Number to ring back: %(number)s", number=revealed.number or "—"))
    if choices:
        print_table(
            [_("Question"), _("Answer"), _("What it may answer")],
            [[choice["question"], choice["answer"], choice["words"]] for choice in choices],
        )


@replies.command()
@click.argument("reply_id", type=int)
@click.option("--question", "question_id", type=int, required=True, help="Number of the question that it answers.")
@click.option("--answer", required=True, help="Key of the answer, as “replies show” lists it.")
def use(reply_id: int, question_id: int, answer: str) -> None:
    """Count a reply as the answer to one question."""
    from emergency.asking import service

    with installation() as runtime, runtime.database.write() as session:
        service.use_reply(session, actor=actor(), reply_id=reply_id, question_id=question_id, answer=answer)
    click.echo(_("The reply counts as an answer now."))


@replies.command()
@click.argument("reply_id", type=int)
@click.option("--reason", required=True, help="What became of it; kept sealed.")
def dismiss(reply_id: int, reason: str) -> None:
    """Put a reply aside: it is no answer, or was dealt with."""
    from emergency.asking import service

    with installation() as runtime, runtime.database.write() as session:
        service.dismiss_reply(session, actor=actor(), reply_id=reply_id, reason=reason)
    click.echo(_("The reply is put aside."))


@replies.command()
@click.argument("resident_id", type=int)
@click.option("--stop", is_flag=True, help="Stop everyday messages instead of sending them again.")
@click.option("--proof", required=True, help="Who asked for it and how you knew them; kept sealed.")
def messages(resident_id: int, stop: bool, proof: str) -> None:
    """What a resident told a clerk: messages again, or none but real warnings."""
    from emergency.people.residents import service

    with installation() as runtime, runtime.database.write() as session:
        service.set_messages(session, actor=actor(), resident_id=resident_id, wanted=not stop, reason=proof)
    if stop:
        click.echo(_("No everyday message goes to this number any more. Real warnings still do."))
    else:
        click.echo(_("Everyday messages go to this number again."))
