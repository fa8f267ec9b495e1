"""Images and manifests: believed as they are or refused, whatever byte was changed."""

import json
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.errors import ConfigurationError
from firmware_bridge.update.errors import FirmwareRefused
from firmware_bridge.update.gate import Target, admit
from firmware_bridge.update.keys import key_id, load_keys, load_private, make_key
from firmware_bridge.update.manifest import read_firmware
from firmware_bridge.update.mcuboot import parse_image
from firmware_bridge.update.version import parse_version
from tests.builders.firmware import (
    CURVE_KEY,
    NOW,
    RELEASE_KEY,
    SECOND_KEY,
    STRANGER,
    approval_of,
    manifest_of,
    mcuboot_image,
    trusted,
    version,
)

PLAIN = b"a program for a small loader " * 20
TARGET = Target("kiosk-1/pad", "test-pad", "B", version("1.0.0"))


def reason_of(content: bytes, manifest: bytes | None = None, **given: object) -> str:
    with pytest.raises(FirmwareRefused) as refused:
        admit(read_firmware(content, manifest, trusted()), TARGET, trusted(), None, NOW)
    return refused.value.reason


@pytest.mark.parametrize("key", [RELEASE_KEY, CURVE_KEY], ids=["ed25519", "ecdsa"])
def test_a_signed_mcuboot_image_speaks_for_itself(key: object) -> None:
    found = read_firmware(mcuboot_image("2.3.4+5", key=key, counter=7), None, trusted())  # type: ignore[arg-type]
    assert (str(found.version), found.device_type, found.hardware) == ("2.3.4+5", "test-pad", ("A", "B"))
    assert found.security_counter == 7
    assert found.mcuboot
    admit(found, TARGET, trusted(), None, NOW)


def test_any_other_image_needs_its_manifest() -> None:
    found = read_firmware(PLAIN, manifest_of(PLAIN), trusted())
    assert (found.content, str(found.version), found.mcuboot) == (PLAIN, "2.0.0", False)
    assert reason_of(PLAIN) == "manifest"


def test_an_image_that_does_not_say_what_it_is_for_needs_its_manifest() -> None:
    bare = mcuboot_image(device_type="", hardware="")
    assert reason_of(bare) == "manifest"
    found = read_firmware(bare, manifest_of(bare), trusted())
    assert (found.device_type, found.hardware, found.mcuboot) == ("test-pad", ("A", "B"), True)


def test_image_and_manifest_must_agree() -> None:
    image = mcuboot_image("2.0.0")
    assert read_firmware(image, manifest_of(image), trusted()).mcuboot
    assert reason_of(image, manifest_of(image, "2.0.1")) == "manifest"
    assert reason_of(image, manifest_of(image, device_type="another")) == "manifest"
    assert reason_of(image, manifest_of(mcuboot_image("2.0.1"))) == "image"


def test_no_key_no_updates() -> None:
    with pytest.raises(FirmwareRefused, match="firmware_keys"):
        read_firmware(mcuboot_image(), None, {})


def test_a_stranger_s_signature_is_refused() -> None:
    assert reason_of(mcuboot_image(key=STRANGER)) == "key"


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (mcuboot_image(device_type="another-pad"), "device_type"),
        (mcuboot_image(hardware="C"), "hardware"),
        (mcuboot_image("0.9.9"), "downgrade"),
        (mcuboot_image(flags=0x04), "image"),
        (mcuboot_image() + b"\xff", "image"),
        (mcuboot_image()[:-1], "image"),
        (b"", "manifest"),
    ],
)
def test_what_is_not_for_this_device_is_refused(image: bytes, reason: str) -> None:
    assert reason_of(image) == reason


def test_the_same_version_may_be_sent_again_and_a_build_counts() -> None:
    admit(read_firmware(mcuboot_image("1.0.0"), None, trusted()), TARGET, trusted(), None, NOW)
    assert version("1.0.0") < version("1.0.0+1") < version("1.0.1")


def test_a_lower_security_counter_is_refused_whoever_approves() -> None:
    found = read_firmware(mcuboot_image("0.9.0", counter=3), None, trusted())
    target = Target(TARGET.name, TARGET.device_type, "B", version("1.0.0"), counter=4)
    with pytest.raises(FirmwareRefused, match="security_counter"):
        admit(found, target, trusted(), approval_of(found, "1.0.0"), NOW)


# --- approvals ----------------------------------------------------------------------------------------------------

OLD = read_firmware(mcuboot_image("0.9.0"), None, trusted())


def test_a_second_person_may_send_a_device_back() -> None:
    admit(OLD, TARGET, trusted(), approval_of(OLD, "1.0.0"), NOW)


@pytest.mark.parametrize(
    ("approval", "words"),
    [
        (approval_of(OLD, "1.0.0", key=RELEASE_KEY), "second person"),
        (approval_of(OLD, "1.0.0", key=STRANGER), "trusted key"),
        (approval_of(OLD, "1.0.1"), "from_version"),
        (approval_of(OLD, "1.0.0", device="kiosk-2/pad"), "device"),
        (approval_of(read_firmware(mcuboot_image("0.9.1"), None, trusted()), "1.0.0"), "image"),
        (approval_of(OLD, "1.0.0", until=NOW), "expected an end"),
        (approval_of(OLD, "1.0.0", until=NOW + timedelta(days=400)), "expected an end"),
        (manifest_of(PLAIN), "statement"),
        (b"nonsense", "statement"),
    ],
)
def test_an_approval_counts_for_what_it_names_only(approval: bytes, words: str) -> None:
    with pytest.raises(FirmwareRefused, match=words):
        admit(OLD, TARGET, trusted(), approval, NOW)


# --- every byte ---------------------------------------------------------------------------------------------------


def flipped(data: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


FILES = {
    "ed25519": (mcuboot_image(counter=1), None),
    "ecdsa": (mcuboot_image(key=CURVE_KEY), None),
    "plain": (PLAIN, manifest_of(PLAIN)),
}


def must_be_refused(kind: str, part: int, at: int, bit: int) -> None:
    image, manifest = FILES[kind]
    if part == 0:
        image = flipped(image, at, bit)
    elif manifest is not None:
        manifest = flipped(manifest, at, bit)
    with pytest.raises(FirmwareRefused):
        admit(read_firmware(image, manifest, trusted()), TARGET, trusted(), None, NOW)


PLACES = [
    # The length stays out of the test's name: an ECDSA signature has 70 to 72 bytes, as chance will have it.
    pytest.param(kind, part, len(data), id=f"{kind}-{part}")
    for kind, files in FILES.items()
    for part, data in enumerate(files)
    if isinstance(data, bytes)
]


@pytest.mark.parametrize(("kind", "part", "length"), PLACES)
def test_a_changed_bit_anywhere_is_refused(kind: str, part: int, length: int) -> None:
    dice = random.Random(7)
    edges = [*range(40), *range(length - 260, length)]
    for at in {*edges, *dice.sample(range(length), 120)}:
        must_be_refused(kind, part, at, dice.randrange(8))


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "part", "length"), PLACES)
def test_every_changed_bit_is_refused(kind: str, part: int, length: int) -> None:
    for at in range(length):
        for bit in range(8):
            must_be_refused(kind, part, at, bit)


@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_else_happens(noise: bytes) -> None:
    magic = (0x96F3B83D).to_bytes(4, "little")
    for image, manifest in ((noise, None), (magic + noise, None), (PLAIN, noise), (PLAIN, manifest_of(PLAIN) + noise)):
        if manifest == manifest_of(PLAIN):
            continue
        with pytest.raises(FirmwareRefused):
            read_firmware(image, manifest, trusted())


@given(st.integers(0, 700), st.binary(min_size=1, max_size=8))
def test_an_overwritten_image_never_confuses_the_parser(at: int, patch: bytes) -> None:
    image = mcuboot_image()
    at = min(at, len(image) - len(patch))
    changed = image[:at] + patch + image[at + len(patch) :]
    if changed != image:
        with pytest.raises(FirmwareRefused):
            read_firmware(changed, None, trusted())


def test_the_header_of_the_document_is_read() -> None:
    header = bytes.fromhex("3DB8F3960000000000020000A08601000000000001020300040000000000 0000")
    with pytest.raises(FirmwareRefused, match="do not fit a file of 32"):
        parse_image(header)


@pytest.mark.parametrize("text", ["", "1", "1.2.3.4.5", "256.0.0", "1.2.70000", "x", "1.2.3-beta", "١.٢.٣"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(FirmwareRefused):
        parse_version(text)


# --- keys ---------------------------------------------------------------------------------------------------------


def test_a_new_key_is_readable_by_its_owner_only_and_never_replaced(tmp_path) -> None:  # type: ignore[no-untyped-def]
    private, public = tmp_path / "release.pem", tmp_path / "release.pub"
    made = make_key(private, public)
    assert private.stat().st_mode & 0o777 == 0o600
    assert list(load_keys([public])) == [made] == [key_id(load_private(private).public_key())]
    with pytest.raises(ConfigurationError, match="release"):
        make_key(private, tmp_path / "other.pub")
    with pytest.raises(ConfigurationError, match="private one"):
        load_keys([private])
    with pytest.raises(ConfigurationError, match="expected a key file"):
        load_keys([tmp_path / "missing.pub"])
    (tmp_path / "bad.pub").write_text(json.dumps({"key": 1}))
    with pytest.raises(ConfigurationError, match="PEM"):
        load_keys([tmp_path / "bad.pub"])


def test_the_keys_of_the_tests_are_different_people() -> None:
    assert len({key_id(key.public_key()) for key in (RELEASE_KEY, SECOND_KEY, STRANGER)}) == 3
