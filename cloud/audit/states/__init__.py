"""What the record is made of, without any store: the chain, the check, the words."""

from cloud.audit.states.chain import Draft, canonical, chained, link, shape
from cloud.audit.states.checking import Checker

__all__ = ["Checker", "Draft", "canonical", "chained", "link", "shape"]
