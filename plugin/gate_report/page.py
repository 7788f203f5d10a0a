"""The page itself. It names no patient: slices, figures, limits, and the run's own identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from jinja2 import Environment, PackageLoader, StrictUndefined

from dicom_templates.identity import RunIdentity
from pipelines.gate import Picture, Verdict
from pipelines.volume import Quantity
from plugin.gate_report.pictures import shown

MOST_PICTURES = 4
"""Beyond those that a finding needs."""

MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "local_change": "largest change over 12 x 12 pixels, as a multiple of what is usual in the slice",
        "fourier_crossing": "detail, in cycles a pixel, up to which source and result agree in all patches",
        "edges_kept": "steepness of edges in the result over that in the source",
        "correlation_with_source": "lowest correlation of a slice with its source",
        "mirrored_fit": "how much worse the source's mirror image fits than the source itself",
        "exchanged_fit": "how much worse two neighbouring slices fit in each other's place",
        "shifted_fit": "how much worse all results fit at another place in the stack",
        "out_of_distribution": "how unlike known anatomy the oddest slice is; 1 is at its bounds",
        "source_ghosts": "unevenness of the air around the patient (motion, streaks)",
        "source_motion": "likeness to slices with drawn motion, 0 to 1, in the worst quarter of the slices",
        "source_metal_streaks": "likeness to slices with drawn metal, 0 to 1, in the worst quarter",
        "source_metal_permille": "share of a slice above 2500 HU, in permille",
        "source_continuity": "lowest correlation of a source slice with the more alike of its neighbours",
        "noise_ratio": "noise left in the result, over the source's",
        "texture_kept": "noise left, over the least that keeps texture like that of a scan of higher dose",
        "lung_share_removed": "what was removed from the lung, over the lung's own fine detail",
        "source_grain": "how fine the source's noise is: smaller for soft kernels, 1 for white noise",
        "structure_removed": "correlation of what was removed with the source's edges",
        "noise_removed_hu": "spread of result minus source, median over the slices",
        "noise_removed_signal": "spread of result minus source, median over the slices",
        "source_air_hu": "where the histogram has its peak of air",
        "source_without_air": "share of the slices that hold no air (half), and not even fat (whole)",
        "lung_share": "of the tissue, what a quarter of the slices reach; judged where the header says chest",
        "broken_slices": "slices of the result with values that are no numbers",
        "blank_slices": "slices of the result with one value everywhere",
        "unmeasured_slices": "slices of which something measured is no number",
        "unchanged_slices": "slices, all of them, that equal their source",
        "gate_score": "largest share of a HOLD limit that any figure has used up; 1 and above is HOLD",
    }
)


def gate_report(
    verdict: Verdict, pictures: Sequence[Picture], identity: RunIdentity, quantity: Quantity
) -> str:
    """One HTML page that needs nothing else."""
    named = {finding.figure: finding for finding in verdict.findings if finding.figure}
    kept = [picture for picture in pictures if picture.figure in named]
    kept += [picture for picture in pictures if picture.figure not in named and picture.map is not None]
    return _TEMPLATES.get_template("report.html").render(
        verdict=verdict,
        identity=identity,
        findings=verdict.findings,
        meanings=MEANINGS,
        limits={figure: [_limit(each) for each in pair] for figure, pair in verdict.limits.items()},
        drawn={picture.figure for picture in kept},
        pictures=[
            (picture.figure, named.get(picture.figure), shown(picture, quantity))
            for picture in kept[: len(named) + MOST_PICTURES]
        ],
    )


def _limit(bound: float | tuple[float, float] | None) -> str:
    if bound is None:
        return ""
    return f"{bound:g}" if isinstance(bound, float) else f"{bound[0]:g} to {bound[1]:g}"


_TEMPLATES = Environment(
    loader=PackageLoader("plugin.gate_report", "templates"), autoescape=True, undefined=StrictUndefined
)
