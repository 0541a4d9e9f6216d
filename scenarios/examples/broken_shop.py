"""The Celery application, with a mistake. The scenario broken-shop.yaml finds it."""

from typing import Any

import shop
import shop_under_test

from harness.clients.subject import SubjectConfig


class Shop(shop_under_test.Shop):
    """An application that acknowledges a task before it runs it: Celery's default."""

    def application(self, config: SubjectConfig) -> Any:
        """Return the application without `task_acks_late`."""
        app = super().application(config)
        shop.receipt.acks_late = False
        return app
