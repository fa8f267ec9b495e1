"""What screens and slips say in more than one flow."""

from collections.abc import Callable

from cloud.flows.model import Card, Case, Once, Payment
from cloud.flows.states.steps import DONE, Words

WAIT = Words("正在办理，请稍候", "One moment, please")
TAKE_CARD = Words("请取走证件", "Please take your card")
CALL_STAFF = Words("请稍候，工作人员马上就到", "Please wait, a member of staff is coming")
SHOW_ID = Words("请将身份证放在读卡区", "Place your ID card on the reader")
FINGER = Words("请按指纹", "Place your finger on the sensor")

WHY = {
    DONE: Words("办理完成", "All done"),
    "cancelled": Words("已取消办理", "You have cancelled"),
    "no_permit": Words("未插入证件", "No permit was inserted"),
    "card_unreadable": Words("证件无法读取", "The card could not be read"),
    "no_id_card": Words("未读到身份证", "No ID card was read"),
    "holder_differs": Words("两张证件不是同一持有人", "The two cards belong to different people"),
    "identity_refused": Words("身份核验未通过", "Identity was not confirmed"),
    "identity_not_confirmed": Words("身份核验超时", "Nobody could confirm the identity in time"),
    "not_eligible": Words("不符合办理条件，请到窗口咨询", "Not possible here, please ask at a counter"),
    "department_unavailable": Words("主管部门系统暂无响应", "The department's system does not answer"),
    "abandoned": Words("长时间未操作", "Nothing was chosen in time"),
    "no_photo": Words("未扫描照片回执", "No photo receipt was scanned"),
    "not_paid": Words("未完成付款", "Nothing was paid"),
    "payment_declined": Words("付款未成功", "The payment was declined"),
    "payment_unavailable": Words("付款系统暂无响应", "The payment system does not answer"),
    "registration_declined": Words("主管部门未受理", "The department did not accept the application"),
    "registration_unavailable": Words("主管部门系统暂无响应", "The department's system does not answer"),
    "card_path_failed": Words("证件未能送入打印机", "The card could not be moved to the printer"),
    "print_failed": Words("签注未打印", "The endorsement was not printed"),
    "card_retained": Words("证件未取走，已由机器保管", "The card was not taken and is kept in the machine"),
    "machine_unavailable": Words("设备暂时无法服务", "The machine cannot serve you now"),
    "machine_busy": Words("设备正在办理上一笔业务", "The machine is still busy with the case before"),
}


def says(words: Words) -> Callable[[Case], Words]:
    """The same words in every case."""
    return lambda case: words


def yuan(fen: int) -> str:
    """1500 fen are ``15.00``."""
    return f"{fen // 100}.{fen % 100:02d}"


def ask_to_pay(case: Case) -> Words:
    """How much, and how."""
    amount = yuan(case.balance.amount_fen)
    return Words(f"请付款 {amount} 元：出示付款码", f"Please pay CNY {amount}: show your payment code")


def outcome_words(case: Case) -> Words:
    """What happened to the case, the card and the money, with the code that staff find the case by."""
    why = WHY[case.failure or DONE]
    parts = [part for part in (why, _card_words(case), _money_words(case)) if part is not None]
    if case.failure:
        parts.append(Words(f"查询码 {case.resume_code}", f"Code {case.resume_code}"))
    return Words("；".join(part.zh for part in parts), "; ".join(part.en for part in parts))


def slip_lines(case: Case) -> list[Words]:
    """The account of the case, line by line: no name, no document number."""
    parts = (WHY[case.failure or DONE], _card_words(case), _money_words(case))
    code = Words(f"查询码：{case.resume_code}", f"Code: {case.resume_code}")
    return [part for part in (*parts, code) if part is not None]


def _card_words(case: Case) -> Words | None:
    return {
        Card.RETURNED: Words("证件已退还", "Your card was returned"),
        Card.RETAINED: Words("证件由机器保管", "Your card is kept in the machine"),
        Card.UNKNOWN: Words("证件由工作人员处理", "Staff will look for your card"),
    }.get(case.balance.card)


def _money_words(case: Case) -> Words | None:
    amount = yuan(case.balance.amount_fen)
    delivered = Once.YES in (case.balance.card_printed, case.balance.registered) and not case.failure
    if case.balance.payment is Payment.REVERSED:
        return Words(f"已退款 {amount} 元", f"CNY {amount} was given back")
    if case.balance.payment is Payment.AUTHORISED:
        if delivered or case.balance.card_printed is Once.YES:
            return Words(f"已付款 {amount} 元", f"CNY {amount} paid")
        return Words(f"{amount} 元待退款", f"CNY {amount} will be given back")
    if case.balance.payment is Payment.UNKNOWN:
        return Words(f"{amount} 元付款待核实", f"The payment of CNY {amount} is being checked")
    return None
