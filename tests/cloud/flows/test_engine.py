"""The flows as tables: whatever happens, a case ends, and card, money and paper are accounted for."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.flows.model import (
    Card,
    Case,
    DepartmentCall,
    DeviceCommand,
    Effect,
    Event,
    HumanTask,
    LookAt,
    Once,
    Payment,
)
from cloud.flows.states.catalogue import FLOWS
from cloud.flows.states.engine import Advance, advance, begin, cancel
from cloud.flows.states.steps import DONE, END, Department, Device, Flow, Go, Person, Step, check
from cloud.flows.states.words import WHY
from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import Effect as CommandEffect
from device_profiles.catalog import load_catalog

EVERY_FLOW = sorted(FLOWS)
HOLDER = "holder-token"
MACHINES = {"hk-macao-endorsement": "endorsement-machine", "id-card-renewal": "id-renewal-machine"}


def new_case(flow: Flow) -> Case:
    return Case("case-1", "demo-hall", "endorse-1", flow.item, "CODE1234")


def reachable(flow: Flow, start: str) -> set[str]:
    seen, todo = {start}, [start]
    while todo:
        step = flow.steps.get(todo.pop())
        for target in () if step is None else step.targets() | ({flow.unwind} if step.cancellable else set()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


@pytest.mark.parametrize("item", EVERY_FLOW)
def test_every_step_can_be_reached(item: str) -> None:
    flow = FLOWS[item]
    assert reachable(flow, flow.first) == set(flow.steps) | {END}


@pytest.mark.parametrize("item", EVERY_FLOW)
def test_every_step_leads_to_the_end(item: str) -> None:
    flow = FLOWS[item]
    assert [name for name in flow.steps if END not in reachable(flow, name)] == []


@pytest.mark.parametrize("item", EVERY_FLOW)
def test_every_end_has_words_for_the_citizen(item: str) -> None:
    assert FLOWS[item].failures() | {DONE} <= set(WHY)


@pytest.mark.parametrize("item", EVERY_FLOW)
def test_every_signal_of_a_task_leads_somewhere(item: str) -> None:
    for name, step in FLOWS[item].steps.items():
        if isinstance(step.do, Person):
            named = {outcome.removeprefix("signal:") for outcome in step.on if outcome.startswith("signal:")}
            assert named <= set(step.do.signals), name


CATALOG = load_catalog()


def capability_of(flow: Flow, slot: str) -> str:
    if slot == "screen":
        return "screen"
    return CATALOG.peripheral(CATALOG.machine(MACHINES[flow.item]).slots[slot].peripheral).capability


@pytest.mark.parametrize("item", EVERY_FLOW)
def test_every_command_is_one_that_the_machine_understands(item: str) -> None:
    flow = FLOWS[item]
    case = Case("c", "h", "m", item, "CODE1234", data={"kind": "hk-single", "reason": "expired", "delivery": "collect"})
    for step in flow.steps.values():
        if isinstance(step.do, Device):
            command = CAPABILITIES[capability_of(flow, step.do.slot)].commands[step.do.name]
            command.args.model_validate(step.do.args(case))


def test_a_flow_with_a_way_to_nowhere_is_refused() -> None:
    step = Step(do=Department("x", lambda case: {}), on={"otherwise": Go("nowhere")})
    flow = Flow("x", WHY[DONE], "a", "a", {"a": step}, delivered=lambda balance: True)
    with pytest.raises(ValueError, match="step a leads to"):
        check(flow)


class Outside:
    """The world outside the engine: what truly happens, whatever the engine is told."""

    def __init__(self, flow: Flow, draw: st.DataObject) -> None:
        self.flow = flow
        self.pick = lambda options: draw.draw(st.sampled_from(options))
        self.keys: Counter[str] = Counter()
        self.once: Counter[str] = Counter()
        self.printed_total = 41
        self.charged: dict[str, bool] = {}
        self.truly_printed = False

    def answer(self, effect: Effect) -> Event:
        self.keys[effect.key] += 1
        if isinstance(effect, DeviceCommand):
            return self._command(effect)
        if isinstance(effect, DepartmentCall):
            return self._call(effect)
        if isinstance(effect, HumanTask):
            return self._person(effect)
        return self._look(effect)

    def _command(self, effect: DeviceCommand) -> Event:
        capability = CAPABILITIES[capability_of(self.flow, effect.slot)]
        if capability.commands[effect.name].effect is CommandEffect.ONCE:
            self.once[f"{effect.slot}.{effect.name}"] += 1
        outcome = self.pick(["succeeded"] * 6 + ["failed", "failed", "refused", "expired", "unknown", "timeout"])
        if effect.slot == "card_printer":
            self._print(outcome)
        code = self.pick(["no_media", "media_jam", "barcode_invalid", "no_choice", "no_capture_data"])
        if effect.slot == "card_printer" and code == "media_jam":
            code = "cover_open"  # a jam half way is its own test: a person looks
        output = self._output(effect) if outcome == "succeeded" else {}
        return Event(effect.key, outcome, code if outcome == "failed" else "", output)

    def _print(self, outcome: str) -> None:
        done = outcome == "succeeded" or (outcome in ("unknown", "timeout") and self.pick([True, False]))
        self.truly_printed = self.truly_printed or done
        self.printed_total += done

    def _output(self, effect: DeviceCommand) -> dict[str, Any]:
        options = effect.args.get("options") or [{"id": "none"}]
        return {
            "holder": self.pick([HOLDER] * 5 + ["somebody-else"]),
            "sealed": "box",
            "matched": self.pick([True, True, False]),
            "taken": self.pick([True, True, False]),
            "option": self.pick([option["id"] for option in options]),
        }

    def _call(self, effect: DepartmentCall) -> Event:
        outcome = self.pick(["succeeded"] * 5 + ["declined", "unavailable"])
        if effect.operation == "payment.authorise":
            self.charged[effect.key] = outcome == "succeeded" or (outcome == "unavailable" and self.pick([True, False]))
        output = {"endorsement_number": "E1", "valid_until": "2027-01-01", "receipt_number": "R1", "collect_from": "x"}
        if effect.operation == "payment.reverse":
            key = str(effect.body["payment_key"])
            output = {"state": "reversed" if self.charged.get(key) else "nothing_taken"}
            if outcome == "succeeded":
                self.charged[key] = False
        return Event(effect.key, outcome, output=output)

    def _person(self, effect: HumanTask) -> Event:
        if effect.task == "inspect_card":
            return Event(effect.key, "signal:printed" if self.truly_printed else "signal:not_printed")
        if effect.task == "settle_money":
            self.charged = dict.fromkeys(self.charged, False)
        words = [f"signal:{word}" for word in effect.signals] + (["timeout"] if effect.wait_s else [])
        return Event(effect.key, self.pick(words))

    def _look(self, effect: LookAt) -> Event:
        if self.pick([True, True, False]):
            return Event(effect.key, "succeeded", output={"value": self.printed_total})
        return Event(effect.key, "unknown")


def awaited(step: Advance) -> Effect:
    (effect,) = [one for one in step.effects if not isinstance(one, DeviceCommand) or one.awaited]
    return effect


def play(flow: Flow, outside: Outside) -> Case:
    step = begin(flow, new_case(flow))
    for _ in range(200):
        if step.case.end:
            return step.case
        gave_up = cancel(flow, step.case) if outside.pick([False] * 30 + [True]) else None
        if gave_up is not None and gave_up.case.step != step.case.step:
            step = gave_up
            continue
        case = step.case if gave_up is None else gave_up.case
        event = outside.answer(awaited(step))
        following = advance(flow, case, event)
        assert following is not None
        assert advance(flow, following.case, event) is None, "the same event advances a case only once"
        step = following
    raise AssertionError(f"still at {step.case.step}")


@pytest.mark.parametrize("item", EVERY_FLOW)
@settings(max_examples=150, deadline=None)
@given(draw=st.data())
def test_whatever_happens_card_money_and_paper_are_accounted_for(item: str, draw: st.DataObject) -> None:
    flow = FLOWS[item]
    outside = Outside(flow, draw)
    case = play(flow, outside)
    balance = case.balance
    assert balance.card in (Card.NONE, Card.RETURNED, Card.RETAINED)
    delivered = flow.delivered(balance)
    assert delivered or balance.payment not in (Payment.AUTHORISED, Payment.UNKNOWN)
    assert sum(outside.charged.values()) == (1 if balance.payment is Payment.AUTHORISED else 0)
    assert (balance.paid_fen - balance.reversed_fen > 0) == (balance.payment is Payment.AUTHORISED) or (
        balance.payment is Payment.SETTLED_BY_STAFF
    )
    assert (balance.card_printed is Once.YES) == outside.truly_printed
    assert case.end == (case.failure or DONE)
    assert case.failure or delivered
    # No effect is asked for twice, and what may happen once has one key.
    assert max(outside.keys.values()) == 1
    assert all(times == 1 for times in outside.once.values()), outside.once
    assert len(outside.charged) <= 1


class AllWell(Outside):
    """Everything goes as it should."""

    def __init__(self, flow: Flow, **answers: Event | str) -> None:
        self.flow = flow
        self.pick = lambda options: options[0]
        self.keys, self.once = Counter(), Counter()
        self.printed_total, self.charged, self.truly_printed = 41, {}, False
        self.answers = answers

    def answer(self, effect: Effect) -> Event:
        said = self.answers.get(effect.key.split(":")[1])
        usual = super().answer(effect)
        return Event(effect.key, said) if isinstance(said, str) else usual


@pytest.mark.parametrize("item", EVERY_FLOW)
def test_a_quiet_visit_is_done_paid_and_on_paper(item: str) -> None:
    case = play(FLOWS[item], AllWell(FLOWS[item]))
    assert (case.end, case.balance.payment, case.balance.receipt) == (DONE, Payment.AUTHORISED, Once.YES)


@pytest.mark.parametrize(
    ("step", "outcome", "end", "payment"),
    [
        ("read_chip", "failed", "card_unreadable", Payment.NONE),
        ("eligibility", "declined", "not_eligible", Payment.NONE),
        ("scan_payment", "failed", "not_paid", Payment.NONE),
        ("pay", "declined", "payment_declined", Payment.DECLINED),
        ("pay", "unavailable", "payment_unavailable", Payment.REVERSED),
        ("register", "declined", "registration_declined", Payment.REVERSED),
        ("to_printer", "failed", "card_path_failed", Payment.REVERSED),
        ("print_card", "failed", "print_failed", Payment.REVERSED),
    ],
)
def test_a_failure_returns_card_and_money_and_names_the_end(
    step: str, outcome: str, end: str, payment: Payment
) -> None:
    flow = FLOWS["hk-macao-endorsement"]
    case = play(flow, AllWell(flow, **{step: outcome}))
    assert (case.end, case.balance.card, case.balance.payment) == (end, Card.RETURNED, payment)


def test_three_bad_captures_bring_a_person() -> None:
    flow = FLOWS["id-card-renewal"]
    case = play(flow, AllWell(flow, enrol="failed"))
    assert case.tries["enrol"] == 3
    assert case.tries["confirm_identity"] == 1
    assert case.end == DONE


def at_step(flow: Flow, name: str, **answers: str) -> tuple[Case, Event]:
    """The case as it stands when ``name`` begins, and the event that began it."""
    outside, step = AllWell(flow, **answers), begin(flow, new_case(flow))
    event = Event("", "")
    while step.case.step != name:
        event = outside.answer(awaited(step))
        following = advance(flow, step.case, event)
        assert following is not None
        step = following
    return step.case, event


def test_a_late_result_of_the_print_settles_what_was_unknown() -> None:
    flow = FLOWS["hk-macao-endorsement"]
    case, _ = at_step(flow, "count_prints", print_card="unknown")
    late = advance(flow, case, Event(case.key_of("print_card"), "succeeded"))
    assert late is not None
    assert late.case.balance.card_printed is Once.YES
    assert advance(flow, case, Event(case.key_of("print_card"), "unknown")) is None


def test_giving_up_is_too_late_while_money_or_print_is_under_way() -> None:
    flow = FLOWS["hk-macao-endorsement"]
    for name in ("pay", "register", "print_card", "eject"):
        case, _ = at_step(flow, name)
        assert cancel(flow, case) is None
    case, _ = at_step(flow, "choose_kind")
    assert cancel(flow, case) is not None


def test_no_personal_value_stands_in_what_is_asked_for() -> None:
    flow = FLOWS["hk-macao-endorsement"]
    case, _ = at_step(flow, "register")
    register = flow.steps["register"].do
    assert isinstance(register, Department)
    assert set(register.body(case)) == {"key", "kind", "document_number"}
    assert not isinstance(register.body(case)["document_number"], str)
