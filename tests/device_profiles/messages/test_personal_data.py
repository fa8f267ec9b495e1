"""Sealing and tokens: MSG-24 to MSG-26."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PrivateKey

from device_profiles.errors import MessageError
from device_profiles.messages.sealing import public_key, seal, subject_token, unseal

PRIVATE, OTHER = (base64.b64encode(bytes([number]) * PrivateKey.SIZE).decode() for number in (1, 2))
SALT = "00112233445566778899aabbccddeeff"
ID_NUMBER = "000000199001010018"
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(texts, texts, max_size=5))
def test_msg_24_what_is_sealed_opens_with_its_key_only(values: dict[str, str]) -> None:
    sealed = seal(values, public_key(PRIVATE))
    assert unseal(sealed, PRIVATE) == values
    with pytest.raises(MessageError, match="sealed to another key"):
        unseal(sealed, OTHER)


def test_msg_24_the_same_value_is_never_sealed_the_same_way() -> None:
    values = {"id_number": ID_NUMBER}
    first, second = seal(values, public_key(PRIVATE)), seal(values, public_key(PRIVATE))
    assert first != second
    assert ID_NUMBER.encode() not in base64.b64decode(first)


@given(st.text(max_size=100) | st.binary(max_size=100).map(lambda raw: base64.b64encode(raw).decode()))
def test_msg_25_anything_else_is_a_message_error(sealed: str) -> None:
    with pytest.raises(MessageError):
        unseal(sealed, PRIVATE)


@pytest.mark.parametrize("plain", [b"[]", b'{"a": 1}', b"000000199001010018", b"\xff"])
def test_msg_25_a_box_with_other_content_shows_nothing_of_it(plain: bytes) -> None:
    from nacl.public import PublicKey, SealedBox

    box = SealedBox(PublicKey(base64.b64decode(public_key(PRIVATE)))).encrypt(plain)
    with pytest.raises(MessageError) as caught:
        unseal(base64.b64encode(box).decode(), PRIVATE)
    assert ID_NUMBER not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("key", ["", "no base64!", "AAAA", "柜", base64.b64encode(b"x" * 33).decode()])
def test_msg_25_a_key_that_is_none_is_a_message_error(key: str) -> None:
    with pytest.raises(MessageError, match="public key: expected") as caught:
        seal({"id_number": ID_NUMBER}, key)
    assert ID_NUMBER not in str(caught.value)
    with pytest.raises(MessageError, match="private key: expected"):
        public_key(key)


@given(texts)
def test_msg_26_a_token_depends_on_person_and_salt(identity: str) -> None:
    token = subject_token(identity, SALT)
    assert token == subject_token(identity, SALT)
    assert token != subject_token(identity + "x", SALT)
    assert token != subject_token(identity, SALT.replace("0", "1"))
    assert len(token) == 32


@pytest.mark.parametrize("salt", ["", "00" * 15, "no hex"])
def test_msg_26_a_salt_that_is_none_is_refused(salt: str) -> None:
    with pytest.raises(MessageError, match="salt: expected"):
        subject_token(ID_NUMBER, salt)
