"""One line a record on stdout: JSON or `key=value`, with the integration id, secrets removed."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from vitesse_graph.runtime.secrets import Redactor


class LineFormatter(logging.Formatter):
    """Formats one record as one line, whatever newlines its message holds."""

    def __init__(self, integration_id: str, redactor: Redactor, *, as_json: bool) -> None:
        super().__init__()
        self._id, self._redactor, self._as_json = integration_id, redactor, as_json

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += " | " + self.formatException(record.exc_info)
        message = self._redactor(message)
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        if self._as_json:
            line = {
                "time": moment,
                "level": record.levelname.lower(),
                "integration_id": self._id,
                "logger": record.name,
                "event": message,
            }
            return json.dumps(line)
        flat = message.replace("\n", " ⏎ ")
        return f"{moment} {record.levelname.lower()} integration_id={self._id} {flat}"


def configure_logging(integration_id: str, redactor: Redactor, *, level: str, as_json: bool) -> None:
    """Sends everything to stdout, for whoever keeps the logs."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(LineFormatter(integration_id, redactor, as_json=as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("vitesse_graph").setLevel(min(logging.INFO, logging.getLevelName(level.upper())))
