"""What can be done with the record: ``AuditService`` writes it, ``RetentionService`` ends what is personal."""

from cloud.audit.service.record import AuditService
from cloud.audit.service.retention import RetentionService

__all__ = ["AuditService", "RetentionService"]
