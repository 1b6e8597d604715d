"""A JACK server with the dummy driver: a real server with a real clock, and no sound card."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

NEEDED = "jackd is not installed; install it (Debian: apt install jackd2)"


class JackServer:
    """A server of its own name, running while the context lasts; `environment` leads clients to it."""

    def __init__(self, *, rate: int = 48_000, block: int = 64) -> None:
        if shutil.which("jackd") is None:
            raise RuntimeError(NEEDED)
        self.name = f"glitch-test-{os.getpid()}-{id(self) % 10_000}"
        self.environment = {**os.environ, "JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1"}
        self._driver = ["-d", "dummy", "-r", str(rate), "-p", str(block)]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for real_time in (["-R", "-P", "70"], ["-r"]):  # a container may not grant real-time priority
            self._process = subprocess.Popen(
                ["jackd", "-n", self.name, *real_time, *self._driver],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self.environment,
                start_new_session=True,
            )
            waited = subprocess.run(
                ["jack_wait", "-s", self.name, "-w", "-t", "10"],
                env=self.environment,
                capture_output=True,
                check=False,
            )
            if waited.returncode == 0 and self._process.poll() is None:
                return self
            self.__exit__(None, None, None)
            _forget_the_dead()
        raise RuntimeError("jackd does not start; run it by hand to see why")

    def kill(self) -> None:
        """End the server as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def _forget_the_dead() -> None:
    """Empty JACK's registry, where servers that were killed keep their slot of eight, if no server lives."""
    lives = any(process.info["name"] in ("jackd", "jackdbus") for process in psutil.process_iter(["name"]))
    if not lives:
        for left in Path("/dev/shm").glob("jack*"):
            if left.is_file():
                left.unlink(missing_ok=True)
