"""From a verified folder to networks in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event

import onnxruntime

from pipelines.catalog import CatalogEntry
from pipelines.execution import Execution
from pipelines.model_file import EncoderFile, ModelFile
from pipelines.network import DirectNetwork, Model, Network
from pipelines.remote import RemoteModel, remote_name
from pipelines.repeats import Repeated
from pipelines.sampling.diffusion import DiffusionNetwork
from pipelines.session import open_model
from pipelines.tensor_spec import Expected
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
        networks = tuple(self._tiled(self._network(main)) for main in mains)
        how = manifest.repeats
        return Repeated(networks, how.samples, how.antithetic, how.mirrored, manifest.has_spread)

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
            condition = None if autoencoder else self._channels
            images = {main.input: condition, manifest.sampler.noisy_input: None}
            model = self._open(main, images, (main.output,), (manifest.sampler.time_input,))
            return DiffusionNetwork(model, main, manifest.sampler, autoencoder)
        if autoencoder is not None:
            return VaeNetwork(autoencoder, manifest.temperature)
        return DirectNetwork(self._open(main, {main.input: self._channels}, (main.output,)), main)

    @property
    def _channels(self) -> int:
        """Of what the engine gives a network: every input's window of slices."""
        inputs = self._entry.manifest.inputs
        return len(inputs) * (2 * inputs[0].context_slices + 1)

    def _autoencoder(self, main: ModelFile) -> Autoencoder | None:
        """A VAE decodes with the main model, latent diffusion with a decoder of its own."""
        encoder, decoder = self._entry.manifest.encoder, self._entry.manifest.decoder or main
        if encoder is None:
            return None
        given = (encoder.mean, *([encoder.log_variance] if encoder.log_variance else []))
        return Autoencoder(
            encoder=self._open(encoder, {encoder.input: self._channels}, given),
            encoder_names=encoder,
            decoder=self._open(decoder, {decoder.input: None}, (decoder.output,)),
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

    def _open(
        self,
        file: ModelFile | EncoderFile,
        images: Mapping[str, int | None],
        outputs: tuple[str, ...],
        times: tuple[str, ...] = (),
    ) -> Model:
        if file.file not in self._models:
            model = self._models[file.file] = self._model(file)
            expected = Expected(images, self._entry.manifest.dimensions, outputs, times)
            expected.check(model.name, model.inputs, model.outputs)
        return self._models[file.file]
