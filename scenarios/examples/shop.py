"""A Celery application: `celery -A shop worker` runs the task, `receipt.delay(7)` publishes it."""

from celery import Celery

import zkmq.celery  # makes zkmq:// known to kombu

app = Celery("shop", broker="zkmq://127.0.0.1:2181/shop", backend="rpc://")
app.conf.task_acks_late = True


def mail(text: str) -> None:
    print(text)


@app.task
def receipt(order: int) -> str:
    text = f"receipt for order {order}"
    mail(text)
    return text
