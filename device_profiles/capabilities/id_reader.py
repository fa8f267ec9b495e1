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
    """An identity document as read from its chip; dates are YYYYMMDD, ``valid_to`` may be 长期 (no end).

    ``name`` is the holder's legal one: the English name on a foreigner's document. A field that a kind of document does
    not have stays empty. ``has_fingerprints`` is None when the reader did not ask the chip.
    """

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
    english_name: str = personal("foreigners; the same as name")
    chinese_name: str = personal("foreigners; may be empty")
    nationality: str = personal("foreigners: ISO alpha-3")
    pass_number: str = personal("HK/Macao/Taiwan: number of the travel permit")
    issue_count: str = personal("HK/Macao/Taiwan: how often the document was issued")
    version: str = personal("foreigner 2017: version of the document")
    reissue_count: str = personal("foreigner 2023: how often it was issued anew")
    former_link: str = personal("foreigner 2023: link to the former number (one source)")
    has_fingerprints: bool | None = None
    fingerprints: str = personal("GA/T 1011 features in base64, only when the reader is told to export them")


ID_READER = Capability(
    name="id_reader",
    status=IdReaderStatus,
    commands=commands(Command("read", Effect.READ, ReadIdArgs, IdDocument)),
)
