"""All series of an evaluation, one after the other; of each only values and a few pictures are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pipelines.evaluation import detection, survival
from pipelines.evaluation.baselines import Baselines
from pipelines.evaluation.curves import CurveSet
from pipelines.evaluation.fidelity import Fidelity
from pipelines.evaluation.figures import FigureTable, Quantity
from pipelines.evaluation.inference import Inference
from pipelines.evaluation.intensity import LearnedCurves
from pipelines.evaluation.reading import Reading
from pipelines.evaluation.scale import SeriesScale, series_scale
from pipelines.evaluation.subject import Mask, Subject, Triple
from pipelines.evaluation.texture import Texture
from pipelines.evaluation.uncertainty import Uncertainty

PICTURES = 6
Say = Callable[[str], None]


class Observer(Protocol):
    """One tier's measures of one series."""

    def observe(self, triple: Triple, masks: Mapping[str, Mask]) -> object: ...

    def values(self) -> dict[Quantity, float]: ...


@dataclass(frozen=True)
class Wanted:
    """What is to be measured."""

    tiers: tuple[int, ...] = (1, 2, 3)
    baselines: Baselines | None = field(default_factory=Baselines)
    curves: LearnedCurves | None = None
    """Beside the best curve there is, for translations."""
    lesion_rounds: int = 2
    """How often 27 lesions are drawn into a series."""


@dataclass(frozen=True)
class WorstSlice:
    """A slice to be shown: that of its patient whose result lies farthest from the reference."""

    patient: str
    series: int
    group: str
    error: float
    """RMSE in the main mask, in HU or percent of the window."""
    triple: Triple
    window: tuple[float, float]
    gain: float


@dataclass
class Cohort:
    """What has been measured so far."""

    wanted: Wanted
    infer: Inference
    say: Say
    table: FigureTable = field(default_factory=FigureTable)
    worst: list[WorstSlice] = field(default_factory=list)
    curves: CurveSet = field(default_factory=CurveSet)
    measurements: list[survival.Measurement] = field(default_factory=list)
    detections: list[detection.Reading] = field(default_factory=list)

    def measure(self, subject: Subject) -> tuple[str, ...]:
        """Adds one series; returns what could not be measured on it, and why."""
        scale, wanted = series_scale(subject), self.wanted
        fidelity = Fidelity(subject, scale, wanted.baselines, wanted.curves) if 1 in wanted.tiers else None
        uncertainty = Uncertainty(scale) if 1 in wanted.tiers else None
        texture = Texture(subject, scale) if 2 in wanted.tiers else None
        reading = Reading(subject, scale) if 3 in wanted.tiers else None
        every = (fidelity, uncertainty, texture, reading)
        observers: list[Observer] = [each for each in every if each is not None]
        for triple in subject.triples():
            masks = scale.masks(triple)
            for observer in observers:
                error = observer.observe(triple, masks)
                if observer is fidelity and isinstance(error, float):
                    self._show(subject, scale, triple, scale.in_unit(error))
        for observer in observers:
            self._add(subject, observer.values())
        if texture is not None:
            self.curves.add(texture.noise.spectra(), texture.edges.transfers())
        if reading is not None and subject.keeps_values:
            self.say("  with lesions drawn in")
            self._draw_lesions(subject, scale)
        return fidelity.notes() if fidelity is not None else ()

    def read_phantoms(self, *, in_hu: bool) -> None:
        """Low-contrast detectability before and after the pipeline, once for all patients."""
        self.say("low-contrast phantom")
        self.detections = list(detection.readings(self.infer, in_hu))

    def _draw_lesions(self, subject: Subject, scale: SeriesScale) -> None:
        found = survival.survival(subject, scale, self.infer, self.wanted.lesion_rounds)
        self._add(subject, found.values)
        self.measurements += found.measurements

    def _add(self, subject: Subject, values: Mapping[Quantity, float]) -> None:
        """To the patient's figures, and to those of the patient within the group."""
        self.table.add(subject.patient, values)
        if subject.group:
            apart = {quantity.within(subject.group): value for quantity, value in values.items()}
            self.table.add(subject.patient, apart)

    def _show(self, subject: Subject, scale: SeriesScale, triple: Triple, error: float) -> None:
        """Keeps it if it is its patient's worst, and among the worst of all."""
        mine = [worst for worst in self.worst if worst.patient == subject.patient]
        if any(worst.error >= error for worst in mine):
            return
        window = scale.windows[scale.main_window]
        new = WorstSlice(subject.patient, subject.series, subject.group, error, triple, window, scale.gain)
        others = [worst for worst in self.worst if worst.patient != subject.patient]
        self.worst = sorted([*others, new], key=lambda worst: -worst.error)[:PICTURES]
