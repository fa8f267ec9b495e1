"""A slot's port in other hands: asked for by a borrower, granted by the slot's runner, given back."""

import asyncio

from edge_agent.errors import SlotNotReady


class Loan:
    """One time that the port is lent; ``reason``: why commands are refused meanwhile. The borrower calls
    ``granted`` and ``give_back``, the runner the rest.
    """

    def __init__(self, reason: str = "updating") -> None:
        self.reason = reason
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._back = asyncio.Event()

    async def granted(self) -> None:
        """Returns when the port is free and the borrower's alone. Raises SlotNotReady when it is gone instead."""
        await self._answer

    def give_back(self) -> None:
        """The borrower is done, or has changed its mind."""
        self._answer.cancel()
        self._back.set()

    def grant(self) -> None:
        """The driver is closed; a borrower that has changed its mind does not mind."""
        if not self._answer.done():
            self._answer.set_result(None)

    def refuse(self, reason: SlotNotReady) -> None:
        """The device left before the port was free."""
        if not self._answer.done():
            self._answer.set_exception(reason)

    async def returned(self) -> None:
        """Returns when the borrower is done."""
        await self._back.wait()
