"""A JACK server with the dummy driver: a real server with a real clock, and no sound card."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import psutil

NEEDED = "jackd is not installed; install it (Debian: apt install jackd2)"


class JackServer:
    """A server of its own name, running while the context lasts; `environment` leads clients to it."""

    def __init__(self, *, rate: int = 48_000, block: int = 64, captures: int = 2, playbacks: int = 2) -> None:
        if shutil.which("jackd") is None:
            raise RuntimeError(NEEDED)
        self.rate, self.block, self.captures, self.playbacks = rate, block, captures, playbacks
        self.name = f"glitch-test-{os.getpid()}-{id(self) % 10_000}"
        self.environment = {**os.environ, "JACK_DEFAULT_SERVER": self.name, "JACK_NO_START_SERVER": "1"}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        driver = ["-d", "dummy", "-r", str(self.rate), "-p", str(self.block)]
        driver += ["-C", str(self.captures), "-P", str(self.playbacks)]
        for real_time in (["-R", "-P", "70"], ["-r"]):  # a container may not grant real-time priority
            self._process = subprocess.Popen(
                ["jackd", "-n", self.name, *real_time, *driver],
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

    def ports(self) -> list[str]:
        """List the ports of all clients, by their full names."""
        listed = subprocess.run(["jack_lsp"], env=self.environment, capture_output=True, text=True, check=False)
        return listed.stdout.split("\n")[:-1]

    def connect(self, output: str, into: str) -> None:
        """Lead a port's sound into another, which may be about to appear."""
        end = time.monotonic() + 10
        while subprocess.run(["jack_connect", output, into], env=self.environment, capture_output=True).returncode:
            if time.monotonic() > end:
                raise RuntimeError(f"{output} and {into} cannot be connected; there are {', '.join(self.ports())}")
            time.sleep(0.05)

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


class JackClient:
    """A client of a server, in a process of its own: plays a sound in a loop, and captures its inputs.

    Parameters
    ----------
    sound : np.ndarray [shape=(outputs, samples)]
    inputs
        Number of input channels.

    Attributes
    ----------
    captured : np.ndarray [shape=(inputs, samples)]
        The input, once the context has ended; `began` is the server's time of its first sample.
    late : int
        How often the server went on without it.
    """

    def __init__(self, server: JackServer, name: str, sound: np.ndarray | None = None, *, inputs: int = 0) -> None:
        self._server, self.name, self._inputs = server, name, inputs
        self._sound = np.zeros((0, 1), np.float32) if sound is None else sound
        self.source: JackClient | None = None  # connected to its inputs

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        sound, self._kept = Path(self._folder.name, "sound.npy"), Path(self._folder.name, "kept.npz")
        np.save(sound, self._sound)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.jack_client", self.name, str(sound), str(self._inputs), str(self._kept)],
            env=self._server.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the JACK client does not start")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._kept.exists():
            with np.load(self._kept) as kept:
                self.captured, self.began, self.late = kept["captured"], int(kept["began"]), int(kept["late"])
        self._folder.cleanup()


def _forget_the_dead() -> None:
    """Empty JACK's registry, where servers that were killed keep their slot of eight, if no server lives."""
    lives = any(
        process.info["name"] in ("jackd", "jackdbus") and process.info["status"] != psutil.STATUS_ZOMBIE
        for process in psutil.process_iter(["name", "status"])
    )
    if not lives:
        for left in Path("/dev/shm").glob("jack*"):
            if left.is_file():
                left.unlink(missing_ok=True)
