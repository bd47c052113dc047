"""The JSON surface against its own description: whatever the document allows or forbids, no answer is a failure."""

from __future__ import annotations

import pytest

from emergency.http.permissions import Role
from tests.invariants.conftest import Demo

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_example_of_the_document_fails(demo: Demo) -> None:
    """A bounded, repeatable number of generated requests an operation, with a duty officer's token."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    officer = demo.person(Role.DUTY_OFFICER)
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", demo.app)
    failures: list[str] = []
    for result in schema.get_all_operations():
        operation = result.ok()

        @seed(1)
        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: object) -> None:
            answer = case.call(headers={"Authorization": f"Bearer {officer.token}"})  # type: ignore[attr-defined]
            if answer.status_code >= 500:
                failures.append(f"{answer.status_code} {operation.method} {operation.path} {case!r}"[:600])  # noqa: B023

        ask()
    assert not failures, "\n".join(failures)
