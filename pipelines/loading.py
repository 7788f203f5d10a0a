"""From a verified folder to networks in memory."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event

import onnxruntime

from pipelines.catalog import CatalogEntry
from pipelines.errors import PipelineBroken
from pipelines.execution import Execution
from pipelines.model_file import EncoderFile, ModelFile
from pipelines.network import DirectNetwork, Model, Network
from pipelines.remote import RemoteModel, remote_name
from pipelines.repeats import Repeated
from pipelines.sampling.diffusion import DiffusionNetwork
from pipelines.session import open_model
from pipelines.tiles import TiledNetwork
from pipelines.vae import Autoencoder, VaeNetwork


@dataclass(frozen=True)
class Loaded:
    """All that an open pipeline is, but for how slices pass through it."""

    entry: CatalogEntry
    execution: Execution
    repeated: Repeated
    execution_provider: str
    warnings: tuple[str, ...]
    interruption: Event

    def interrupt(self) -> None:
        """Let a running stream raise `JobInterrupted` before its next inference; from any thread."""
        self.interruption.set()

    @property
    def runtime(self) -> str:
        return f"onnxruntime {onnxruntime.__version__}"

    @property
    def context_slices(self) -> int:
        return self.entry.manifest.inputs[0].context_slices


class Loader:
    """Opens every model of one pipeline; raises `PipelineBroken` or `ConfigurationError`."""

    def __init__(self, entry: CatalogEntry, execution: Execution) -> None:
        self._entry = entry
        self._execution = execution
        self._models: dict[str, Model] = {}
        self.interruption = Event()

    def repeated(self) -> Repeated:
        manifest = self._entry.manifest
        mains = (manifest.model, *manifest.repeats.members)
        return Repeated(tuple(self._tiled(self._network(main)) for main in mains), manifest.repeats.samples)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of all models opened, each once."""
        return tuple(dict.fromkeys(warning for model in self._models.values() for warning in model.warnings))

    @property
    def providers(self) -> str:
        """The provider of the models opened; several if they differ, which a job's record must show."""
        return ", ".join(dict.fromkeys(model.provider for model in self._models.values()))

    def _network(self, main: ModelFile) -> Network:
        manifest = self._entry.manifest
        autoencoder = self._autoencoder(main)
        if manifest.sampler is not None:
            taken = (main.input, manifest.sampler.noisy_input, manifest.sampler.time_input)
            model = self._open(main, taken, (main.output,))
            return DiffusionNetwork(model, main, manifest.sampler, autoencoder)
        if autoencoder is not None:
            return VaeNetwork(autoencoder, manifest.temperature)
        return DirectNetwork(self._open(main, (main.input,), (main.output,)), main)

    def _autoencoder(self, main: ModelFile) -> Autoencoder | None:
        """A VAE decodes with the main model, latent diffusion with a decoder of its own."""
        encoder, decoder = self._entry.manifest.encoder, self._entry.manifest.decoder or main
        if encoder is None:
            return None
        given = (encoder.mean, *([encoder.log_variance] if encoder.log_variance else []))
        return Autoencoder(
            encoder=self._open(encoder, (encoder.input,), given),
            encoder_names=encoder,
            decoder=self._open(decoder, (decoder.input,), (decoder.output,)),
            decoder_names=decoder,
        )

    def _tiled(self, network: Network) -> Network:
        manifest, tiles = self._entry.manifest, self._entry.manifest.tiles
        if tiles is None:
            return network
        workers = self._execution.workers if manifest.dimensions == 3 else 1
        return TiledNetwork(network, tiles.shape, tiles.overlap, manifest.model.size_multiple, workers)

    def _model(self, file: ModelFile | EncoderFile) -> Model:
        pipeline, server = self._entry.manifest.name, self._execution.server
        if server is not None:
            return RemoteModel(server, remote_name(pipeline, file), self.interruption)
        content = self._entry.read_model(file)
        return open_model(f"{pipeline}: {file.file}", content, self._execution, self.interruption)

    def _open(self, file: ModelFile | EncoderFile, taken: tuple[str, ...], given: tuple[str, ...]) -> Model:
        if file.file not in self._models:
            self._models[file.file] = self._model(file)
            _check_tensor_names(self._models[file.file], taken, given)
        return self._models[file.file]


def _check_tensor_names(model: Model, taken: tuple[str, ...], given: tuple[str, ...]) -> None:
    if sorted(model.takes) != sorted(taken) or not set(given) <= set(model.gives):
        raise PipelineBroken(
            f"{model.name} takes {list(model.takes)} and gives {list(model.gives)}, "
            f"but the manifest names {list(taken)} and {list(given)}",
            remedy="write the model's own tensor names in the manifest",
        )
