"""A network that is taught by the mean of its own answers to turned slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="torch, of the extra `training`, is not installed")

from training.ct_denoise.distil import STEPS_PER_HU, TAUGHT, TaughtSource, taught, turned, turned_back  # noqa: E402
from training.ct_denoise.network import CtDenoiser  # noqa: E402

SIDE = 32
HALF_STEP = 0.5 / (1000 * STEPS_PER_HU)


def one_sided() -> CtDenoiser:
    """A network that answers turned slices differently."""
    torch.manual_seed(3)
    network = CtDenoiser((4, 4, 4))
    torch.nn.init.normal_(network.leave.weight, std=0.1)
    network.eval()
    return network


@dataclass
class Drawn:
    """Patches of smooth squares and noise."""

    size: int = SIDE

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(4)

    def patch(self) -> tuple[NDArray[np.float32], ...]:
        reference = np.kron(self.rng.normal(0, 0.1, (4, 4)), np.ones((8, 8))).astype(np.float32)
        noisy = reference + self.rng.normal(0, 0.05, reference.shape).astype(np.float32)
        return noisy, reference, np.full_like(reference, 400.0), np.full_like(reference, 3.0)


def test_turning_back_undoes_turning() -> None:
    image = torch.arange(2 * SIDE**2).reshape(1, 2, SIDE, SIDE)
    ways = list(turned(image))
    assert len({tuple(way.flatten().tolist()) for way in ways}) == 8
    assert all(torch.equal(back, image) for back in turned_back(ways))


def test_what_is_taught_turns_with_the_slice_and_the_teachers_own_answer_does_not() -> None:
    network, image = one_sided(), torch.randn(1, 1, SIDE, SIDE)
    for way, expected in zip(turned(image), turned(taught(network, image)), strict=True):
        assert torch.allclose(taught(network, way), expected, atol=1e-5)
    with torch.no_grad():
        assert not torch.allclose(network(image.flip(-1)), network(image).flip(-1), atol=1e-3)


def test_targets_are_the_teachers_mean_and_a_part_of_the_reference_turned_with_the_slice() -> None:
    network = one_sided()
    source = TaughtSource(Drawn(), network, count=1, seed=1)
    noisy, reference, _, _ = Drawn().patch()
    inputs, targets, weights, tissues = (torch.from_numpy(part) for part in source.batch(8))
    assert inputs.shape == targets.shape == weights.shape == tissues.shape == (8, 1, SIDE, SIDE)
    known = list(turned(torch.from_numpy(noisy)))
    truth = list(turned(torch.from_numpy(reference)))
    for image, target in zip(inputs, targets, strict=True):
        way = next(n for n, each in enumerate(known) if torch.allclose(each, image[0], atol=2 * HALF_STEP))
        expected = TAUGHT * taught(network, image[None])[0, 0] + (1 - TAUGHT) * truth[way]
        assert torch.allclose(target[0], expected, atol=4 * HALF_STEP)
    assert len({tuple(image.flatten().tolist()) for image in inputs}) > 1
