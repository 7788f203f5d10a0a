"""The provenance manifest of a result series, and its signature.

The manifest is JSON in canonical form (RFC 8785); its signature is a detached JWS (RFC 7515 appendix F)
with Ed25519 (RFC 8037, RFC 9864). Samples are named by the SHA-256 of their decoded values, so that the
manifest outlives a change of transfer syntax.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import rfc8785
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from dicom_templates.identity import PRODUCT_NAME, RunIdentity
from dicom_templates.stored_values import Stored
from dicom_templates.uids import device_uid
from pipelines.errors import OrthogenError

MANIFEST_FILE = "provenance.json"
_FORMAT = "orthogen-provenance-1"
_ALGORITHM: Literal["Ed25519"] = "Ed25519"


class SignatureBroken(OrthogenError):
    """A manifest is not what was signed, or not signed as it says."""


@dataclass(frozen=True)
class ProvenInstance:
    """One result and the source it stands for."""

    result_sop_instance_uid: str
    result_samples_sha256: str
    source_sop_instance_uid: str
    source_samples_sha256: str
    source_transfer_syntax_uid: str
    source_frame_number: int | None = None
    """Of a multi-frame source, from 1."""
    result_frame_number: int | None = None


@dataclass(frozen=True)
class SignedManifest:
    """A manifest with its detached signature and the public key it names."""

    manifest: Mapping[str, Any]
    signature: str

    def to_json(self) -> str:
        """The text of the attachment, and of `provenance.json` in a folder of results."""
        return json.dumps(
            {"manifest": self.manifest, "signature": self.signature}, indent=2, ensure_ascii=False
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> SignedManifest:
        """Raises SignatureBroken when the text is no signed manifest."""
        try:
            document = json.loads(text)
            return cls(dict(document["manifest"]), str(document["signature"]))
        except (ValueError, KeyError, TypeError) as problem:
            raise SignatureBroken("the text is no signed provenance manifest") from problem


def samples_sha256(stored: Stored) -> str:
    """SHA-256 over decoded samples: little-endian 16-bit words in row order."""
    words = np.ascontiguousarray(stored, dtype=stored.dtype.newbyteorder("<"))
    return hashlib.sha256(words.data).hexdigest()


def manifest_of(
    identity: RunIdentity,
    *,
    study_instance_uid: str,
    source_series_instance_uid: str,
    result_series_instance_uid: str,
    instances: Sequence[ProvenInstance],
    verdict: str,
    reasons: Sequence[str] = (),
    measurements: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Everything needed to make the result again and to see that it is unchanged. No patient attribute."""
    run = asdict(identity)
    # A seed may need more than the 53 bits that RFC 8785 numbers have.
    run |= {"created": identity.created.isoformat(), "seed": str(identity.seed)}
    return {
        "format": _FORMAT,
        "software": PRODUCT_NAME,
        "run": run,
        "model_device_uid": device_uid(identity.model_sha256),
        "study_instance_uid": study_instance_uid,
        "source_series_instance_uid": source_series_instance_uid,
        "result_series_instance_uid": result_series_instance_uid,
        "verdict": verdict,
        "reasons": list(reasons),
        "measurements": dict(measurements or {}),
        "instances": [asdict(instance) for instance in instances],
    }


def new_signing_key() -> OKPKey:
    """A fresh Ed25519 key pair."""
    return OKPKey.generate_key(_ALGORITHM)


def sign(manifest: Mapping[str, Any], key: OKPKey) -> SignedManifest:
    """Sign the canonical form. The public key travels in the signature's header (RFC 7515 section 4.1.3)."""
    header = {"alg": _ALGORITHM, "jwk": key.as_dict(private=False), "kid": key.thumbprint()}
    token = jws.serialize_compact(header, rfc8785.dumps(dict(manifest)), key, algorithms=[_ALGORITHM])
    protected, _, signature = token.split(".")
    return SignedManifest(manifest, f"{protected}..{signature}")


def verified_thumbprint(signed: SignedManifest) -> str:
    """The thumbprint (RFC 7638) of the key that signed exactly this manifest. Raises SignatureBroken.

    Anyone can sign with a key of their own: compare the thumbprint with one you trust.
    """
    try:
        canonical = rfc8785.dumps(dict(signed.manifest))
        header = jws.extract_compact(signed.signature.encode("ascii"), canonical).headers()
        key = OKPKey.import_key(header["jwk"])
        jws.deserialize_compact(signed.signature, key, algorithms=[_ALGORITHM], payload=canonical)
    except (JoseError, ValueError, KeyError, TypeError) as problem:
        raise SignatureBroken("the signature does not belong to this manifest") from problem
    return key.thumbprint()
