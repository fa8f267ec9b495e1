"""Cases: begin, advance by what happened, and carry out what they ask for, each in one transaction."""

from base64 import b32encode
from collections.abc import Mapping
from hashlib import sha256

from pydantic import ValidationError

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict, Invalid, NotFound
from cloud.core.facts import Fact
from cloud.core.ids import new_id
from cloud.flows.model import Case, DepartmentCall, DeviceCommand, Effect, Event, HumanTask, LookAt
from cloud.flows.service.ports import CommandSender, StatusReader
from cloud.flows.states.catalogue import FLOWS
from cloud.flows.states.engine import SCREEN, Advance, advance, begin, cancel
from cloud.flows.states.steps import Flow, Look, Person
from cloud.flows.states.words import WHY
from cloud.flows.store import calls, cases
from cloud.flows.store.cases import Stored
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Tx
from device_profiles.messages.body import first_problem
from device_profiles.messages.facts import SessionStarted

BUSY = "machine_busy"
CALL_ASKED = "department.asked"


class FlowService:
    """The use cases of journeys. ``items`` says which journeys each machine offers."""

    def __init__(
        self,
        items: Mapping[str, tuple[str, frozenset[str]]],
        commands: CommandSender,
        status: StatusReader,
        clock: Clock,
        flows: Mapping[str, Flow] = FLOWS,
    ) -> None:
        """``items``: machine -> (hall, items)."""
        self._items = items
        self._commands = commands
        self._status = status
        self._clock = clock
        self.flows = flows

    # -- what begins and ends from outside

    def on_session_started(self, tx: Tx, fact: Fact) -> None:
        """``session.started``: a citizen chose a journey. The session's id is the case's: told twice, begun once."""
        try:
            session = SessionStarted.model_validate(dict(fact.data), extra="ignore")
        except ValidationError as error:
            raise Invalid(f"session.started of {fact.machine}: {first_problem(error)}") from error
        known = cases.find(tx.conn, session.session_id)
        if known is None:
            self.start(tx, fact.machine, session.item, session.session_id)
        elif (known.case.machine, known.case.item) != (fact.machine, session.item):
            raise Conflict(f"session {session.session_id}: begun before, for another machine or item")

    def start(self, tx: Tx, machine: str, item: str, case_id: str = "") -> Case:
        """Begin a case. Raises NotFound when the machine does not offer the item."""
        hall, offered = self._items.get(machine, ("", frozenset()))
        if item not in offered or item not in self.flows:
            raise NotFound(f"machine {machine[:63]!r}: it does not offer the item {item[:60]!r}")
        case_id = case_id or new_id("case")
        case = Case(case_id, hall, machine, item, resume_code=_resume_code(case_id))
        busy = self._busy(tx, machine)
        cases.add(tx.conn, case, self._now_ms())
        stored = cases.get(tx.conn, case_id)
        if busy:
            return self._turn_away(tx, stored)
        return self._carry_out(tx, stored, begin(self.flows[item], case), "started")

    def signal(self, tx: Tx, case_id: str, word: str) -> Case:
        """A person settles the open task of a case. Raises Conflict when there is none or the word is not its."""
        stored = cases.get(tx.conn, case_id)
        task = self.task_of(stored.case)
        if task is None:
            raise Conflict(f"case {case_id}: no task is open here")
        if word not in task.signals:
            raise Conflict(f"case {case_id}: {task.task} is settled by {', '.join(task.signals)}, got {word[:40]!r}")
        self._tell(tx, "signalled", stored.case, task=task.task, word=word)
        self.apply(tx, case_id, Event(stored.case.key, f"signal:{word}"))
        return cases.get(tx.conn, case_id).case

    def cancel(self, tx: Tx, case_id: str) -> Case:
        """The citizen gives up. Raises Conflict once money or the card's print is under way, or the case has ended."""
        stored = cases.get(tx.conn, case_id)
        step = cancel(self._flow(stored.case), stored.case)
        if step is None:
            why = "it has ended" if stored.case.end else f"it is too late at step {stored.case.step}"
            raise Conflict(f"case {case_id}: {why}")
        self._tell(tx, "cancelled", stored.case)
        if step.case.step == stored.case.step and not step.case.end:
            cases.update(tx.conn, stored, step.case, stored.deadline_ms, self._now_ms())
            return step.case
        return self._carry_out(tx, stored, step, "moved")

    # -- what happens to effects

    def on_command_settled(self, tx: Tx, fact: Fact) -> None:
        """``command.settled``: advance the case that waits for this command, if one does."""
        found = cases.effect_of_command(tx.conn, str(fact.data["command_id"]))
        if found is None:
            return
        error = fact.data.get("error") or {}
        event = Event(found[1], str(fact.data["outcome"]), str(error.get("code", "")), fact.data.get("output") or {})
        self.apply(tx, found[0], event)

    def apply(self, tx: Tx, case_id: str, event: Event) -> bool:
        """Advance a case by an event; False when it does not wait for it (any more)."""
        stored = cases.get(tx.conn, case_id)
        cases.settle_effect(tx.conn, event, self._now_ms())
        step = advance(self._flow(stored.case), stored.case, event)
        if step is None:
            return False
        self._keep_sealed(tx, stored.case, event)
        self._carry_out(tx, stored, step, "moved")
        return True

    def expire(self, tx: Tx) -> int:
        """Look at, or give up waiting for, every case whose time has come; returns how many."""
        ids = cases.due(tx.conn, self._now_ms())
        for case_id in ids:
            case = cases.get(tx.conn, case_id).case
            do = self._flow(case).steps[case.step].do
            if isinstance(do, Look):
                self.apply(tx, case_id, self._look(tx, case, do))
            else:
                self.apply(tx, case_id, Event(case.key, "timeout"))
        return len(ids)

    def task_of(self, case: Case) -> Person | None:
        """The open task for staff, if the case waits for one."""
        if case.end:
            return None
        do = self._flow(case).steps[case.step].do
        return do if isinstance(do, Person) else None

    def get(self, conn: Connection, case_id: str) -> Stored:
        """A case. Raises NotFound."""
        return cases.get(conn, case_id)

    # -- inside

    def _carry_out(self, tx: Tx, stored: Stored, step: Advance, what: str) -> Case:
        now_ms = self._now_ms()
        deadline_ms = None if step.wait_s is None else now_ms + round(step.wait_s * 1000)
        cases.update(tx.conn, stored, step.case, deadline_ms, now_ms)
        if step.case.end:
            cases.forget(tx.conn, step.case.case_id)
        elif step.forget:
            cases.forget(tx.conn, step.case.case_id, step.forget)
        for effect in step.effects:
            self._ask(tx, step.case, effect)
        self._tell(tx, "ended" if step.case.end else what, step.case)
        return step.case

    def _ask(self, tx: Tx, case: Case, effect: Effect) -> None:
        now = self._clock.now()
        command_id = self._send(tx, case, effect) if isinstance(effect, DeviceCommand) else None
        cases.add_effect(tx.conn, case.case_id, effect, command_id, to_ms(now))
        if isinstance(effect, DepartmentCall):
            calls.add(tx.conn, case.case_id, effect, to_ms(now))
            tx.publish(Fact(CALL_ASKED, now, {"operation": effect.operation}, hall=case.hall))
        elif isinstance(effect, HumanTask):
            self._tell(tx, "task_opened", case, task=effect.task)
        elif isinstance(effect, LookAt) and effect.after_s == 0:
            do = self._flow(case).steps[case.step].do
            assert isinstance(do, Look)
            self.apply(tx, case.case_id, self._look(tx, case, do))

    def _send(self, tx: Tx, case: Case, effect: DeviceCommand) -> str:
        return self._commands.send(
            tx,
            case.machine,
            effect.slot,
            effect.name,
            effect.args,
            start_in_s=effect.start_in_s,
            run_for_s=effect.run_for_s,
            key=effect.key,
            flow_id=case.case_id,
        )

    def _look(self, tx: Tx, case: Case, do: Look) -> Event:
        status = self._status.status_now(tx, case.machine, do.slot)
        value = None if status is None else status.get(do.field)
        if value is None:
            return Event(case.key, "unknown")
        return Event(case.key, "succeeded", output={"value": value})

    def _keep_sealed(self, tx: Tx, case: Case, event: Event) -> None:
        name, sealed = self._flow(case).steps[case.step].secret, event.output.get("sealed")
        if name and event.outcome == "succeeded" and isinstance(sealed, str):
            cases.keep_secret(tx.conn, case.case_id, name, sealed)

    def _busy(self, tx: Tx, machine: str) -> bool:
        return any(
            stored.case.step not in self._flow(stored.case).late for stored in cases.running_at(tx.conn, machine)
        )

    def _turn_away(self, tx: Tx, stored: Stored) -> Case:
        said = WHY[BUSY].as_args()
        show = DeviceCommand(
            f"{stored.case.case_id}:busy:1", SCREEN, "show",
            {"message": said, "tone": "fault", "end_session": True}, 20.0, 10.0, awaited=False,
        )  # fmt: skip
        turned_away = Case(
            stored.case.case_id, stored.case.hall, stored.case.machine, stored.case.item, stored.case.resume_code,
            failure=BUSY, end=BUSY,
        )  # fmt: skip
        return self._carry_out(tx, stored, Advance(turned_away, (show,)), "ended")

    def _tell(self, tx: Tx, what: str, case: Case, **more: str) -> None:
        data = {"case_id": case.case_id, "item": case.item, "step": case.step, "end": case.end, **more}
        tx.publish(Fact(f"case.{what}", self._clock.now(), data, machine=case.machine, hall=case.hall))

    def _flow(self, case: Case) -> Flow:
        return self.flows[case.item]

    def _now_ms(self) -> int:
        return to_ms(self._clock.now())


def _resume_code(case_id: str) -> str:
    return b32encode(sha256(case_id.encode()).digest())[:8].decode()
