"""Effects by name: pedalboard's own, and the plug-ins that are installed.

A name may come from the network, so it is only ever compared with the names of what lies in the plug-in folders; no
path is made of it. A plug-in is loaded in a process of its own to be described: if it crashes or hangs there, that is
a sentence and no more.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from export.errors import GlitchError
from realtime.effects.table import BUILT_IN, Effect
from realtime.ipc.child import Child, ChildError

INSPECTION_TIMEOUT_S = 20.0
ENDINGS = (".vst3", ".component") if sys.platform == "darwin" else (".vst3",)


def names(folder: Path | None = None) -> list[str]:
    """Give the names of all effects: the built-ins, then the plug-ins that are installed.

    Parameters
    ----------
    folder
        Where to look for plug-ins before the system's own folders.
    """
    return [effect.name for effect in BUILT_IN] + sorted({path.stem for path in _plugin_files(folder)}, key=str.lower)


def find(name: str, folder: Path | None = None) -> Effect:
    """Describe an effect.

    Parameters
    ----------
    name
        Of a built-in ("reverb") or of a plug-in's file without its ending ("ZamDelay"), in any case. Where a file has
        several plug-ins, the file's name, a colon and the plug-in's own.
    folder
        Where to look for plug-ins before the system's own folders.

    Raises
    ------
    GlitchError
        pedalboard isn't installed; there is no such effect; or the plug-in crashes, hangs or is none.
    """
    if importlib.util.find_spec("pedalboard") is None:
        raise GlitchError("Effects need pedalboard; run: pip install pedalboard.")
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
    child = Child("realtime.effects.probe", f"The plug-in {path.stem}")
    try:
        answer = child.ask(INSPECTION_TIMEOUT_S, path=str(path), inside=inside)
    except ChildError as error:
        child.kill()
        raise GlitchError(f"The effect {path.stem} cannot be used. {error}") from None
    child.close()
    return Effect.from_json(answer["effect"])


def _plugin_files(folder: Path | None) -> Iterator[Path]:
    """Give the files of plug-ins; a folder that ends as one is a bundle, and is not looked into."""
    for place in (folder, *_system_folders()):
        if place is None:
            continue
        for root, folders, files in os.walk(place):
            found = sorted(name for name in (*folders, *files) if name.lower().endswith(ENDINGS))
            folders[:] = sorted(set(folders) - set(found))
            yield from (Path(root) / name for name in found)


def _system_folders() -> tuple[Path, ...]:
    """Give the folders that the makers of the formats lay down, the player's own first."""
    home = Path.home()
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        common = Path(os.environ.get("COMMONPROGRAMFILES", r"C:\Program Files\Common Files"))
        return local / "Programs" / "Common" / "VST3", common / "VST3"
    if sys.platform == "darwin":
        plugins = Path("Library") / "Audio" / "Plug-Ins"
        return tuple(base / plugins / kind for base in (home, Path("/")) for kind in ("VST3", "Components"))
    return home / ".vst3", Path("/usr/local/lib/vst3"), Path("/usr/lib/vst3")
