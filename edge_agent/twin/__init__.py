"""The machine's twin: what it reports of itself, and what the cloud wants of it. The highest version wins."""

from edge_agent.twin.desired import Desired
from edge_agent.twin.reported import Reported

__all__ = ["Desired", "Reported"]
