"""Identity card reader (not in XFS4IoT; its Common status holds). Everything it reads is personal."""

from typing import Literal

from pydantic import Field

from device_profiles.capabilities.model import Capability, Command, Effect, Shape, Status, commands, personal


class IdReaderStatus(Status):
    """Status of an ID reader."""


class ReadIdArgs(Shape):
    """Wait up to ``wait_s`` for a card; fails with code ``no_media`` after that."""

    wait_s: float = Field(default=30.0, gt=0, le=600)


class IdDocument(Shape):
    """An identity document as read from its chip; dates are YYYYMMDD, ``valid_to`` may be 长期 (no end)."""

    kind: Literal["citizen", "foreigner_2017", "hk_macao_taiwan", "foreigner_2023"] = "citizen"
    name: str = personal()
    sex: str = personal("GB/T 2261.1 code")
    nation: str = personal("GB/T 3304 code, or ISO alpha-3 nationality")
    birth_date: str = personal()
    address: str = personal()
    id_number: str = personal()
    issuer: str = personal()
    valid_from: str = personal()
    valid_to: str = personal()


ID_READER = Capability(
    name="id_reader",
    status=IdReaderStatus,
    commands=commands(Command("read", Effect.READ, ReadIdArgs, IdDocument)),
)
