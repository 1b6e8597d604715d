"""A process of ours: a module that is run with lines of JSON on its standard input and output.

The host's end of the pipe is what the child lives by: when it closes, however the host ended, the child ends too. A
fresh interpreter is started instead of a fork or a spawn, so that a player's own script needs no guard around its main.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from typing import Any

from export.errors import GlitchError

STOP_TIMEOUT_S = 2.0


class ChildError(GlitchError):
    """The process said what is wrong, or ended, or doesn't answer."""


class Child:
    """Starts `python -m module` and talks with it, a question at a time.

    Parameters
    ----------
    module
        What to run.
    name
        What errors call it, with its article: "The deck".
    """

    def __init__(self, module: str, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **detached()
        )
        threading.Thread(target=self._listen, name=module, daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def ask(self, timeout_s: float, **message: Any) -> dict[str, Any]:
        """Send a line, and give the line that comes back.

        Raises
        ------
        ChildError
            It answers with an error, ends, or says nothing for `timeout_s`.
        """
        with self._lock:
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps(message) + "\n")
                self._process.stdin.flush()
            except (OSError, ValueError):
                pass  # it has ended; why, it may have said
            try:
                answer = self._answers.get(timeout=timeout_s)
            except queue.Empty:
                raise ChildError(
                    f"{self._name} says nothing for {timeout_s:.0f} s; is the machine overloaded?"
                ) from None
        if "error" in answer:
            self._answers.put(answer)  # whoever asks again hears it again
            raise ChildError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process, kindly and then not."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                answer = json.loads(line)
                if isinstance(answer, dict):
                    self._answers.put(answer)
        code = self._process.wait()
        self._answers.put({"error": f"{self._name} ended unexpectedly (code {code}); run with --debug to see why."})


class Requests:
    """The child's side: what the host asks, line by line. `None` when the host is gone."""

    def __init__(self, grace_s: float = STOP_TIMEOUT_S) -> None:
        self._grace_s = grace_s
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def next(self) -> dict[str, Any] | None:
        """Wait for the next order."""
        return self._lines.get()

    def _listen(self) -> None:
        for line in sys.stdin:
            self._lines.put(json.loads(line))
        self._lines.put(None)
        end = threading.Timer(self._grace_s, os._exit, [0])  # even where a call into a driver hangs
        end.daemon = True
        end.start()


def reply(**message: Any) -> None:
    """Answer the host."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def detached() -> dict[str, Any]:
    """Keep Ctrl-C from reaching the child: the host decides how to end it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
