import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs.id_text import address_text, parse_document
from firmware_bridge.errors import FrameError


def block(*fields: tuple[str, int]) -> bytes:
    data = b"".join(text.ljust(size // 2).encode("utf-16-le") for text, size in fields)
    assert len(data) == 256
    return data


def test_a_citizen_is_read() -> None:
    document = parse_document(
        block(
            ("测试员甲", 30),
            ("1", 2),
            ("01", 4),
            ("19900101", 16),
            ("样例省样市示范区示范路1号", 70),
            ("000000199001010018", 36),
            ("样例市公安局", 30),
            ("20150101", 16),
            ("长期", 16),
            ("", 36),
        )
    )
    assert document.model_dump(exclude_defaults=True) == {
        "name": "测试员甲",
        "sex": "1",
        "nation": "01",
        "birth_date": "19900101",
        "address": "样例省样市示范区示范路1号",
        "id_number": "000000199001010018",
        "issuer": "样例市公安局",
        "valid_from": "20150101",
        "valid_to": "长期",
    }


def test_a_permit_of_hong_kong_macao_taiwan_has_no_nation() -> None:
    document = parse_document(
        block(
            ("测试员乙", 30),
            ("2", 2),
            ("99", 4),
            ("19910202", 16),
            ("样例路2号", 70),
            ("810000199102020020", 36),
            ("样例市公安局", 30),
            ("20200101", 16),
            ("20250101", 16),
            ("H00000000", 18),
            ("01", 4),
            ("", 6),
            ("J", 2),
            ("", 6),
        )
    )
    assert (document.kind, document.name, document.nation) == ("hk_macao_taiwan", "测试员乙", "")
    assert document.id_number == "810000199102020020"
    assert (document.pass_number, document.issue_count) == ("H00000000", "01")


def test_a_foreigner_of_2017_is_known_by_the_english_name() -> None:
    document = parse_document(
        block(
            ("DOE, JANE", 120),
            ("2", 2),
            ("XXX000000000000", 30),
            ("XXX", 6),
            ("测试员丙", 30),
            ("20180101", 16),
            ("20280101", 16),
            ("19920303", 16),
            ("01", 4),
            ("0000", 8),
            ("I", 2),
            ("", 6),
        )
    )
    assert (document.kind, document.name, document.nation) == ("foreigner_2017", "DOE, JANE", "XXX")
    assert (document.id_number, document.birth_date) == ("XXX000000000000", "19920303")
    assert (document.valid_from, document.valid_to, document.issuer) == ("20180101", "20280101", "0000")
    assert (document.english_name, document.chinese_name, document.nationality) == ("DOE, JANE", "测试员丙", "XXX")
    assert document.version == "01"


@pytest.mark.parametrize("name", ["DOE, JANE", "ABCDEFGHIJKLMNOPQRSTUVWXYZ ABCDEFG HIJKLMN OP"[:46], "A" * 35 + " B"])
def test_a_foreigner_of_2023_has_a_name_in_two_parts(name: str) -> None:
    document = parse_document(
        block(
            ("测试员丁", 30),
            ("1", 2),
            ("00", 4),
            ("19930404", 16),
            (name[:35], 70),
            ("900000199304040019", 36),
            ("", 30),
            ("20231201", 16),
            ("20331201", 16),
            (name[35:], 22),
            ("XXX", 6),
            ("Y", 2),
            ("012", 6),
        )
    )
    assert (document.kind, document.name, document.nation) == ("foreigner_2023", name, "XXX")
    assert (document.english_name, document.chinese_name, document.nationality) == (name, "测试员丁", "XXX")
    assert (document.reissue_count, document.former_link) == ("00", "012")
    assert document.id_number == "900000199304040019"


def test_a_document_that_is_shown_by_a_logger_tells_only_its_kind() -> None:
    document = parse_document(block(("测试员甲", 248), (" ", 2), ("", 6)))
    assert repr(document) == "IdDocument(kind='citizen', has_fingerprints=None)"


def test_an_unknown_kind_is_an_error_that_quotes_nothing_of_the_card() -> None:
    data = block(("甲", 248), ("Q", 2), ("", 6))
    with pytest.raises(FrameError, match="offset 248") as raised:
        parse_document(data)
    assert "甲" not in str(raised.value)


def test_an_appended_address_is_read() -> None:
    assert address_text("样例路3号".ljust(35).encode("utf-16-le")) == "样例路3号"


@given(st.binary(max_size=300))
def test_any_text_block_is_a_document_or_a_frame_error(data: bytes) -> None:
    for candidate in (data, data.ljust(256, b" "), data[:248].ljust(248, b"\xd8") + " ".encode("utf-16-le") + bytes(6)):
        try:
            parse_document(candidate)
        except FrameError:
            continue
