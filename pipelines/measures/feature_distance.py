"""How far apart two sets of images lie in a declared feature space.

The features are those of a fixed filter bank, not of a network trained on photographs: Gaussian derivatives
at three scales, whose mean size and spread tell of edges, texture and noise. Fréchet distance after Heusel et
al. (2017), kernel distance after Bińkowski et al. (2018), both scaled by the reference's own deviations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, ndimage

from pipelines.measures.regions import Image, Mask

Features = NDArray[np.float64]
"""(patches, features)."""
SCALES_PIXELS = (1.0, 2.0, 4.0)
PATCH = 32
FEATURES = (
    "mean",
    *(f"{name} of {kind} at {scale:g}" for scale in SCALES_PIXELS for kind in ("Laplacian", "gradient")
      for name in ("log mean size", "log deviation")),
)  # fmt: skip
LEAST_PATCHES = 3 * len(FEATURES)
REGULARISATION = 1e-3
"""Added to the diagonal of covariances of scaled features."""


def patch_features(image: Image, mask: Mask, scale: float) -> Features:
    """Of each whole patch of 32 x 32 pixels within the mask; values are divided by `scale` first."""
    values = image.astype(np.float64) / scale
    maps = [values, *_responses(values)]
    found = []
    for row in range(0, image.shape[0] - PATCH + 1, PATCH):
        for column in range(0, image.shape[1] - PATCH + 1, PATCH):
            square = np.s_[row : row + PATCH, column : column + PATCH]
            if mask[square].all():
                found.append(_features([each[square] for each in maps]))
    return np.array(found).reshape(-1, len(FEATURES))


def _responses(values: Features) -> list[Features]:
    found = []
    for scale in SCALES_PIXELS:
        found.append(ndimage.gaussian_laplace(values, scale) * scale**2)
        found.append(ndimage.gaussian_gradient_magnitude(values, scale) * scale)
    return found


def _features(squares: list[Features]) -> list[float]:
    found = [float(squares[0].mean())]
    for square in squares[1:]:
        found += [float(np.log(np.abs(square).mean() + 1e-4)), float(np.log(square.std() + 1e-4))]
    return found


def frechet_distance(first: Features, reference: Features) -> float:
    """Squared Fréchet distance of Gaussians fitted to both, in the reference's deviations.

    Raises ValueError for fewer patches than three times the features.
    """
    a, b = _scaled(first, reference)
    difference = a.mean(axis=0) - b.mean(axis=0)
    eye = REGULARISATION * np.eye(a.shape[1])
    covariance_a, covariance_b = np.cov(a.T) + eye, np.cov(b.T) + eye
    root = linalg.sqrtm(covariance_a @ covariance_b)
    spread = np.trace(covariance_a + covariance_b) - 2.0 * float(np.trace(np.real(root)))
    return float(difference @ difference + max(float(spread), 0.0))


def kernel_distance(first: Features, reference: Features) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / features + 1)^3; near 0 when alike.

    Raises ValueError for fewer patches than three times the features.
    """
    a, b = _scaled(first, reference)

    def kernel(x: Features, y: Features) -> Features:
        product: Features = (x @ y.T / x.shape[1] + 1.0) ** 3
        return product

    within = sum(
        (kernel(each, each).sum() - np.trace(kernel(each, each))) / (len(each) * (len(each) - 1))
        for each in (a, b)
    )
    return float(within - 2.0 * kernel(a, b).mean())


def _scaled(first: Features, reference: Features) -> tuple[Features, Features]:
    if min(len(first), len(reference)) < LEAST_PATCHES:
        raise ValueError(f"{min(len(first), len(reference))} patches; {LEAST_PATCHES} are needed")
    mean, deviation = reference.mean(axis=0), np.maximum(reference.std(axis=0), 1e-6)
    return (first - mean) / deviation, (reference - mean) / deviation
