"""Effects by name: pedalboard's own and installed plug-ins.

A name may come from the network, so it is only compared with the names of files in the plug-in folders and never
becomes part of a path. A plug-in is described in a child process; if it crashes or hangs there, the result is one
sentence.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from export.errors import GlitchError
from realtime.effects.built_in import BUILT_IN, Effect
from realtime.ipc.child_process import ChildError, ChildProcess

INSPECTION_TIMEOUT_S = 20.0
ENDINGS = (".vst3", ".component") if sys.platform == "darwin" else (".vst3",)


def names(folder: Path | None = None) -> list[str]:
    """List the names of all effects.

    Parameters
    ----------
    folder
        Folder to search for plug-ins before the system's folders.

    Returns
    -------
    list of str
        Built-in effects, then installed plug-ins in alphabetical order.
    """
    return [effect.name for effect in BUILT_IN] + sorted({path.stem for path in _plugin_files(folder)}, key=str.lower)


def find(name: str, folder: Path | None = None) -> Effect:
    """Find an effect by name.

    Parameters
    ----------
    name
        Name of a built-in ("reverb") or of a plug-in's file without its suffix ("ZamDelay"), in any case. If the file
        has several plug-ins: the file's name, a colon and the plug-in's name.
    folder
        Folder to search for plug-ins before the system's folders.

    Returns
    -------
    effect : Effect

    Raises
    ------
    GlitchError
        pedalboard isn't installed, there is no such effect, or the plug-in crashes, hangs or isn't an effect.
    """
    if importlib.util.find_spec("pedalboard") is None:
        raise GlitchError('Effects need pedalboard; run: pip install -e ".[vst]" in the clone.')
    asked = name.strip().lower()
    for effect in BUILT_IN:
        if effect.name.lower() == asked:
            return effect
    stem, _, inside = asked.partition(":")
    for path in _plugin_files(folder):
        if stem in (path.stem.lower(), path.name.lower()):
            return _inspect(path, inside)
    raise GlitchError(f"There is no effect '{name}'; there are: {', '.join(names(folder))}.")


def _inspect(path: Path, inside: str) -> Effect:
    child = ChildProcess("realtime.effects.probe", f"The plug-in {path.stem}")
    try:
        answer = child.ask(INSPECTION_TIMEOUT_S, path=str(path), inside=inside)
    except ChildError as error:
        child.kill()
        raise GlitchError(f"The effect {path.stem} cannot be used. {error}") from None
    child.close()
    return Effect.from_json(answer["effect"])


def _plugin_files(folder: Path | None) -> Iterator[Path]:
    """Yield the files of plug-ins; a folder with the suffix of one is a bundle and isn't searched."""
    for place in (folder, *_system_folders()):
        if place is None:
            continue
        for root, folders, files in os.walk(place):
            found = sorted(name for name in (*folders, *files) if name.lower().endswith(ENDINGS))
            folders[:] = sorted(set(folders) - set(found))
            yield from (Path(root) / name for name in found)


def _system_folders() -> tuple[Path, ...]:
    """Return the standard folders of the formats, the user's own first."""
    home = Path.home()
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        common = Path(os.environ.get("COMMONPROGRAMFILES", r"C:\Program Files\Common Files"))
        return local / "Programs" / "Common" / "VST3", common / "VST3"
    if sys.platform == "darwin":
        plugins = Path("Library") / "Audio" / "Plug-Ins"
        return tuple(base / plugins / kind for base in (home, Path("/")) for kind in ("VST3", "Components"))
    return home / ".vst3", Path("/usr/local/lib/vst3"), Path("/usr/lib/vst3")
