"""What stands on a paper ticket."""

from datetime import datetime

from device_profiles.capabilities.printer import Block, FeedBlock, PrintArgs, QrBlock, TextBlock
from device_profiles.messages.twin import ServiceOffer


def ticket_document(number: str, offer: ServiceOffer, link: str, at: datetime) -> PrintArgs:
    """The number large, the service in two languages, the live position as a QR code when ``link`` is known."""
    blocks: list[Block] = [
        TextBlock(text=offer.name_zh, size=2, align="center"),
        TextBlock(text=offer.name_en, align="center"),
        FeedBlock(),
        TextBlock(text=number, size=6, bold=True, align="center"),
        FeedBlock(),
    ]
    if link:
        blocks += [
            QrBlock(data=link),
            TextBlock(text="扫码查看排队进度", align="center"),
            TextBlock(text="Scan to follow the queue", align="center"),
        ]
    blocks.append(TextBlock(text=f"{at:%Y-%m-%d %H:%M}", align="center"))
    return PrintArgs(blocks=blocks)
