"""The Celery application of this folder as the subject of a scenario."""

from typing import Any

import shop
from celery import current_task
from celery.exceptions import Reject
from kombu import pools

from harness.clients.celery_subject import CelerySubject, configured
from harness.clients.subject import SubjectConfig, value_of


class Shop(CelerySubject):
    """The Celery application: each delivery is a mail."""

    def application(self, config: SubjectConfig) -> Any:
        """Return the shop's application, whose mails go to the client."""
        shop.mail = self._mailed
        shop.app.conf.task_ignore_result = True
        return configured(shop.app, config, self._jobs)

    def task_of(self, app: Any) -> Any:
        """Return the shop's task."""
        return shop.receipt

    def end(self) -> None:
        """Let the next client of this process use the application again."""
        super().end()
        pools.reset()
        shop.app.__dict__.pop("amqp", None)  # which keeps the closed pool

    def _mailed(self, text: str) -> None:
        if not self.work_on(
            value_of(text.rsplit(maxsplit=1)[-1].encode()), self.job_of(current_task)
        ):
            raise Reject("the client gives the task back", requeue=True)
