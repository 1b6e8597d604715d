"""Fixtures that several folders share."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

from realtime.ipc.child_process import ChildProcess
from realtime.ipc.segment_registry import SegmentRegistry
from realtime.library.library import Library, bundled_model
from tests import reference

REAL_TIME = "real-time"  # group of the tests that play


def pytest_configure(config: pytest.Config) -> None:
    """Set what tests and the processes that they start inherit, whoever runs them and wherever.

    Signals that nohup or a script ignores, time limits of hypothesis, the language of messages, the user's folders, and
    their JACK server.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("any machine")
    patch = pytest.MonkeyPatch()
    config.add_cleanup(patch.undo)
    home = tempfile.TemporaryDirectory(prefix="glitch-test-home-", ignore_cleanup_errors=True)
    config.add_cleanup(home.cleanup)
    # Caches of computed and downloaded files hold no personal data and are shared.
    caches = {"XDG_CACHE_HOME": Path.home() / ".cache", "npm_config_cache": Path.home() / ".npm"}
    for name, folder in caches.items():
        patch.setenv(name, os.environ.get(name, str(folder)))
    for name in ("HOME", "USERPROFILE"):
        patch.setenv(name, home.name)
    for name in ("XDG_DATA_HOME", "APPDATA", "XDG_CONFIG_HOME"):
        patch.setenv(name, str(Path(home.name, name)))
    patch.setenv("LC_ALL", "C.UTF-8")
    patch.delenv("LANGUAGE", raising=False)
    patch.setenv("JACK_DEFAULT_SERVER", f"glitch-test-none-{os.getpid()}")
    patch.setenv("JACK_NO_START_SERVER", "1")


@pytest.hookimpl(tryfirst=True)  # before the groups become part of the tests' names
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that play in real time come last, in one group."""
    items.sort(key=_plays)
    for item in items:
        if _plays(item):
            item.add_marker(pytest.mark.xdist_group(REAL_TIME))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadGroupScheduling:
    """Let processes share the tests file by file, and only one have those that play in real time."""
    return _ByFile(config, log)


class _ByFile(LoadGroupScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return REAL_TIME if nodeid.endswith(f"@{REAL_TIME}") else nodeid.split("::", maxsplit=1)[0]


def _plays(item: pytest.Item) -> bool:
    return item.get_closest_marker("plays") is not None


@pytest.fixture
def _denormals() -> Iterator[None]:
    """Turn off flush-to-zero after a test, in case a plug-in turned it on."""
    yield
    import torch

    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def compiled(models: dict[str, Path]) -> None:
    """Compile the stage's functions once, so that its processes start from the cache, within their deadlines."""
    from realtime.decks.offline_deck import OfflineDeck
    from realtime.engine.engine import Engine

    for name in ("tone", "slow", "mel"):  # magnitudes, another sample rate, mel bands
        OfflineDeck(Engine(models[name], 48_000)).next()


@pytest.fixture(autouse=True)
def _real_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare a test that plays; refuse decks and devices of their own process to all others."""
    if _plays(request.node):
        request.getfixturevalue("compiled")
        return

    start = ChildProcess.__init__

    def checked(child: ChildProcess, module: str, name: str) -> None:
        real_time = module.endswith(("deck_process", "device_process"))
        assert not real_time, f"A test that starts {module} plays in real time: mark it with pytest.mark.plays."
        start(child, module, name)

    monkeypatch.setattr(ChildProcess, "__init__", checked)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small models that need no torch: `level` shows its latent, `tone` gives magnitudes, `bundled` is the
    real one, `spectral` the bundled one that gives magnitudes, and `mel` one that gives mel bands."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "level": reference.level_model(folder / "level.onnx"),
        "stereo": reference.level_model(folder / "stereo.onnx", channels=2, hop=300),
        "slow": reference.level_model(folder / "slow.onnx", rate=44_100),
        "echo": reference.echo_model(folder / "echo.onnx"),
        "tone": reference.tone_model(folder / "tone.onnx"),
        "passing": reference.passing_model(folder / "passing.onnx"),
        "louder": reference.passing_model(folder / "louder.onnx", gain=4.0, channels=2),
        "resonant": reference.spectral_model(folder / "resonant.onnx"),
        "singing": reference.singing_model(folder / "singing.onnx"),
        "humming": reference.singing_model(folder / "humming.onnx", audio=True),
        "bundled": bundled_model(),
        "spectral": Library(folder).find("orchestra-spectral"),
        "mel": Library(folder).find("endless"),
    }


@pytest.fixture(scope="session")
def reference_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference decoder, exported."""
    return reference.export_reference(tmp_path_factory.mktemp("reference") / "reference.onnx")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SegmentRegistry]:
    """A registry of segments in a folder of its own."""
    made = SegmentRegistry(tmp_path / "registry")
    yield made
    made.close()
