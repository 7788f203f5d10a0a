"""`pipeline.json`: what a pipeline is, what it takes, and how it is run."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from json import dumps
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipelines.consistency import Consistency
from pipelines.contrast import Contrast
from pipelines.gate_thresholds import GateThresholds
from pipelines.manifest_part import Bounds, FileName, ManifestPart
from pipelines.model_file import EncoderFile, ModelFile
from pipelines.restraint import Restraint
from pipelines.sampling.settings import SamplerSettings
from pipelines.spatial_steps import Crop, Orient, Resample
from pipelines.steps import Clip, Normalise, Scale
from pipelines.volume import Quantity

Step = Annotated[Clip | Crop | Normalise | Orient | Resample | Scale, Field(discriminator="step")]
PlainStep = Annotated[Clip | Scale, Field(discriminator="step")]
Task = Literal["denoise", "translate", "restore"]

WORDS_ONLY = frozenset({"description", "publisher", "model_card", "evaluation"})
"""Fields that describe and do not change a single result value."""


class InputSpec(ManifestPart):
    """One series the pipeline takes, and the limits within which it was validated."""

    name: str
    modality: str
    quantity: Quantity
    minimum_slices: int = Field(default=1, ge=1)
    maximum_slices: int | None = Field(default=None, ge=1)
    rows_columns: Bounds | None = None
    pixel_spacing_mm: Bounds | None = None
    slice_thickness_mm: Bounds | None = None
    slice_spacing_mm: Bounds | None = None
    body_parts: tuple[str, ...] | None = None
    """Values of Body Part Examined (0018,0015) the pipeline was validated on."""
    contrasts: tuple[Contrast, ...] | None = Field(default=None, min_length=1)
    """MR contrasts the pipeline was validated on, as the acquisition's parameters tell them; a series that
    leaves doubt about its own is then refused."""
    attributes: dict[str, Bounds] = Field(default_factory=dict)
    """Limits on further numeric attributes by keyword, such as MagneticFieldStrength or KVP."""
    values: Bounds | None = None
    """Range in which a slice's 1st and 99th percentiles lie, in its quantity; outside the gate warns."""
    context_slices: int = Field(default=0, ge=0, le=8)
    """Neighbours on either side that the network sees with each slice (2.5D); 0 is plain 2D."""


class Tiles(ManifestPart):
    """Overlapping windows, blended by a Gaussian weight."""

    shape: tuple[Annotated[int, Field(ge=8)], ...] = Field(min_length=2, max_length=3)
    """(rows, columns), or (slices, rows, columns) in a 3D pipeline."""
    overlap: float = Field(default=0.5, ge=0, lt=0.95)
    """Least part of a window that it shares with the next one, along each axis."""


class Repeats(ManifestPart):
    """Several answers to one question: their mean is the result, their spread its uncertainty."""

    samples: int = Field(default=1, ge=1, le=256)
    """Draws of chance for each model."""
    antithetic: bool = False
    """In pairs of opposite noise, which an even number of Samples gives; the mean needs fewer of them."""
    mirrored: bool = False
    """Each sample of another mirror image of the slice, mirrored back: what a network does to one side only
    goes out of the mean. For networks to which mirrored anatomy is as good as any."""
    members: tuple[ModelFile, ...] = ()
    """Further models of the ensemble, each in the place of Model."""

    @model_validator(mode="after")
    def _in_pairs(self) -> Repeats:
        if self.antithetic and self.samples % 2:
            raise ValueError(f"Antithetic needs an even number of Samples, not {self.samples}")
        if self.mirrored and self.samples == 1:
            raise ValueError("Mirrored needs at least two Samples, not 1")
        return self


class Manifest(ManifestPart):
    """The whole of `pipeline.json`."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?$")
    task: Task
    family: Literal["GAN", "VAE", "diffusion", "regression"]
    generative: bool
    publisher: str
    description: str
    inputs: tuple[InputSpec, ...] = Field(min_length=1)
    output_quantity: Quantity | None = None
    """Of the result; null means that of the first input."""
    output_contrast: Contrast | None = None
    """Translation between MR contrasts: what the result shows."""
    dimensions: Literal[2, 3] = 2
    """3 collects the whole volume for a 3D network; 2 streams slices."""
    model: ModelFile
    encoder: EncoderFile | None = None
    """VAE: goes before Model, the decoder. Latent diffusion: encodes the condition."""
    decoder: ModelFile | None = None
    """Latent diffusion: goes after Model, the denoiser of latents."""
    temperature: float = Field(default=0.0, ge=0, le=1)
    """VAE: how far the latent may stray from its mean, in standard deviations; 0 leaves nothing to chance."""
    sampler: SamplerSettings | None = None
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Used where a job names no other."""
    preprocessing: tuple[Step, ...] = ()
    postprocessing: tuple[PlainStep, ...] | None = None
    """Runs forwards on the network's output instead of the inverses of the intensity steps."""
    consistency: Consistency | None = None
    """What every result slice takes over from its source; null takes nothing over."""
    tiles: Tiles | None = None
    repeats: Repeats = Repeats()
    companions: tuple[Literal["difference", "uncertainty"], ...] = ()
    gate: GateThresholds = GateThresholds()
    evaluation: FileName | None = None
    model_card: FileName = "MODEL_CARD.md"

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Manifest:
        if found := next(_contradictions(self), None):
            raise ValueError(found)
        return self

    def input(self, name: str | None = None) -> InputSpec:
        """The input of that name, the first one without a name; KeyError if there is none."""
        if name is None:
            return self.inputs[0]
        by_name = {known.name: known for known in self.inputs}
        return by_name[name]

    @property
    def has_spread(self) -> bool:
        """Whether its answers differ by chance or by model: how one network contradicts itself in the mirror
        is no uncertainty.
        """
        chance = self.sampler is not None or self.temperature > 0
        return bool(self.repeats.members) or (chance and self.repeats.samples > 1)

    def files(self) -> tuple[ModelFile | EncoderFile, ...]:
        """Every ONNX file of the pipeline, the main model first."""
        further = (part for part in (self.encoder, self.decoder) if part is not None)
        return (self.model, *further, *self.repeats.members)

    def config_sha256(self) -> str:
        """Digest of all that can change a result or its verdict, in canonical JSON (sorted keys, no spaces).

        A default that is written out and one that is left out give the same digest.
        """
        settings = self.model_dump(mode="json", by_alias=True, exclude=set(WORDS_ONLY), exclude_defaults=True)
        canonical = dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256(canonical.encode()).hexdigest()


def _contradictions(manifest: Manifest) -> Iterator[str]:
    yield from _family_contradictions(manifest)
    yield from _step_contradictions(manifest)
    names = [known.name for known in manifest.inputs]
    if len(set(names)) < len(names):
        yield "two Inputs have the same Name"
    if manifest.output_contrast and manifest.task != "translate":
        yield "OutputContrast belongs to a translation"
    if manifest.tiles and len(manifest.tiles.shape) != manifest.dimensions:
        yield f"Tiles.Shape needs as many numbers as Dimensions says ({manifest.dimensions})"
    if manifest.tiles and any(side % manifest.model.size_multiple for side in manifest.tiles.shape):
        yield "Tiles.Shape must hold multiples of Model.SizeMultiple"
    if len({known.context_slices for known in manifest.inputs}) > 1:
        yield "all Inputs must have the same ContextSlices"
    if manifest.dimensions == 3 and manifest.inputs[0].context_slices:
        yield "ContextSlices belongs to pipelines of 2 Dimensions"
    if manifest.encoder and manifest.model.size_multiple % manifest.encoder.downscale:
        yield "Model.SizeMultiple must be a multiple of Encoder.Downscale"
    if "uncertainty" in manifest.companions and not manifest.has_spread:
        yield "the uncertainty companion needs Repeats: two Samples of chance at least, or a further Member"


def _family_contradictions(manifest: Manifest) -> Iterator[str]:
    family = manifest.family
    if (manifest.sampler is not None) != (family == "diffusion"):
        yield f"Sampler belongs to the diffusion family and to no other (Family is {family})"
    if manifest.encoder and family not in ("VAE", "diffusion"):
        yield f"Encoder belongs to VAE and latent diffusion pipelines (Family is {family})"
    if manifest.decoder and not (manifest.encoder and family == "diffusion"):
        yield "Decoder belongs to latent diffusion pipelines, together with Encoder"
    if family == "diffusion" and manifest.encoder and not manifest.decoder:
        yield "latent diffusion needs a Decoder beside its Encoder"
    if manifest.temperature and not (family == "VAE" and manifest.encoder and manifest.encoder.log_variance):
        yield "Temperature needs a VAE whose Encoder gives a LogVariance"
    if family != "regression" and not manifest.generative:
        yield f"a pipeline of the {family} family is generative: say so"


def _step_contradictions(manifest: Manifest) -> Iterator[str]:
    keeps_source = manifest.task != "translate" and manifest.postprocessing is None
    if manifest.consistency and not keeps_source:
        yield "Consistency brings source values back, which a translation must not"
    if isinstance(manifest.consistency, Restraint) and manifest.inputs[0].quantity != "hounsfield_units":
        yield "Consistency of the kind restraint belongs to hounsfield_units"
    for place, step in enumerate(manifest.preprocessing):
        if isinstance(step, Crop | Orient | Resample) and step.dimensions != manifest.dimensions:
            yield f"the {step.step} step must name as many axes as Dimensions says ({manifest.dimensions})"
        if isinstance(step, Normalise) and place:
            yield "the normalise step must come first"
        if isinstance(step, Crop) and not keeps_source:
            yield "a crop step keeps the source outside, which a translation must not"
        if isinstance(step, Clip) and step.outside == "keep" and not keeps_source:
            yield 'a translation must not keep source values: give its clip step "Outside": "limit"'
