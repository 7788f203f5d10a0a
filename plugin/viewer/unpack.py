"""OHIF's own package (`@ohif/app` of npm, MIT licence), made to run below /orthogen/ohif/ with our settings.

The package holds the viewer built for the root of a site: this changes the addresses in it to relative ones,
and leaves out what is not needed here (maps, an inference runtime, the microscopy viewer, its service worker,
its settings: the node serves its own).
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from pipelines.errors import OrthogenError

VERSION = "3.13.2"
SHA256 = "b189d3963bfc58e9394a9db8c7be75d07beb029ec211dbb126d47b62969dd3f1"
LEFT_OUT = re.compile(
    r"^(ort|dicom-microscopy-viewer|customizations)/|\.map$|^(sw|init-service-worker|google|app-config)\.js$|^_|^serve\.json$"
    r"|^assets/(?!favicon)"
)

Change = Callable[[str], str]


class NotTheViewer(OrthogenError):
    """The file is not the package this version of the node knows."""


def unpack(package: Path, folder: Path) -> int:
    """Puts the viewer into the folder, in place of what is there; returns how many files.

    Raises:
        NotTheViewer: the file's SHA-256 is not that of OHIF's package.
    """
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != SHA256:
        raise NotTheViewer(f"{package.name} has SHA-256 {found}", remedy=f"get @ohif/app {VERSION}: {SHA256}")
    beside = folder.with_name(folder.name + ".new")
    shutil.rmtree(beside, ignore_errors=True)
    count = sum(1 for _ in written(package, beside))
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    return count


def written(package: Path, folder: Path) -> Iterator[Path]:
    """Each file of the viewer, as it is written."""
    with tarfile.open(package) as archive:
        for member in archive:
            name = place(member.name)
            file = archive.extractfile(member) if name else None
            if name is None or file is None:
                continue
            content = file.read()
            change = CHANGES.get(PurePosixPath(name).suffix)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(change(content.decode("utf-8")).encode("utf-8") if change else content)
            yield path


def place(name: str) -> str | None:
    """Where a member of the package goes; None for what is left out."""
    path = PurePosixPath(name)
    if name == "package/LICENSE":
        return "LICENSE"
    if path.is_absolute() or ".." in path.parts or path.parts[:2] != ("package", "dist"):
        return None
    inside = "/".join(path.parts[2:])
    return None if LEFT_OUT.search(inside) else inside


def relative_page(text: str) -> str:
    """The page without links to icons and workers that are not there, all its addresses relative."""
    for tag in ("apple-", "manifest", "coast-", "yandex"):
        text = re.sub(rf"<link [^>]*{tag}[^>]*>", "", text)
    text = re.sub(r'<meta name="msapplication[^>]*>', "", text)
    text = re.sub(r"<script [^>]*init-service-worker[^>]*></script>", "", text)
    return text.replace('"/', '"./').replace("<head>", f"<head><script>{ADD_SLASH}</script>", 1)


def relative_script(text: str) -> str:
    return text.replace('__webpack_require__.p = "/"', '__webpack_require__.p = "./"')


def relative_style(text: str) -> str:
    return text.replace("url(/", "url(./")


ADD_SLASH = 'if(location.pathname.endsWith("/ohif"))location.replace(location.pathname+"/"+location.search)'
"""Orthanc does not say whether an address ended in a slash, and relative ones need it."""
CHANGES: dict[str, Change] = {".html": relative_page, ".js": relative_script, ".css": relative_style}


def main() -> int:
    parser = argparse.ArgumentParser(description="Unpacks the viewer OHIF for the node.")
    parser.add_argument("package", type=Path)
    parser.add_argument("folder", type=Path)
    wanted = parser.parse_args()
    try:
        count = unpack(wanted.package, wanted.folder)
    except (OrthogenError, OSError) as error:
        sys.stderr.write(f"viewer: {error}\n")
        return 1
    sys.stdout.write(f"viewer: OHIF {VERSION}, {count} files in {wanted.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
