"""Motion, metal and missing lungs in the bundled studies, as the shipped gates see them in the source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.fault_kinds import Slices, Study, metal, motion
from bench.fault_studies import bundled
from pipelines.artefacts.score import FOLDER, SIDE, ArtefactModel, artefact_model
from pipelines.blocks import SliceBlocks
from pipelines.catalog import Catalog
from pipelines.errors import PipelineBroken
from pipelines.gate import Gate, Verdict
from pipelines.gate.source_signs import source_signs
from pipelines.manifest import Manifest
from pipelines.out_of_distribution.thumbnail import thumbnail
from pipelines.volume import SliceResult, SliceValues
from plugin.settings import REPOSITORY
from training.mr_denoise.validation_folders import Noise, noisy

SHIPPED = {"CT": "ct-denoise", "MR": "mr-denoise"}


@pytest.fixture(scope="module", params=["CT", "MR"])
def study(request: pytest.FixtureRequest) -> Study:
    return next(each for each in bundled()[2:] if each.modality == request.param)


def verdict_on(sources: Slices, manifest: Manifest, part: str = "") -> Verdict:
    """Of a pipeline that smooths a little."""
    gate = Gate(manifest, body_part=part)
    for index, source in enumerate(sources):
        gate.observe(SliceResult(SliceValues(index, source), source + np.float32(0.01)))
    return gate.verdict()


def shipped(modality: str) -> Manifest:
    return Catalog.load([REPOSITORY / "pipelines"])[SHIPPED[modality]].manifest


def level_of(verdict: Verdict, figure: str) -> str:
    return next((found.level for found in verdict.findings if found.figure == figure), "PASS")


def test_a_study_at_rest_and_without_metal_shows_neither(study: Study) -> None:
    verdict = verdict_on(study.sources, shipped(study.modality))
    assert level_of(verdict, "source_motion") == "PASS", verdict.figures["source_motion"]
    assert level_of(verdict, "source_metal_streaks") == "PASS", verdict.figures["source_metal_streaks"]


def test_a_head_that_moves_by_six_millimetres_is_seen_in_mr() -> None:
    """In the bundled chest it is not: see docs/trust.md."""
    brain = next(each for each in bundled()[2:] if each.modality == "MR")
    sources, _ = motion(brain, lambda slices: slices, 2, np.random.default_rng(3))
    assert level_of(verdict_on(sources, shipped("MR")), "source_motion") == "WARN"


def test_noise_alone_is_not_held_for_motion_or_metal() -> None:
    """Noise of four coils that varies over the image is like ghosts to the network, low dose like streaks."""
    rng = np.random.default_rng(3)
    brain = next(each for each in bundled() if each.modality == "MR")
    scale = float(np.percentile(np.stack(brain.sources), 99.5))
    varying = Noise("chi4-varying-05", 0.05 * scale, coils=4, varying=True)
    verdict = verdict_on(list(noisy(np.stack(brain.sources), varying, rng)), shipped("MR"))
    chest = next(each for each in bundled() if each.modality == "CT")
    low_dose = [source + rng.normal(0, 60, source.shape).astype(np.float32) for source in chest.sources]
    for found in (verdict, verdict_on(low_dose, shipped("CT"))):
        assert level_of(found, "source_motion") in ("PASS", "WARN")
        assert level_of(found, "source_metal_streaks") in ("PASS", "WARN")


def test_a_large_piece_of_metal_is_seen_by_what_it_does_around_it(study: Study) -> None:
    sources, _ = metal(study, lambda slices: slices, 2, np.random.default_rng(3))
    verdict = verdict_on(sources, shipped(study.modality))
    assert level_of(verdict, "source_metal_streaks") in ("WARN", "HOLD")


def test_streaks_are_seen_where_the_metal_itself_is_out_of_view() -> None:
    chest = next(each for each in bundled() if each.modality == "CT")
    sources, _ = metal(chest, lambda slices: slices, 2, np.random.default_rng(3))
    hidden = [np.minimum(source, np.float32(1000)) for source in sources]
    verdict = verdict_on(hidden, shipped("CT"))
    assert verdict.figures["source_metal_permille"] == 0
    assert level_of(verdict, "source_metal_streaks") in ("WARN", "HOLD")


def test_neither_is_looked_for_where_no_limit_is_set() -> None:
    chest = bundled()[0]
    manifest = shipped("CT")
    off = {"source_motion_warn": None, "source_motion_hold": None}
    off |= {"source_metal_streaks_warn": None, "source_metal_streaks_hold": None}
    quiet = manifest.model_copy(update={"gate": manifest.gate.model_copy(update=off)})
    assert not {"source_motion", "source_metal_streaks"} & set(verdict_on(chest.sources, quiet).figures)


def belly(chest: Slices) -> Slices:
    """The same slices with water in the lungs."""
    return [np.where(values < -200, np.where(inside(values), 40, values), values) for values in chest]


def inside(values: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    filled = ndimage.binary_fill_holes(ndimage.gaussian_filter(values, 2) > -400)
    return np.asarray(ndimage.binary_erosion(filled, iterations=4))


def test_a_series_called_chest_that_shows_no_lung_is_held() -> None:
    sources = [np.asarray(values, np.float32) for values in belly(bundled()[2].sources)]
    assert level_of(verdict_on(sources, shipped("CT"), "CHEST"), "lung_share") == "HOLD"
    assert level_of(verdict_on(sources[:2], shipped("CT"), "CHEST"), "lung_share") == "WARN"
    assert level_of(verdict_on(sources, shipped("CT"), "ABDOMEN"), "lung_share") == "PASS"


def test_a_chest_with_the_belly_below_it_is_no_wrong_body_part() -> None:
    chest = bundled()[2].sources
    below = [np.asarray(values, np.float32) for values in belly(chest)]
    verdict = verdict_on([*chest[:2], *below], shipped("CT"), "CHEST")
    assert level_of(verdict, "lung_share") == "PASS"


def test_foam_beside_a_head_is_no_lung() -> None:
    rows, columns = np.ogrid[:256, :256]
    head = np.where(np.hypot(rows - 110, columns - 128) < 70, 40, -1000).astype(np.float32)
    foam = np.where((rows > 185) & (abs(columns - 128) < 90) & (head < 0), -800, head).astype(np.float32)
    signs = source_signs(foam, SliceBlocks.of(SliceResult(SliceValues(0, foam), foam)), "hounsfield_units")
    assert signs.lung_share == 0


def test_a_model_that_is_not_the_one_named_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes((FOLDER / "model.json").read_bytes())
    (tmp_path / "model.onnx").write_bytes((FOLDER / "model.onnx").read_bytes() + b"\0")
    with pytest.raises(PipelineBroken, match="is not the model"):
        ArtefactModel.load(tmp_path)


def test_the_network_is_small_and_answers_slices_of_any_shape() -> None:
    assert (FOLDER / "model.onnx").stat().st_size < 300_000
    for shape in ((512, 512), (64, 200), (700, 300)):
        image = thumbnail(np.full(shape, 40, np.float32), "hounsfield_units", SIDE)
        found = artefact_model().artefacts(image)
        assert np.isfinite([found.motion, found.metal]).all()
