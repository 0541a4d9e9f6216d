"""The subject of no-groups.yaml."""

from harness.clients.subject import Applied
from harness.clients.zkmq_subjects import ZkmqSubject
from harness.history.record import Value


class ForgetsGroups(ZkmqSubject):
    """zkmq, whose puts into a group forget the group."""

    def put_in_group(self, value: Value, priority: int, group: str) -> Applied:
        """Put the value, and no group."""
        return self.put(value, priority)
