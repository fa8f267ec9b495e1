"""The codec of star_tcp.toml, and its requests by the names used there."""

from firmware_bridge.codecs import star_tcp
from tests.builders.vector_entry import Entry

ENTRY = Entry(
    star_tcp.star_tcp_codec,
    {
        "status": lambda: star_tcp.encode(star_tcp.Cmd.STATUS),
        "command 2A": lambda: star_tcp.encode(0x2A),
        "clear buffer": lambda: star_tcp.encode(star_tcp.Cmd.CLEAR_BUFFER),
        "print data: a Chinese line": lambda: star_tcp.encode(star_tcp.Cmd.PRINT_DATA, *star_tcp.print_data(["测试"])),
        "erase, print, eject": lambda: star_tcp.encode(star_tcp.Cmd.ERASE_PRINT_EJECT),
        "counters": lambda: star_tcp.encode(star_tcp.Cmd.COUNTERS),
    },
)
