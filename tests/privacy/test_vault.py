"""What is personal is sealed, bound to its place, and found by blind index only."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emergency.privacy.keys import KeyFileError, KeyRing, load, load_or_create, save
from emergency.privacy.vault import CannotOpen, Vault, mask_name, mask_phone, normalise_phone

RING = KeyRing.generate()


@pytest.mark.parametrize("cipher", ["aes-256-gcm", "sm4-gcm"])
@given(text=st.text())
def test_what_is_sealed_opens_again(cipher: str, text: str) -> None:
    vault = Vault(RING, cipher)
    assert vault.open("contact", "name", 7, vault.seal("contact", "name", 7, text)) == text


@pytest.mark.parametrize("cipher", ["aes-256-gcm", "sm4-gcm"])
@pytest.mark.parametrize("place", [("contact", "name", 8), ("contact", "phone", 7), ("resident", "name", 7)])
def test_a_value_copied_to_another_cell_does_not_open(cipher: str, place: tuple[str, str, int]) -> None:
    vault = Vault(RING, cipher)
    with pytest.raises(CannotOpen):
        vault.open(*place, vault.seal("contact", "name", 7, "张某一"))


@pytest.mark.parametrize("cipher", ["aes-256-gcm", "sm4-gcm"])
@given(position=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_any_altered_byte_is_noticed(cipher: str, position: int, flip: int) -> None:
    vault = Vault(RING, cipher)
    sealed = bytearray(vault.seal("contact", "name", 7, "张某一"))
    sealed[position % len(sealed)] ^= flip
    with pytest.raises(CannotOpen):
        vault.open("contact", "name", 7, bytes(sealed))


def test_the_same_text_seals_differently_and_indexes_equally() -> None:
    vault = Vault(RING)
    assert vault.seal("contact", "phone", 1, "+8615400000001") != vault.seal("contact", "phone", 1, "+8615400000001")
    assert vault.index("phone", "+8615400000001") == vault.index("phone", "+8615400000001")
    assert vault.index("phone", "x") != vault.index("name", "x")


def test_both_ciphers_open_each_others_values_and_old_keys_stay_good() -> None:
    sealed = Vault(RING, "sm4-gcm").seal("contact", "name", 7, "张某一")
    assert Vault(RING.rotated()).open("contact", "name", 7, sealed) == "张某一"
    assert Vault(RING.rotated()).key_number(sealed) == 1


def test_signatures_are_bound_to_their_purpose() -> None:
    vault = Vault(RING)
    signature = vault.sign("callback", "12")
    assert vault.check("callback", "12", signature)
    assert not vault.check("link", "12", signature)
    assert not vault.check("callback", "13", signature)
    assert not vault.check("callback", "12", "é")


def test_a_key_file_is_private_and_survives_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ring = load_or_create(path)
    assert path.stat().st_mode & 0o077 == 0
    assert load(path) == ring == load_or_create(path)
    save(path, ring.rotated())
    assert load(path).active == 2


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"active": 1}', RING.to_json()[:-40], "\x00"])
def test_a_damaged_key_file_is_one_clear_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(KeyFileError, match="key file"):
        load(path)


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("15400000001", "+8615400000001"),
        (" 154 0000-0001 ", "+8615400000001"),
        ("+86 15400000001", "+8615400000001"),
        ("008615400000001", "+8615400000001"),
        ("8615400000001", "+8615400000001"),
        ("１５４００００0001", "+8615400000001"),
        ("022-00001234", "+862200001234"),
        ("(022)00001234", "+862200001234"),
        ("+442071838750", "+442071838750"),
        ("1540000000l", None),
        ("1540000000", None),
        ("154000000012", None),
        ("12400000001", None),
        ("1.54E+10", None),
        ("", None),
        ("无", None),
    ],
)
def test_numbers_are_brought_to_one_form_or_refused(typed: str, normal: str | None) -> None:
    assert normalise_phone(typed) == normal


@given(st.from_regex(r"1[3-9]\d{9}", fullmatch=True).filter(str.isascii))
def test_normal_form_is_stable(number: str) -> None:
    once = normalise_phone(number)
    assert once is not None
    assert normalise_phone(once) == once


def test_masks_show_who_it_could_be_and_not_who_it_is() -> None:
    assert mask_phone("+8615412345678") == "154****5678"
    assert mask_phone("+862200001234").endswith("34")
    assert "0000" not in mask_phone("+862200001234")
    assert mask_name("张某一") == "张某某"
    assert mask_name("王五") == "王某"
    assert mask_name("") == "某"
