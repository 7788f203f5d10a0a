"""The key a node signs its provenance manifests with: Ed25519, made once, readable by its user only."""

from __future__ import annotations

import json
import os
from pathlib import Path

from joserfc.jwk import OKPKey

from dicom_templates.manifest import new_signing_key


def signing_key(path: Path) -> OKPKey:
    """The key in the file; a new one where there is none, of several processes at once the first."""
    if not path.exists():
        _write_first(path, new_signing_key())
    return OKPKey.import_key(json.loads(path.read_text(encoding="utf-8")))


def _write_first(path: Path, key: OKPKey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    mine = path.with_suffix(f".{os.getpid()}")
    mine.touch(mode=0o600)
    mine.write_text(json.dumps(key.as_dict(private=True)), encoding="utf-8")
    try:
        os.link(mine, path)
    except FileExistsError:
        return
    finally:
        mine.unlink()
