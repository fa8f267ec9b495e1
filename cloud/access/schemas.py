"""What the interface shows of access."""

from pydantic import BaseModel, Field


class Me(BaseModel):
    """Who is asking."""

    kind: str = Field(description="person or token")
    id: str
    name: str
    permissions: dict[str, list[str]] = Field(description="permission -> halls; * stands for all")
