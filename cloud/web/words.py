"""The words of the pages in Chinese and English, and the shape that goes with each state."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Word:
    """One state in words; ``shape`` is ok, warn, bad or idle: a colour never stands alone."""

    zh: str
    en: str
    shape: str = "idle"


UNKNOWN = Word("未知", "Unknown", "idle")

COUNTERS: Mapping[str, Word] = MappingProxyType(
    {
        "open": Word("开放", "Open", "ok"),
        "paused": Word("暂停", "Paused", "warn"),
        "closed": Word("关闭", "Closed", "idle"),
    }
)

TICKETS: Mapping[str, Word] = MappingProxyType(
    {
        "waiting": Word("等候", "Waiting", "idle"),
        "called": Word("已叫号", "Called", "warn"),
        "serving": Word("办理中", "Serving", "ok"),
        "done": Word("已办结", "Done", "ok"),
        "no_show": Word("过号", "Missed", "warn"),
        "cancelled": Word("已取消", "Cancelled", "idle"),
    }
)

MACHINES: Mapping[str, Word] = MappingProxyType(
    {
        "ok": Word("正常", "Working", "ok"),
        "warn": Word("需留意", "Needs a look", "warn"),
        "bad": Word("故障", "Fault", "bad"),
        "idle": Word("离线", "Offline", "idle"),
    }
)

KINDS: Mapping[str, Word] = MappingProxyType(
    {
        "counter_set": Word("窗口设备", "Counter set"),
        "ticket_machine": Word("取号机", "Ticket machine"),
        "kiosk": Word("自助终端", "Kiosk"),
        "endorsement_machine": Word("签注机", "Endorsement"),
        "id_renewal_machine": Word("换证机", "ID renewal"),
    }
)

ACTORS: Mapping[str, Word] = MappingProxyType(
    {
        "hall_staff": Word("大厅人员处理", "Hall staff", "warn"),
        "crew": Word("运维人员处理", "Crew", "bad"),
        "operator": Word("系统管理员处理", "Operator", "bad"),
        "nobody_yet": Word("设备自行恢复", "Heals itself", "idle"),
        "wait": Word("设备重试中", "Trying again", "idle"),
    }
)

FAULTS: Mapping[str, Word] = MappingProxyType(
    {
        "paper_out": Word("纸已用完", "Out of paper"),
        "paper_low": Word("纸将用完", "Paper low"),
        "paper_jammed": Word("卡纸", "Paper jam"),
        "cutter_fault": Word("切刀故障", "Cutter fault"),
        "cover_open": Word("盖子未合", "Cover open"),
        "media_jam": Word("证件卡住", "Card jammed"),
        "stacker_low": Word("空白卡将用完", "Few cards left"),
        "stacker_empty": Word("空白卡用完", "No cards left"),
        "retain_bin_full": Word("回收箱已满", "Retain bin full"),
        "scanner_inoperative": Word("扫码器失灵", "Scanner dead"),
        "device_offline": Word("设备无应答", "Device does not answer"),
        "no_device": Word("找不到设备", "Device not found"),
        "hardware_error": Word("硬件故障", "Hardware error"),
        "user_error": Word("有遗留物", "Something left inside"),
        "wrong_device": Word("接错设备", "Wrong device plugged in"),
        "ambiguous_device": Word("设备无法区分", "Devices cannot be told apart"),
        "not_registered": Word("终端未注册", "Terminal not registered"),
        "camera_inoperative": Word("摄像头失灵", "Camera dead"),
        "cabinet_open": Word("机柜门未关", "Cabinet open"),
        "tamper_alarm": Word("防拆报警", "Tamper alarm"),
        "temperature_low": Word("温度过低", "Too cold"),
        "temperature_high": Word("温度过高", "Too hot"),
        "humidity_low": Word("湿度过低", "Too dry"),
        "humidity_high": Word("湿度过高", "Too damp"),
        "mains_failed": Word("市电中断", "Mains failed"),
        "on_bypass": Word("旁路供电", "On bypass"),
        "battery_low": Word("电池电量低", "Battery low"),
        "battery_failed": Word("电池故障", "Battery failed"),
        "overload": Word("供电过载", "Overload"),
        "outcome_unknown": Word("结果核对中", "Outcome being checked"),
        "outcome_unproved": Word("结果无法证实", "Outcome not proved"),
        "machine_offline": Word("整机离线", "Machine offline"),
        "certificate_expiring": Word("证书即将到期", "Certificate about to end"),
        "facts_missing": Word("记录未到齐", "Records missing"),
        "clock_wrong": Word("时钟不准", "Clock wrong"),
    }
)
OTHER_FAULT = Word("设备故障", "Device fault")

TARGETS: Mapping[str, Word] = MappingProxyType(
    {
        "over": Word("超时", "Over target", "bad"),
        "within": Word("达标", "On target", "ok"),
        "nobody": Word("无人", "Nobody waits", "idle"),
        "now": Word("立即办理", "At once", "ok"),
        "closed": Word("无窗口", "No counter", "warn"),
    }
)

ALERTS: Mapping[str, Word] = MappingProxyType(
    {
        "acknowledged": Word("已有人处理", "Somebody is on it", "ok"),
        "none": Word("没有未关闭的故障", "No open fault", "ok"),
    }
)

PROPOSALS: Mapping[str, Word] = MappingProxyType({"none": Word("暂无建议", "Nothing to propose", "ok")})

NEXT: Mapping[str, Word] = MappingProxyType(
    {
        "serving": Word("请在窗口办理。", "You are being served at the counter."),
        "done": Word("感谢您的光临，再见。", "Thank you for coming. Goodbye."),
        "no_show": Word(
            "叫号时您不在。请到服务台，工作人员会重新安排。",
            "You were called and not there. Please go to the service desk: staff will call you again.",
        ),
        "cancelled": Word(
            "此号已取消。如需办理，请重新取号。", "This ticket is cancelled. To be served, please take a new one."
        ),
    }
)
"""What a citizen does next, by state of the ticket."""

LOG_IN: Mapping[str, Word] = MappingProxyType(
    {
        "refused": Word("账号或口令不对，请再试。", "Account and password do not match. Please try again."),
        "too_many_requests": Word("尝试次数过多，请稍后再试。", "Too many attempts. Please wait a while."),
        "not_vouched_for": Word(
            "统一身份认证未能确认，请再试。", "The identity provider did not confirm it. Please try again."
        ),
        "forbidden": Word(
            "您的账号尚无任何权限，请联系管理员。", "Your account has no role here. Please ask an administrator."
        ),
        "unavailable": Word("统一身份认证暂时无法使用。", "The identity provider is not available now."),
    }
)
"""What the log-in page says when it did not work, by the error's code."""

PROBLEMS: Mapping[int, Word] = MappingProxyType(
    {
        401: Word("请先登录", "Log in first"),
        403: Word("不允许", "Not allowed"),
        404: Word("没有此页", "There is no such page"),
        409: Word("情况已变化，请再看一眼", "It has changed meanwhile: look again"),
        429: Word("请求过于频繁，请稍后再试", "Too many requests: please wait a while"),
        422: Word("无法理解该请求", "The request could not be understood"),
        503: Word("暂时无法使用", "Not available now"),
    }
)
OTHER_PROBLEM = Word("出错了", "Something went wrong")

WORDS: Mapping[str, Mapping[str, Word]] = MappingProxyType(
    {
        "counters": COUNTERS,
        "tickets": TICKETS,
        "machines": MACHINES,
        "kinds": KINDS,
        "actors": ACTORS,
        "targets": TARGETS,
        "alerts": ALERTS,
        "proposals": PROPOSALS,
    }
)
