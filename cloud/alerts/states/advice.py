"""Who must act on a fault, how bad it is, and one plain sentence about what to do."""

from collections.abc import Mapping
from dataclasses import dataclass

from cloud.alerts.model import Severity, Who
from device_profiles.capabilities.model import Action

WHO: Mapping[str, Who] = {
    Action.CLEAR: Who.HALL_STAFF,
    Action.MAINTENANCE: Who.CREW,
    Action.CONFIGURATION: Who.OPERATOR,
    Action.SOFTWARE_ERROR: Who.OPERATOR,
    Action.RESET: Who.NOBODY_YET,
    Action.SUSPEND: Who.WAIT,
}

OFFLINE_CODE = "machine_offline"
FACTS_CODE = "facts_missing"
CLOCK_CODE = "clock_wrong"
CERTIFICATE_CODE = "certificate_expiring"
WARNINGS = frozenset({"paper_low", "stacker_low", FACTS_CODE, CLOCK_CODE, CERTIFICATE_CODE})


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, in Chinese and English."""

    zh: str
    en: str


_BY_CODE: Mapping[str, Advice] = {
    "paper_low": Advice("打印纸即将用完，请准备一卷新纸。", "The paper is running low: have a new roll ready."),
    "paper_out": Advice(
        "打印纸已用完，请装入新纸卷并合上盖子。", "The paper is used up: put in a new roll and close the cover."
    ),
    "paper_jammed": Advice(
        "打印机卡纸，请开盖取出纸张后合盖。", "Paper is jammed: open the cover, take the paper out, close it."
    ),
    "cover_open": Advice("盖子未合上，请合紧。", "A cover is open: close it until it clicks."),
    "cutter_fault": Advice(
        "切刀故障，请运维人员检修打印机。", "The cutter is stuck: the crew must repair the printer."
    ),
    "media_jam": Advice(
        "证件卡在机内，请运维人员打开卡道取出。", "A card is jammed: the crew must open the card path."
    ),
    "stacker_low": Advice("卡箱余量不足，请补充空白卡。", "Few blank cards are left: refill the stacker."),
    "stacker_empty": Advice("卡箱已空，请装入空白卡。", "No blank cards are left: refill the stacker."),
    "retain_bin_full": Advice(
        "回收箱已满，请清空并逐张登记。", "The retain bin is full: empty it and record every card."
    ),
    "scanner_inoperative": Advice(
        "扫码器失灵，请运维人员检修。", "The scanner does not work: the crew must repair it."
    ),
    "device_offline": Advice(
        "设备无应答，请运维人员检查电源和数据线。", "The device does not answer: check its power and cable."
    ),
    "no_device": Advice("未检测到设备，请检查是否插好。", "The device is not there: see that it is plugged in."),
    "hardware_error": Advice(
        "设备硬件故障，请运维人员检修。", "The device reports a hardware error: the crew must repair it."
    ),
    "user_error": Advice("设备内有遗留物或放置不当，请清理。", "Something was left in the device: remove it."),
    "wrong_device": Advice(
        "接入的不是该位置的设备，请按详情换上正确的设备。",
        "This slot is made for another device: plug in the right one, as the details of the event say.",
    ),
    "ambiguous_device": Advice(
        "有多台设备无法区分，请在设置中写明各自的接口。",
        "Nobody can tell which device belongs into this slot: name its socket in the machine's settings.",
    ),
    "not_registered": Advice(
        "支付终端未注册，请系统管理员重新登记终端。",
        "The payment terminal is not registered: the operator must register it anew.",
    ),
    "camera_inoperative": Advice(
        "摄像头无画面，请运维人员检修；业务可改由人工核验。",
        "The camera gives no picture: the crew must repair it; staff can check faces meanwhile.",
    ),
    "cabinet_open": Advice("机柜门未关，请到现场关好并上锁。", "The cabinet is open: go there, close it and lock it."),
    "tamper_alarm": Advice(
        "防拆回路断开，请立即到现场查看。", "The tamper loop is broken: go there at once and look at the machine."
    ),
    "temperature_low": Advice(
        "机内温度过低，请检查暖气和门窗。", "It is too cold inside: see to the heating and to open doors."
    ),
    "temperature_high": Advice(
        "机内温度过高，请检查通风口和空调。", "It is too hot inside: see that the vents are free and the air is cooled."
    ),
    "humidity_low": Advice("空气过干，易产生静电，请加湿。", "The air is too dry and static builds up: moisten it."),
    "humidity_high": Advice("湿度过高，请除湿并检查有无漏水。", "It is too damp: dry the air and look for a leak."),
    "mains_failed": Advice(
        "市电中断，正由电池供电，请准备结束办理。", "The mains failed, the battery carries on: be ready to finish."
    ),
    "on_bypass": Advice(
        "电源处于旁路，断电即停机，请运维人员检修。",
        "The supply is on bypass, so a power cut stops the machine: the crew must look at it.",
    ),
    "battery_low": Advice(
        "电池即将耗尽，请尽快恢复市电或停用本机。",
        "The battery is nearly empty: bring the mains back or stop the machine.",
    ),
    "battery_failed": Advice("电池已失效，请运维人员更换。", "The battery has failed: the crew must change it."),
    "overload": Advice("电源过载，请拔下多余设备。", "The supply carries too much: unplug what does not belong there."),
    FACTS_CODE: Advice(
        "本机有记录未到达，请查看记录账，必要时取回设备上的数据文件。",
        "Records of this machine have not arrived: look at its ledger, and save its data file if they do not come.",
    ),
    CLOCK_CODE: Advice(
        "本机时钟不准，请检查校时服务和主板电池。",
        "The clock of this machine is wrong: check its time service and the battery of its board.",
    ),
    CERTIFICATE_CODE: Advice(
        "本机证书即将到期且未能续期，请检查其到云端的 https 连接，或重新登记。",
        "The certificate ends soon and was not renewed: check the way to the cloud over https, or enrol anew.",
    ),
    "outcome_unknown": Advice(
        "一条指令结果未知，设备正在自行核对，请稍候。",
        "Nobody knows yet whether this was done: the machine is asking its device.",
    ),
    "outcome_unproved": Advice(
        "一条指令是否已执行无法证实，请到现场查看（纸、卡、款项），核对后关闭此条。",
        "Nobody can prove whether this was done: go and look (paper, card, money), then close this.",
    ),
    OFFLINE_CODE: Advice("整机离线，请检查电源和网络。", "The whole machine is offline: check its power and network."),
}

_BY_WHO: Mapping[Who, Advice] = {
    Who.HALL_STAFF: Advice("设备需要工作人员处理，请到现场查看。", "The device needs staff: go and look at it."),
    Who.CREW: Advice("设备故障，请运维人员检修。", "The device has a fault: the crew must repair it."),
    Who.OPERATOR: Advice(
        "设备配置或软件有误，请系统管理员处理。", "Set-up or software is wrong: the operator must act."
    ),
    Who.NOBODY_YET: Advice(
        "设备正在自行恢复，暂不需要处理。", "The device is recovering by itself: nothing to do yet."
    ),
    Who.WAIT: Advice("设备正在重试，请稍候。", "The device is trying again: wait."),
}


def who_acts(action: str) -> Who:
    """Who must act; the crew for an action that has no name here."""
    return WHO.get(action, Who.CREW)


def severity_of(code: str) -> Severity:
    """How bad a fault is."""
    return Severity.WARNING if code in WARNINGS else Severity.FAULT


def advice_for(code: str, who: Who) -> Advice:
    """One sentence: by the fault's code, else by who must act."""
    return _BY_CODE.get(code, _BY_WHO[who])
