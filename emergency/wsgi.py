"""What the web server loads in each of its workers."""

from __future__ import annotations

from typing import Any

from emergency import create_app, runtime, versions
from emergency.processes import die_with_parent, settle
from kernel import logs

die_with_parent()
logs.configure()
_runtime = runtime.build()
versions.check(_runtime.database.engine)
app: Any = create_app(_runtime)
settle()
