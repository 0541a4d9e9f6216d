"""The settings of faults without which a fault is refused, by kind."""

from typing import Any

REQUIRED: dict[str, dict[str, Any]] = {
    "corrupt": {"how": "flip-bit"},
    "failpoint": {"point": "Leader.shutdown:enter", "do": "halt"},
    "io-error": {"error": "EIO"},
    "link-latency": {"pairs": [[1, 3], [3, 2]]},
    "partition": {"groups": [[1, 2], [3, 4, 5]]},
    "regions": {"groups": {"eu": [1, 2], "us": [3, 4, 5]}},
    "rolling-upgrade": {"to": "3.9.6"},
    "start": {"target": {"node": 2}},
}
