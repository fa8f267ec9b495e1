"""Who may begin at the screen: nobody while the machine is not for citizens; and what the screen says then."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from device_profiles.capabilities.screen import Bilingual
from edge_agent.errors import LocalRefusal, MachineBusy
from edge_agent.lease import Lease
from edge_agent.screen.board import Board, View, ViewKind

OUT_OF_SERVICE = Bilingual(
    zh="本机暂停服务，工作人员正在维护。请使用其他设备或到窗口办理。",
    en="This machine is out of service while our staff look after it. Please use another one or go to a counter.",
)
A_MOMENT = Bilingual(
    zh="本机正在处理设备，请稍候再试或使用其他设备。",
    en="This machine is being looked after for a moment. Please try again soon, or use another one.",
)


class CitizenGuard:
    """``out_of_service`` tells whether vendor mode is on or coming."""

    def __init__(self, board: Board, lease: Lease, out_of_service: Callable[[], bool]) -> None:
        self._board = board
        self._lease = lease
        self._out_of_service = out_of_service

    async def begin(self, citizen: str, for_s: float) -> None:
        """A journey begins; it ends when its view leaves the screen. Raises LocalRefusal."""
        try:
            await self._lease.begin(citizen, for_s)
        except MachineBusy:
            raise self._refusal() from None

    def give_up(self, citizen: str) -> None:
        """It never came to the screen."""
        self._lease.end(citizen)

    @asynccontextmanager
    async def serving(self, citizen: str, for_s: float) -> AsyncIterator[None]:
        """A ticket is taken. Raises LocalRefusal."""
        await self.begin(citizen, for_s)
        try:
            yield
        finally:
            self._lease.end(citizen)

    async def run(self) -> None:
        """Follow the screen: who left it is served no more; and nobody is offered what cannot be had. For ever."""
        session = ""
        while True:
            revision = self._board.revision
            showing = self._board.view.session_id
            if session and showing != session:
                self._lease.end(session)
            session = showing
            self._show()
            if self._board.revision == revision:
                await self._board.wait_beyond(revision)

    def _show(self) -> None:
        out, kind = self._out_of_service(), self._board.view.kind
        if out and kind is ViewKind.IDLE:
            self._board.show(View(ViewKind.OUT_OF_SERVICE, message=OUT_OF_SERVICE, tone="wait"))
        elif not out and kind is ViewKind.OUT_OF_SERVICE:
            self._board.go_home()

    def _refusal(self) -> LocalRefusal:
        words = OUT_OF_SERVICE if self._out_of_service() else A_MOMENT
        return LocalRefusal("out_of_service", words.zh, words.en)
