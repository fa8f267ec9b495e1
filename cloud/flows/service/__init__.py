"""What can be done with cases; ``FlowService`` is the door."""

from cloud.flows.service.cases import CALL_ASKED, FlowService
from cloud.flows.service.ports import CommandSender, Departments, StatusReader, Vault

__all__ = ["CALL_ASKED", "CommandSender", "Departments", "FlowService", "StatusReader", "Vault"]
