"""Whether a printer's near-end bit can be believed: on cheap ones it is set for ever."""


class NearEnd:
    """Believes the near-end bit until a new roll was put in and it stayed set: then only after it was seen clear."""

    def __init__(self, declared: bool) -> None:
        self._declared = declared
        self._was_out = False
        self._broken = False
        self._seen: set[bool] = set()

    @property
    def usable(self) -> bool:
        """Whether the bit is worth anything."""
        return self._declared and not self._broken

    @property
    def proved(self) -> bool:
        """It has been seen in both states."""
        return self.usable and len(self._seen) == 2

    def judge(self, low: bool, out: bool | None) -> bool:
        """Whether there is little paper, as far as it can be known."""
        self._seen.add(low)
        new_roll = self._was_out and out is False
        if out is not None:
            self._was_out = out
        if not low:
            self._broken = False
        elif new_roll:
            self._broken = True
        return low and self.usable
