"""The form of a calendar feed."""

from __future__ import annotations

from sqlalchemy.orm import Session
from wtforms import SelectField

from emergency.divisions import service as divisions
from emergency.drills import feeds
from emergency.drills.feed_models import FeedOf
from emergency.drills.models import DrillKind
from emergency.http.actor import Actor
from emergency.http.forms import Form, Text, Ticks, enum_choices, length, optional
from emergency.http.i18n import _, _l

POSTS = "posts"


class FeedForm(Form):
    """Whose drills, which kinds, and under which name."""

    of = SelectField(_l("Whose drills"))
    kinds = Ticks(_l("Only these kinds (none ticked: all)"), validators=[optional()])
    name = Text(_l("Name in the calendar"), [optional(), length(most=60)])

    @classmethod
    def prepared(cls, session: Session, actor: Actor, *, empty: bool = False) -> FeedForm:
        """The form with what this account may choose; `empty` forgets what was sent."""
        form = cls(formdata=None) if empty else cls()
        if not form.is_submitted() or empty:
            form.of.data = POSTS if feeds.holds_a_post(session, actor) else actor.division_code
        own = [(POSTS, _("The drills to which my posts are invited"))] if actor.kind == "account" else []
        form.of.choices = own + divisions.areas(session, actor=actor)
        form.kinds.choices = enum_choices(DrillKind)
        return form

    @property
    def source(self) -> FeedOf:
        """Of an area or of one's posts."""
        return FeedOf.POSTS if self.of.data == POSTS else FeedOf.DIVISION

    @property
    def code(self) -> str:
        """The chosen area."""
        return "" if self.of.data == POSTS else str(self.of.data)

    def chosen_kinds(self) -> list[DrillKind]:
        """The ticked kinds."""
        return [DrillKind(value) for value in self.kinds.data or ()]
