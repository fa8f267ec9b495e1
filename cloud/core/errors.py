"""The errors of this room. Each class knows the HTTP status, code and title that a caller gets to see."""

from typing import ClassVar


class HallfleetError(Exception):
    """The root. The message says what was expected, what came and where; it holds no personal data."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"


class Invalid(HallfleetError):
    """What was asked cannot be understood or is not allowed by a rule."""

    status = 422
    code = "invalid"
    title = "Invalid request"


class Unauthorised(HallfleetError):
    """The caller did not show who it is."""

    status = 401
    code = "unauthorised"
    title = "Log in first"


class Forbidden(HallfleetError):
    """The caller is known and may not do this."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class NotFound(HallfleetError):
    """There is no such thing."""

    status = 404
    code = "not_found"
    title = "Not found"


class Conflict(HallfleetError):
    """The thing is in a state that does not allow this step."""

    status = 409
    code = "conflict"
    title = "Conflict with the present state"


class PreconditionFailed(HallfleetError):
    """The caller decided on an old version."""

    status = 412
    code = "precondition_failed"
    title = "Changed by somebody else meanwhile"


class Unavailable(HallfleetError):
    """A part that is needed does not answer now; trying again later may help."""

    status = 503
    code = "unavailable"
    title = "Not available now"


class ReactionLoop(HallfleetError):
    """Facts caused facts that caused facts ... deeper than any real chain goes."""

    code = "reaction_loop"
    title = "Facts cause each other without end"


class SchemaMismatch(HallfleetError):
    """The database's tables are not those of this version."""

    code = "schema_mismatch"
    title = "The database has another schema"


class PreconditionRequired(HallfleetError):
    """A change that needs to say which version it was decided on."""

    status = 428
    code = "precondition_required"
    title = "Say which version you changed"


class TooMany(HallfleetError):
    """More requests than one account or address may send. ``again_s``: after how many seconds to try again."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, message: str, again_s: int) -> None:
        super().__init__(message)
        self.again_s = again_s


class Forged(HallfleetError):
    """A write in a browser's session that none of this session's own pages asked for."""

    status = 403
    code = "forged"
    title = "Not from a page of yours"
