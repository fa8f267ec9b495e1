"""What can be done with the queue; ``QueueService`` is the door for routes, reactions and other features."""

from cloud.queues.service.desk import QueueService
from cloud.queues.service.ports import CommandSender, DesiredWriter

__all__ = ["CommandSender", "DesiredWriter", "QueueService"]
