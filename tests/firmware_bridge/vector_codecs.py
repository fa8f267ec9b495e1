"""Which codec a vector file speaks about: its receiving side, and its requests by the names used in the file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firmware_bridge.codecs import crt_f2, ef01, escpos, gm65, hdp, permit_file, sam_v, star_tcp
from firmware_bridge.link import Codec


@dataclass(frozen=True)
class Entry:
    """``codec`` makes a fresh receiving side; ``requests`` makes the bytes that the file lists."""

    codec: Callable[[], Codec[Any]]
    requests: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)


ENTRIES: dict[str, Entry] = {
    "sam_v": Entry(
        sam_v.SamCodec,
        {
            "reset": sam_v.RESET.encode,
            "status": sam_v.STATUS.encode,
            "sam id": sam_v.SAM_ID.encode,
            "find": sam_v.FIND.encode,
            "select": sam_v.SELECT.encode,
            "read": sam_v.READ.encode,
            "read with fingerprints": sam_v.READ_WITH_FINGERPRINTS.encode,
            "read appended": sam_v.READ_APPENDED.encode,
            "baud 115200": lambda: sam_v.set_baud(115200).encode(),
            "baud 9600": lambda: sam_v.set_baud(9600).encode(),
        },
    ),
    "escpos": Entry(
        escpos.EscPosCodec,
        {
            "real time 1": lambda: escpos.ask_real_time(1),
            "real time 2": lambda: escpos.ask_real_time(2),
            "real time 3": lambda: escpos.ask_real_time(3),
            "real time 4": lambda: escpos.ask_real_time(4),
            "automatic status": lambda: escpos.WATCH_ALL,
            "paper": lambda: escpos.ASK_PAPER,
        },
    ),
    "crt_f2": Entry(
        lambda: crt_f2.crt_f2_codec(0),
        {
            "init, card stays": lambda: crt_f2.encode(0, crt_f2.Cm.INIT, crt_f2.Init.LEAVE),
            "status": lambda: crt_f2.encode(0, crt_f2.Cm.STATUS, crt_f2.DEVICE_STATUS),
            "to gate": lambda: crt_f2.encode(0, crt_f2.Cm.MOVE, crt_f2.Move.GATE),
            "to error bin": lambda: crt_f2.encode(0, crt_f2.Cm.MOVE, crt_f2.Move.ERROR_BIN),
            "enable entry": lambda: crt_f2.encode(0, crt_f2.Cm.ENTRY, crt_f2.Entry.ENABLE),
            "select file 0001": lambda: crt_f2.encode(
                0, crt_f2.Cm.CPU_CARD, crt_f2.CpuCard.APDU, permit_file.SELECT_FILE
            ),
            "read binary": lambda: crt_f2.encode(0, crt_f2.Cm.CPU_CARD, crt_f2.CpuCard.APDU, permit_file.READ_FILE),
        },
    ),
    "star_tcp": Entry(
        star_tcp.star_tcp_codec,
        {
            "status": lambda: star_tcp.encode(star_tcp.Cmd.STATUS),
            "command 2A": lambda: star_tcp.encode(0x2A),
            "clear buffer": lambda: star_tcp.encode(star_tcp.Cmd.CLEAR_BUFFER),
            "print data: a Chinese line": lambda: star_tcp.encode(
                star_tcp.Cmd.PRINT_DATA, *star_tcp.print_data(["测试"])
            ),
            "erase, print, eject": lambda: star_tcp.encode(star_tcp.Cmd.ERASE_PRINT_EJECT),
            "counters": lambda: star_tcp.encode(star_tcp.Cmd.COUNTERS),
        },
    ),
    "gm65": Entry(
        gm65.Gm65Codec,
        {
            "trigger on, unchecked": lambda: gm65.encode_write(gm65.Zone.TRIGGER, b"\x01", checked=False),
            "identify, unchecked": lambda: gm65.encode_read(gm65.Zone.IDENTITY, checked=False),
            "trigger on": lambda: gm65.encode_write(gm65.Zone.TRIGGER, b"\x01"),
            "trigger off": lambda: gm65.encode_write(gm65.Zone.TRIGGER, b"\x00"),
            "identify": lambda: gm65.encode_read(gm65.Zone.IDENTITY),
        },
    ),
    "ef01": Entry(
        ef01.Ef01Codec,
        {
            "verify password 0": lambda: ef01.encode(ef01.Instruction.VERIFY_PASSWORD, bytes(4)),
            "get image": lambda: ef01.encode(ef01.Instruction.GET_IMAGE),
            "features into buffer 1": lambda: ef01.encode(ef01.Instruction.IMAGE_TO_FEATURES, b"\x01"),
            "store at page 5": lambda: ef01.encode(ef01.Instruction.STORE, bytes((1, 0, 5))),
            "search pages 0 to 199": lambda: ef01.encode(ef01.Instruction.SEARCH, bytes((1, 0, 0, 0, 200))),
            "delete page 5": lambda: ef01.encode(ef01.Instruction.DELETE, bytes((0, 5, 0, 1))),
            "read parameters": lambda: ef01.encode(ef01.Instruction.READ_PARAMETERS),
            "count templates": lambda: ef01.encode(ef01.Instruction.COUNT_TEMPLATES),
        },
    ),
    "hdp": Entry(
        hdp.HdpCodec,
        {
            "ticket A 200 on unit 2": lambda: hdp.encode_write(2, hdp.Holding.TICKET_PREFIX, [ord("A"), 200]),
            "event block of unit 2": lambda: hdp.encode_read_events(2),
            "event 5 seen": lambda: hdp.encode_write(2, hdp.Holding.EVENT_SEEN, [5]),
            "which event was seen": lambda: hdp.encode_read_holding(2, hdp.Holding.EVENT_SEEN),
            "ask for a rating": lambda: hdp.encode_write(1, hdp.Holding.COMMAND, [hdp.Show.ASK_RATING]),
        },
    ),
}
