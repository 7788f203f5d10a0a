"""A result as one Enhanced instance: its frames are gathered, the whole is checked and stored at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dicom_templates.conformance import NotConforming, require_enhanced
from dicom_templates.enhanced_series import EnhancedWriter
from dicom_templates.enhanced_source import EnhancedInstance
from dicom_templates.manifest import ProvenInstance, samples_sha256
from dicom_templates.source import SourceSlice
from dicom_templates.to_series import WrittenInstance
from pipelines.volume import SliceResult
from plugin.outputs import Quarantine, Ready, Values


@dataclass
class EnhancedOutput:
    """The one instance that a run writes for an Enhanced source; in memory until its last frame is there."""

    name: str
    writer: EnhancedWriter
    source: EnhancedInstance
    values: Values
    _proven: list[ProvenInstance] = field(default_factory=list)

    @property
    def series_instance_uid(self) -> str:
        return self.writer.series_instance_uid

    def write(self, source: SourceSlice, result: SliceResult, quarantine: Quarantine) -> Ready:
        """The instance with its last frame, if it breaks no rule; None before. Raises NotConforming; then it
        is in quarantine.
        """
        stored = self.writer.take(source, self.values(result))
        self._proven.append(
            ProvenInstance(
                result_sop_instance_uid=self.writer.sop_instance_uid,
                result_samples_sha256=samples_sha256(stored),
                source_sop_instance_uid=source.sop_instance_uid,
                source_samples_sha256=samples_sha256(source.stored_values),
                source_transfer_syntax_uid=source.transfer_syntax_uid,
                source_frame_number=source.frame_number,
                result_frame_number=source.frame_number,
            )
        )
        return self._checked(quarantine) if self.writer.is_complete else None

    def proven(self, _source: SourceSlice, _instance: WrittenInstance) -> Sequence[ProvenInstance]:
        """One entry for each frame."""
        return self._proven

    def _checked(self, quarantine: Quarantine) -> WrittenInstance:
        instance = self.writer.write()
        try:
            return require_enhanced(instance, self.source)
        except NotConforming as broken:
            quarantine(instance, broken)
            raise
