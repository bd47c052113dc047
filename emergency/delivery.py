"""The delivery engine of this installation: its channels from the configuration, its ports into the rooms."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Session

from emergency import messages
from emergency.config import Config, Twilio
from emergency.http.actor import Actor
from emergency.people.contacts.models import Contact
from emergency.people.contacts.service import ContactAddressBook
from emergency.people.posts.models import Post, PostHolder
from emergency.privacy import journal
from emergency.privacy.vault import Vault
from emergency.schema import RAW
from kernel.db import now
from kernel.errors import N_, Invalid, NotFound
from notify import service as notify_service
from notify.channels import catalogue
from notify.channels.base import Channel, Cost
from notify.channels.twilio_sms import TwilioSms
from notify.channels.twilio_voice import TwilioVoice
from notify.counters import TableMetrics
from notify.engine import Engine
from notify.models import Broadcast, Kind
from notify.ports import Answers, Outcomes, Ports
from notify.settings import EngineSettings, TwilioAccount, VoiceSettings
from scheduler.ticker import Ticker

if TYPE_CHECKING:
    from emergency.runtime import Runtime

log = logging.getLogger(__name__)
REAL = frozenset({Kind.ACTUAL, Kind.TEST, Kind.NOTICE})
EXERCISE = frozenset({Kind.EXERCISE})
GATEWAY_NUMBER = "+8610690000118"
GATEWAY_CALLS = 200
"""Calls a second that the local gateway takes; a real account takes one."""
LINK_TESTED = journal.kind("delivery.link_tested", "链路测试", "Link test sent", "channel")


class VaultSealer:
    """Raw receipts, replies and error texts are sealed before they are stored."""

    def __init__(self, vault: Vault):
        self._vault = vault

    def seal(self, text: str) -> bytes:
        """`text`, sealed."""
        return self._vault.seal(*RAW, text)

    def open(self, sealed: bytes) -> str:
        """What `seal` was given."""
        return self._vault.open(*RAW, sealed)


class VaultNumberIndex:
    """The blind index of a number."""

    def __init__(self, vault: Vault):
        self._vault = vault

    def key(self, number: str) -> bytes:
        """16 bytes for a number in E.164."""
        return self._vault.index("phone", number)


def ports(runtime: Runtime, *, outcomes: Outcomes, answers: Answers) -> Ports:
    """What the engine needs of the house."""
    return Ports(
        address_book=ContactAddressBook(runtime.database, runtime.vault),
        sealer=VaultSealer(runtime.vault),
        number_index=VaultNumberIndex(runtime.vault),
        outcomes=outcomes,
        answers=answers,
        metrics=TableMetrics(runtime.database),
    )


def gateway_credentials(vault: Vault) -> tuple[str, str]:
    """Account and token of the local gateway, derived from the installation's own key."""
    raw = vault.digest("gateway", "account").hex()
    return "AC" + raw[:32], vault.digest("gateway", "token").hex()[:32]


def gateway_secret(vault: Vault) -> str:
    """What opens the local gateway's page and its control surface."""
    return vault.digest("gateway", "secret").hex()[:24]


def gateway_url(config: Config) -> str:
    """Where the local gateway listens."""
    return f"http://{config.notify.gateway.host}:{config.notify.gateway.port}"


def accounts(config: Config, vault: Vault) -> list[TwilioAccount]:
    """Every account of this configuration, each with the kinds that its credentials may carry.

    Without an account of their own, exercises have the local gateway only; without any account, everything has.
    """
    return [_account(name, settings, kinds, config, vault) for name, settings, kinds in _carriers(config, vault)]


def _carriers(config: Config, vault: Vault) -> Iterator[tuple[str, Twilio, frozenset[Kind]]]:
    for name, settings, kinds in (
        ("twilio", config.notify.twilio, REAL),
        ("twilio-exercise", config.notify.twilio.exercise, EXERCISE),
    ):
        if settings.configured:
            for key, one in settings.all.items():
                yield f"{name}.{key}" if key else name, one, kinds
        elif config.notify.gateway.enabled:
            sid, token = gateway_credentials(vault)
            local = Twilio(
                account_sid=sid, auth_token=token, base_url=gateway_url(config), from_number=GATEWAY_NUMBER,
                messages_per_second=5000,
                voice=replace(settings.voice, from_number=GATEWAY_NUMBER, calls_per_second=GATEWAY_CALLS),
            )  # fmt: skip
            yield name.replace("twilio", "gateway"), local, kinds


def _account(name: str, settings: Twilio, kinds: frozenset[Kind], config: Config, vault: Vault) -> TwilioAccount:
    return TwilioAccount(
        account_sid=settings.account_sid,
        auth_token=settings.auth_token,
        base_url=settings.base_url,
        from_number=settings.from_number,
        messaging_service_sid=settings.messaging_service_sid,
        messages_per_second=settings.messages_per_second,
        weight=settings.weight,
        status_callback=settings.status_callback or f"{config.public_url}/webhooks/twilio/status",
        name=name,
        kinds=kinds,
        callback_secret=vault.sign("notify.callback", settings.account_sid),
    )


def channels(config: Config, vault: Vault) -> Sequence[Channel]:
    """Every road of this installation: texts over each account, and calls where it has a number that may call."""
    roads: list[Channel] = []
    for name, settings, kinds in _carriers(config, vault):
        account = _account(name, settings, kinds, config, vault)
        roads.append(TwilioSms(account, cost=_cost(settings.price, settings.currency)))
        voice = settings.voice
        if voice.from_number:
            caller = replace(
                account, name=f"{name}-voice", from_number=voice.from_number,
                messages_per_second=voice.calls_per_second,
            )  # fmt: skip
            roads.append(
                TwilioVoice(
                    caller,
                    VoiceSettings(
                        answer_url=f"{config.public_url}/webhooks/twilio/voice",
                        voice=voice.voice,
                        language=voice.language,
                        machine_detection=voice.machine_detection,
                        ring_seconds=voice.ring_seconds,
                        repeat=voice.repeat,
                    ),
                    cost=_cost(voice.price, settings.currency),
                )
            )
    return roads


def _cost(price: str, currency: str) -> Cost | None:
    return Cost(Decimal(price), currency) if price else None


def engine(runtime: Runtime) -> Engine:
    """This installation's engine."""
    settings = runtime.config.engine
    installed: Ports = runtime.database.service("ports")
    return Engine(
        runtime.database,
        channels(runtime.config, runtime.vault),
        installed,
        EngineSettings(
            batch=settings.batch,
            lease_seconds=settings.lease_seconds,
            concurrency=settings.concurrency,
            absent_after_seconds=settings.reconcile_after_seconds,
        ),
    )


def run(runtime: Runtime, stop: threading.Event) -> None:
    """Deliver and tick until `stop` is set."""
    from emergency.runtime import jobs

    ticker = Ticker(runtime.database, jobs())
    running = engine(runtime)
    ticker.start(runtime.config.engine.tick_seconds)

    def leave() -> None:
        stop.wait()
        running.stop()

    threading.Thread(target=leave, daemon=True).start()
    try:
        running.run_forever(handle_signals=False)
    finally:
        ticker.stop()


def link_test(session: Session, *, actor: Actor, post_id: int, channel: str) -> Broadcast:
    """Send one link test (kind Test) to the holder of a post. Raises `not_found` when nobody can be reached there."""
    config: Config = session.info["config"]
    offered = config.notify.channels_for(exercise=False)
    if channel not in offered:
        raise Invalid(
            N_("There is no channel “%(name)s”; there are: %(names)s. Nothing was sent."),
            code="unknown_channel", name=channel, names=", ".join(offered),
        )  # fmt: skip
    holder = session.execute(
        sa.select(Post.division_code, Contact.id, Contact.phone_index)
        .join(PostHolder, PostHolder.post_id == Post.id)
        .join(Contact, Contact.id == PostHolder.contact_id)
        .where(Post.id == post_id, PostHolder.order == 0, Contact.phone_index.is_not(None))
    ).one_or_none()
    if holder is None or holder.phone_index is None:
        raise NotFound(N_("This post has no holder with a number that can be reached."))
    actor.require_covers(holder.division_code)
    words = messages.render("link_test_call" if catalogue.abilities(channel).voice else "link_test")
    spec = notify_service.BroadcastSpec(
        kind=Kind.TEST,
        priority=5,
        text=words,
        valid_until=now(session) + timedelta(minutes=30),
        channels=[channel],
        subject_kind="link_test",
        subject_id=post_id,
        signature=config.site.sms_signature,
    )
    recipient = notify_service.Recipient(
        f"post:{post_id}", holder.division_code, holder.id, holder.phone_index, people=1
    )
    journal.record(session, LINK_TESTED, actor=actor, subject=("post", post_id), channel=channel)
    return notify_service.deliver(session, spec, [recipient])
