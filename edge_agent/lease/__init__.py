"""Who the machine is for at this moment: citizens, or one act that would disturb them. ``states.py`` is the table."""

from edge_agent.lease.lease import Hold, Lease
from edge_agent.lease.states import LeaseState

__all__ = ["Hold", "Lease", "LeaseState"]
