"""Child processes: a module that reads requests as lines of JSON on standard input, and replies on standard output.

When the host ends, however it does, the pipe closes and the child ends too. A fresh interpreter is started, neither
forked nor spawned by `multiprocessing`, so that a user's script needs no `if __name__ == "__main__"`.
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
MORE_TIME = "more_time_s"


class ChildError(GlitchError):
    """The process replied with an error, or has ended, or doesn't reply."""


class ChildProcess:
    """Runs `python -m module` and sends it requests, one at a time.

    Parameters
    ----------
    module
        Name of the module.
    name
        Names the process in errors, with its article: "The deck".
    """

    def __init__(self, module: str, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **detached()
        )
        threading.Thread(target=self._read_replies, name=module, daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def ask(self, timeout_s: float, **message: Any) -> dict[str, Any]:
        """Send a request and wait for the reply.

        Parameters
        ----------
        timeout_s
            How long to wait, in s; the child can ask for more, see `ask_for_time`.
        message
            The request, anything that JSON can hold.

        Returns
        -------
        reply : dict
            The child's reply.

        Raises
        ------
        ChildError
            The child replies with an error, ends, or sends nothing for `timeout_s`.
        """
        with self._lock:
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps(message) + "\n")
                self._process.stdin.flush()
            except (OSError, ValueError):
                pass  # it has ended; its last reply may say why
            answer: dict[str, Any] = {MORE_TIME: timeout_s}
            while MORE_TIME in answer:
                timeout_s = answer[MORE_TIME]
                try:
                    answer = self._answers.get(timeout=timeout_s)
                except queue.Empty:
                    raise ChildError(
                        f"{self._name} has not answered for {timeout_s:.0f} s; is the machine overloaded?"
                    ) from None
        if "error" in answer:
            self._answers.put(answer)  # for later requests as well
            raise ChildError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process: close its pipe, and kill it after `STOP_TIMEOUT_S`."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()

    def _read_replies(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                answer = json.loads(line)
                if isinstance(answer, dict):
                    self._answers.put(answer)
        code = self._process.wait()
        self._answers.put({"error": f"{self._name} ended unexpectedly (code {code}); run with --debug to see why."})


class Requests:
    """The child's side: the requests of the host.

    When the host is gone, the process ends after `grace_s` seconds, even if a call into a driver hangs.

    Parameters
    ----------
    grace_s
        Time for the process to end by itself, in s.
    """

    def __init__(self, grace_s: float = STOP_TIMEOUT_S) -> None:
        self._grace_s = grace_s
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read_lines, name="requests", daemon=True).start()

    def next(self) -> dict[str, Any] | None:
        """Wait for the next request; None when the host is gone."""
        return self._lines.get()

    def _read_lines(self) -> None:
        for line in sys.stdin:
            self._lines.put(json.loads(line))
        self._lines.put(None)
        end = threading.Timer(self._grace_s, os._exit, [0])
        end.daemon = True
        end.start()


def reply(**message: Any) -> None:
    """Reply to the host's request."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def ask_for_time(seconds: float) -> None:
    """Give the next reply this much time, from now or from its request, in place of the host's own limit.

    For work that takes long for a good reason, such as compiling; the host still notices a process that hangs in
    anything else.
    """
    reply(**{MORE_TIME: seconds})


def detached() -> dict[str, Any]:
    """Return options of `subprocess.Popen` that keep Ctrl-C from the child, since the host ends it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
