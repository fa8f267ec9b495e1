"""What to try first, by fault code, in the words of somebody who stands before the machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Advice:
    """The fault's name and the first thing to try."""

    name_zh: str
    name_en: str
    try_zh: str
    try_en: str


ADVICE: Mapping[str, Advice] = MappingProxyType(
    {
        "paper_out": Advice(
            "纸已用完",
            "Out of paper",
            "装入新纸卷，合上盖子。",
            "Put in a new roll and close the cover.",
        ),
        "paper_low": Advice(
            "纸将用完",
            "Paper low",
            "带一卷新纸，下次空闲时更换。",
            "Bring a new roll; change it when nobody waits.",
        ),
        "paper_jammed": Advice(
            "卡纸",
            "Paper jam",
            "开盖，取出卡住的纸，剪平纸头，合盖。",
            "Open, pull the paper out, cut it straight, close.",
        ),
        "cutter_fault": Advice(
            "切刀故障",
            "Cutter fault",
            "开合一次盖子；仍有故障则更换打印机。",
            "Open and close the cover once; then swap the printer.",
        ),
        "cover_open": Advice("盖子未合", "Cover open", "合上盖子，听到咔嗒声。", "Close the cover until it clicks."),
        "media_jam": Advice(
            "卡证件",
            "Card jam",
            "不要用力。打开卡道，取出证件，当面交还。",
            "No force. Open the path, take the card out, hand it back.",
        ),
        "stacker_low": Advice("卡片不多", "Few cards left", "补充空白卡片。", "Add blank cards."),
        "stacker_empty": Advice("卡片用完", "No cards left", "装入空白卡片。", "Load blank cards."),
        "retain_bin_full": Advice(
            "回收箱已满",
            "Retain bin full",
            "清空回收箱并登记每张证件。",
            "Empty the bin and record every card in it.",
        ),
        "scanner_inoperative": Advice(
            "扫码器失灵",
            "Scanner dead",
            "擦净窗口，重新插拔；仍无效则更换。",
            "Wipe the window, unplug and plug; then swap it.",
        ),
        "device_offline": Advice(
            "设备无应答",
            "No answer from the device",
            "检查电源与数据线，重新插拔。",
            "Check power and cable; unplug and plug it again.",
        ),
        "no_device": Advice(
            "找不到设备",
            "Device not found",
            "检查是否插好、型号是否正确。",
            "See that it is plugged in and is the right model.",
        ),
        "hardware_error": Advice(
            "硬件故障",
            "Hardware error",
            "断电十秒后再开；仍有故障则更换。",
            "Power off for ten seconds; if it stays, swap it.",
        ),
        "user_error": Advice(
            "放置不当",
            "Not used as meant",
            "看是否有遗留的证件或异物，取出。",
            "Look for a card or object left behind; remove it.",
        ),
        "machine_offline": Advice(
            "整机离线",
            "Machine offline",
            "检查电源与网线；屏幕亮着则检查网络。",
            "Check power and network; if the screen is lit, the network.",
        ),
    }
)

_OTHER = Advice("设备故障", "Device fault", "查看设备，按说明书处理。", "Look at the device and follow its manual.")


def advice_for(code: str) -> Advice:
    """What to try for a fault code; general words for a code that has none of its own."""
    return ADVICE.get(code, _OTHER)


def still_serves(code: str) -> bool:
    """Whether a fault is an early warning: something runs low and nothing has stopped yet."""
    return code.endswith("_low")
