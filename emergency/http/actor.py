"""Who acts: an account, a token, a post through its link, or the system itself."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, field

from emergency.http.permissions import Permission, Role, permissions_of
from kernel.errors import N_, Forbidden, Unauthenticated


@dataclass(frozen=True)
class Actor:
    """The one on whose behalf a service works. `str(actor)` is its opaque key in journals and timelines."""

    kind: str
    id: int = 0
    name: str = ""
    roles: frozenset[Role] = field(default_factory=frozenset)
    division_prefix: str = ""
    """The nested prefix of the scope (2, 4, 6, 9 or 12 digits); empty covers everything (the system)."""
    locale: str = "zh"
    permissions: frozenset[Permission] | None = None
    division_code: str = ""
    """The 12-digit code of the scope, for the top bar and for new records."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else (f"{self.kind}:{self.name}" if self.name else self.kind)

    @property
    def is_system(self) -> bool:
        """Whether this is the engine, the ticker or a command, and not a person on a page."""
        return self.kind == "system"

    @property
    def granted(self) -> frozenset[Permission]:
        """The permissions in force for this actor."""
        return self.permissions if self.permissions is not None else permissions_of(self.roles)

    def can(self, permission: Permission) -> bool:
        """Whether the actor holds the permission. The system may do everything."""
        return self.is_system or permission in self.granted

    def require(self, permission: Permission) -> None:
        """Refuse unless the actor holds the permission (403 `forbidden`, 401 when nobody is signed in)."""
        if self.kind == "nobody":
            raise Unauthenticated(N_("Please sign in."))
        if not self.can(permission):
            raise Forbidden(N_("Your account is not allowed to do this. Ask the administrator if your duty needs it."))

    def covers(self, code: str) -> bool:
        """Whether the division lies in the actor's scope (nested code lengths, never stripped zeros)."""
        return self.kind != "nobody" and code.startswith(self.division_prefix)

    def require_covers(self, code: str) -> None:
        """Refuse what lies outside the scope (403 `out_of_scope`)."""
        if not self.covers(code):
            raise Forbidden(N_("This lies outside the area that your account is responsible for."), code="out_of_scope")

    @classmethod
    def system(cls, name: str = "system") -> Actor:
        """The engine, the ticker, the demo seed."""
        return cls(kind="system", name=name)

    @classmethod
    def command_line(cls) -> Actor:
        """The person at the machine's console, by the operating system's user name."""
        return cls(kind="system", name=f"cli.{getpass.getuser()}")


NOBODY = Actor(kind="nobody")
SYSTEM = Actor.system("system")
