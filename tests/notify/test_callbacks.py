from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from notify.callbacks import callback_url, delivery_of, sign, verify_signature

URL = "https://emergency.example.cn/webhooks/twilio/status?d=1&m=2"
form = st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=30), max_size=6)


@given(form)
def test_our_signature_is_the_providers(fields: dict[str, str]) -> None:
    assert sign("token", URL, fields) == RequestValidator("token").compute_signature(URL, fields)
    assert verify_signature("token", URL, fields, sign("token", URL, fields))


@given(st.text(max_size=80), form, st.one_of(st.none(), st.text(max_size=60)))
def test_verification_never_raises(url: str, fields: dict[str, str], header: str | None) -> None:
    assert verify_signature("token", url, fields, header) is False


def test_a_port_more_or_less_does_not_matter() -> None:
    fields = {"To": "+86154"}
    assert verify_signature("t", "https://a.cn/x", fields, sign("t", "https://a.cn:443/x", fields))
    assert verify_signature("t", "https://a.cn:8443/x", fields, sign("t", "https://a.cn/x", fields))


def test_no_token_signs_nothing() -> None:
    assert not verify_signature("", URL, {}, sign("", URL, {}))
    assert not verify_signature("t", URL, None, None)


def test_the_address_of_a_callback_proves_its_delivery() -> None:
    url = callback_url("http://h/webhooks/twilio/status", "secret", 83886081)
    assert delivery_of(url, "secret") == 83886081
    assert delivery_of(url, "another") is None
    assert delivery_of(url.replace("83886081", "83886082"), "secret") is None
    assert callback_url("http://h/s?env=a", "secret", 5).startswith("http://h/s?env=a&d=5&m=")


@given(st.text(max_size=60))
def test_no_address_proves_anything_by_chance(url: str) -> None:
    assert delivery_of(f"http://h/{url}", "secret") is None
