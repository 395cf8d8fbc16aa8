# Writes what happens in a playbook as JSON Lines to the file named by
# HL_ANSIBLE_EVENTS. Neither arguments nor results of tasks are written:
# they may hold secrets.
from __future__ import annotations

DOCUMENTATION = """
name: hl_events
type: aggregate
short_description: events of a playbook for hl
description: Writes plays, tasks, results per host and the final statistics as JSON Lines.
options: {}
"""

import json
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "hl_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        path = os.environ.get("HL_ANSIBLE_EVENTS")
        self._file = open(path, "a", encoding="utf-8", buffering=1) if path else None
        self.disabled = self._file is None

    def _write(self, event, **fields):
        self._file.write(json.dumps({"event": event, **fields}, ensure_ascii=True) + "\n")

    def v2_playbook_on_play_start(self, play):
        self._write("play", name=play.get_name())

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._write("task", name=task.get_name())

    def v2_playbook_on_handler_task_start(self, task):
        self._write("task", name=task.get_name())

    def _result(self, result, status):
        self._write(
            "result",
            host=result._host.get_name(),
            task=result._task.get_name(),
            status=status,
        )

    def v2_runner_on_ok(self, result):
        self._result(result, "changed" if result._result.get("changed") else "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._result(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result):
        self._result(result, "unreachable")

    def v2_runner_on_skipped(self, result):
        self._result(result, "skipped")

    def v2_playbook_on_stats(self, stats):
        self._write("stats", hosts={h: stats.summarize(h) for h in sorted(stats.processed)})
