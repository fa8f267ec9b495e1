"""The screen as a slot: the cloud's ``show`` and ``choose`` go through the same journal as commands to devices."""

import asyncio
from collections.abc import Mapping
from typing import Any

from device_profiles.capabilities.evidence import Evidence
from device_profiles.capabilities.model import Action, DeviceState, Nothing, Shape, Status
from device_profiles.capabilities.screen import Bilingual, Choice, ChooseArgs, ScreenStatus, ShowArgs
from edge_agent.errors import LocalRefusal
from edge_agent.ports import BeforeEffect, Clock
from edge_agent.screen.board import READ_S, SESSION_IDLE_S, Board, View, ViewKind
from firmware_bridge.errors import DeviceFault, UnsupportedCommand

PLEASE_WAIT = Bilingual(zh="请稍候…", en="Please wait…")


class ScreenSlot:
    """See ``ports.SlotView``; it has no driver and is always there."""

    capability = "screen"
    ready = True

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._clock = clock
        self._turn = asyncio.Lock()
        self._answer: asyncio.Future[str] | None = None

    @property
    def status(self) -> Status:
        return ScreenStatus(device=DeviceState.ONLINE)

    async def settled(self) -> None:
        return

    async def execute(
        self,
        name: str,
        args: Shape,
        *,
        run_for_s: float,
        before_effect: BeforeEffect | None = None,
    ) -> Shape:
        async with self._turn:
            if before_effect is not None:
                await before_effect({})
            async with self._clock.timeout(run_for_s):
                return await self._do(args)

    async def look(self, evidence: Evidence) -> Mapping[str, Any]:
        return self.status.model_dump(mode="json")

    def answer(self, option: str) -> None:
        """The citizen touched an option. Raises LocalRefusal when it was not asked for."""
        known = {choice.id for choice in self._board.view.options}
        if self._answer is None or self._answer.done() or option not in known:
            raise LocalRefusal("no_question", "没有等待回答的问题。", "Nothing is asked at the moment.")
        self._answer.set_result(option)

    async def _do(self, args: Shape) -> Shape:
        match args:
            case ShowArgs():
                self._show(args)
                return Nothing()
            case ChooseArgs():
                return Choice(option=await self._choose(args))
            case _:
                raise UnsupportedCommand(f"screen: expected show or choose, got {type(args).__name__}")

    def _show(self, args: ShowArgs) -> None:
        session = "" if args.end_session else self._board.view.session_id
        view = View(ViewKind.MESSAGE, session, args.message, args.tone)
        self._put(view, READ_S if args.end_session else SESSION_IDLE_S)

    async def _choose(self, args: ChooseArgs) -> str:
        session = self._board.view.session_id
        self._answer = asyncio.get_running_loop().create_future()
        self._put(View(ViewKind.QUESTION, session, args.question, "act", tuple(args.options)), SESSION_IDLE_S)
        try:
            async with self._clock.timeout(args.wait_s):
                return await self._answer
        except TimeoutError:
            detail = f"expected a touch within {args.wait_s:g} s, none came"
            raise DeviceFault("no_choice", Action.SUSPEND, detail) from None
        finally:
            self._answer = None
            self._board.show(View(ViewKind.MESSAGE, session, PLEASE_WAIT, "wait"), for_s=SESSION_IDLE_S)

    def _put(self, view: View, for_s: float) -> None:
        if not self._board.show(view, for_s=for_s):
            raise DeviceFault("busy", Action.SUSPEND, f"the screen shows {self._board.view.kind}, a citizen is served")
