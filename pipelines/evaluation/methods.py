"""What each figure is, in a sentence with its source: part of every evaluation, which so explains itself."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.evaluation import detection, reading, spectra, survival, texture
from pipelines.measures import feature_distance, lesions

_FIDELITY: Mapping[str, str] = {
    "rmse, mae, mean difference": "Image minus reference within the mask; not clipped.",
    "psnr": "Both clipped to the window, whose width is the peak.",
    "ssim, ms-ssim": """Wang et al. 2004 and 2003: Gaussian of 1.5 pixels, K1 0.01, K2 0.03, population
        covariance; both clipped to the window, averaged within the mask.""",
    "non-local means": """Buades et al. 2005, patches of 5, reach of 6 pixels; told the noise as
        estimated (h = 0.8 of it), or with oracle noise the true deviation and the best of three h.""",
    "total variation": """Rudin et al. 1992, by Chambolle 2004; weight 0.7 of the estimated noise, or with
        oracle noise the best of three weights.""",
    "attainable": """CT: the RMSE that perfect knowledge of the anatomy would leave, since the reference has
        noise sf of its own beside the added se: root of the mean over the mask of sf^2 se^2 / (sf^2 + se^2),
        both taken to vary alike over a slice. se is input minus reference; sf the most frequent local
        deviation (8 mm) of the reference's even soft tissue (Christianson et al. 2015). Where it cannot be
        told, the series' notes say why.""",
    "spread": """Of pipelines that answer more than once: their standard deviation beside the error.
        Correlation of both as root mean squares over squares of 8 x 8 pixels.""",
    "intensity lookup": """For a translation: the best curve from intensity to intensity, fitted to the very
        reference (256 bins). The result is first given the one gain that fits the reference best.""",
    "learned curve": """For a translation: a curve from intensity to intensity that other patients taught,
        given by --baseline-curve; with the one gain that fits the reference best.""",
}
_TEXTURE: Mapping[str, str] = {
    "NPS": f"""Flat squares of {spectra.SQUARE_PIXELS} pixels, each less its quadratic fit, radially averaged
        (ICRU 87); the same squares in every image.""",
    "transfer": """Mean profile across the patient's surface, of every image at the reference's surface
        (Sanders et al. 2016); the frequency where its spectrum falls to 50 and 10 percent.""",
    "entropy to inverse difference moment": f"""IBSI definitions (arXiv 1612.07003), 2D averaged;
        {texture.BIN_WIDTH_HU:g} HU a level, for MR {texture.SIGNAL_LEVELS} levels in the window.""",
    "Frechet and kernel distance": f"""Heusel et al. 2017, Binkowski et al. 2018, of patches of
        {feature_distance.PATCH} pixels described by {len(feature_distance.FEATURES)} features of a fixed
        filter bank: {", ".join(feature_distance.FEATURES)}.""",
    "sFRC": f"""Scanned Fourier ring correlation (arXiv 2603.04673): patches of 64 pixels whose correlation
        with the reference falls below 0.5 before {texture.EARLY_CROSSING_PER_PIXEL:g} cycles a pixel.""",
    "gradient at edges": f"""Mean gradient where the reference's is steepest
        ({texture.SHARP_EDGES_PERCENT:g} percent of the mask), over the reference's own.""",
}
_TASK: Mapping[str, str] = {
    "CHO d'": f"""Channelized Hotelling observer on a simulated phantom like the CCT189 of the MITA test,
        {detection.FULL_DOSE_NOISE_HU:g} HU of noise at full dose, {detection.SLICES} slices with and as many
        without rods; unbiased, with the exact interval of the noncentral F (Wunderlich et al. 2015).""",
    "lesions": f"""Balls drawn into input and reference of up to {survival.STACK} slices; the pipeline runs
        with and without them. Contrast kept: least squares of the two results' difference on the ball;
        half of it is survival. Sensitivity: a matched reader whose threshold
        95 percent of lesion-free places stay below.""",
    "lesion mean, diameter": f"""Mean within {lesions.CORE:g} radii; diameter at half maximum of the mean
        profile. Limits of agreement with the reference after Bland and Altman 1986.""",
    "spots from nothing": f"""Extrema of a Laplacian of Gaussian of 6 mm, of {reading.BLOB_HU:g} HU or
        {100 * reading.BLOB_OF_WINDOW:g} percent of the window or more, that have less than half of their
        contrast in the reference.""",
    "threshold segmentation": """Bone from 200 HU, lung -950 to -500 HU, air in the body below -950 HU, after
        a median of 3 x 3 pixels.""",
}
_BY_TIER = {1: _FIDELITY, 2: _TEXTURE, 3: _TASK}


def methods(tiers: tuple[int, ...]) -> dict[str, str]:
    """Of the tiers that were measured."""
    return {name: " ".join(text.split()) for tier in tiers for name, text in _BY_TIER[tier].items()}
