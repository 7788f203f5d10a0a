"""How well the gate tells planted faults from clean studies: ROC areas, HOLD rates, curves.

    python -m bench.planted_faults [--part test|development|bundled] [--studies N] [--output FOLDER]

Twelve kinds of faults (bench/fault_kinds.py) at three strengths in every study; the score is the gate's own,
the largest strain of any figure. CT goes through the shipped ct-denoise, MR through non-local means or, with
--mr-denoise, through the shipped diffusion pipeline; the limits are those the two pipelines ship. Limits were
chosen on the development studies; the test studies are of other patients.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from bench.fault_kinds import FAULTS, STRENGTHS, Denoise, Fault, Slices, Study, replaced_by
from bench.fault_pipelines import judges
from bench.fault_studies import bundled, held_out, other_modality, other_parts, with_noise
from pipelines.gate import Verdict
from training.ood_vae.held_out import DEVELOPMENT, HELD_OUT, TEST

CLEAN, SWAPPED, WRONG_PART = "clean", "slices swapped", "wrong body part"


@dataclass(frozen=True)
class Case:
    """One study with one fault, or none, and what the gate said."""

    study: str
    modality: str
    kind: str
    strength: str
    score: float
    level: str
    figure: str
    """The one that was strained most, as far as a finding names it."""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("test", "development", "bundled", "all"), default="test")
    parser.add_argument("--modality", choices=("CT", "MR"), help="both if not given")
    parser.add_argument("--studies", type=int, default=0, help="at most so many of each modality")
    parser.add_argument("--mr-denoise", action="store_true", help="MR through mr-denoise, a second a slice")
    parser.add_argument("--output", type=Path, help="where curves (PNG) and cases (JSON) go")
    options = parser.parse_args()
    studies = [each for each in part(options.part) if options.modality in (None, each.modality)]
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    chosen = some(studies, options.studies)
    cases = list(noted(examine(chosen, mr_denoise=options.mr_denoise), options.output))
    print(table(cases))
    if options.output:
        draw(cases, options.output / "planted_faults.png")


def part(name: str) -> list[Study]:
    """`bundled` is in the repository; `development` holds it too."""
    if name == "test":
        return held_out(TEST)
    if name == "bundled":
        return bundled()
    return [*bundled(), *held_out(DEVELOPMENT if name == "development" else HELD_OUT)]


def noted(cases: Iterator[Case], output: Path | None) -> Iterator[Case]:
    """Each case is a line of `cases.jsonl` as soon as it is known."""
    if output is None:
        yield from cases
        return
    with (output / "cases.jsonl").open("w", encoding="utf-8") as file:
        for case in cases:
            file.write(json.dumps(asdict(case)) + "\n")
            file.flush()
            yield case


def some(studies: Sequence[Study], most: int) -> list[Study]:
    """So many of each modality, spread over all; all of them for 0."""
    by_modality = []
    for modality in ("CT", "MR"):
        mine = [study for study in studies if study.modality == modality]
        step = max(len(mine) / most, 1) if most else 1
        by_modality.append([mine[int(place * step)] for place in range(min(most or len(mine), len(mine)))])
    return [study for pair in zip_longest(*by_modality) for study in pair if study is not None]


def examine(
    studies: Sequence[Study], strengths: Sequence[str] = STRENGTHS, *, mr_denoise: bool = False
) -> Iterator[Case]:
    """Every study clean and with every fault; half of them with noise added first."""
    by_modality = judges(mr_denoise=mr_denoise)
    for number, plain in enumerate(studies):
        judge = by_modality[plain.modality]
        study = with_noise(plain, number) if number // 2 % 2 else plain
        clean = judge.denoise(study.sources)
        yield case_of(study, CLEAN, "", judge.judge(study.sources, clean, study.body_part))
        for kind, fault in faults_of(study).items():
            for name in strengths:
                strength = STRENGTHS.index(name)
                rng = np.random.default_rng([number, strength, zlib.crc32(kind.encode())])
                known = remembering(study.sources, clean, judge.denoise)
                sources, results = fault(study, known, strength, rng)
                yield case_of(study, kind, name, judge.judge(sources, results, study.body_part))


def faults_of(study: Study) -> Mapping[str, Fault]:
    """All that can be planted: a single slice has none to change places with, no header cannot be wrong."""
    others = {
        WRONG_PART: replaced_by(other_parts(study.modality)),
        "wrong modality": replaced_by(other_modality(study.modality)),
    }
    out_of_place = {SWAPPED} if len(study.sources) == 1 else set()
    if not study.body_part:
        out_of_place.add(WRONG_PART)
    return {name: fault for name, fault in [*FAULTS.items(), *others.items()] if name not in out_of_place}


def remembering(sources: Slices, results: Slices, denoise: Denoise) -> Denoise:
    """What is known of the untouched sources is not computed again."""
    return lambda wanted: list(results) if wanted is sources else denoise(wanted)


def case_of(study: Study, kind: str, strength: str, verdict: Verdict) -> Case:
    held = [finding for finding in verdict.findings if finding.level == verdict.level]
    figure = held[0].figure if held else ""
    return Case(study.name, study.modality, kind, strength, verdict.score, verdict.level, figure)


def area(clean: Sequence[float], faulty: Sequence[float]) -> float:
    """Under the ROC curve: how often a faulty study scores above a clean one, ties counting half."""
    pairs = np.asarray(faulty)[:, np.newaxis] - np.asarray(clean)
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


def scores(cases: Sequence[Case], kind: str | None = None, strength: str | None = None) -> list[float]:
    """Of the faulty cases, of one kind or all, of one strength or all."""
    return [
        case.score
        for case in cases
        if case.kind != CLEAN and kind in (None, case.kind) and strength in (None, case.strength)
    ]


def clean_scores(cases: Sequence[Case]) -> list[float]:
    return [case.score for case in cases if case.kind == CLEAN]


def held_share(cases: Sequence[Case]) -> float:
    """Of the clean studies."""
    clean = [case.level for case in cases if case.kind == CLEAN]
    return clean.count("HOLD") / len(clean)


def table(cases: Sequence[Case]) -> str:
    """Markdown: a row a kind, and the whole; each modality's clean studies are its own comparison."""
    lines = [
        "| fault | "
        + " | ".join(f"{name}, ROC area" for name in STRENGTHS)
        + " | strong: HOLD | strong: PASS |",
        "|" + "---|" * 6,
    ]
    kinds = list(dict.fromkeys(case.kind for case in cases if case.kind != CLEAN))
    for kind in [*kinds, None]:
        areas = [f"{pooled_area(cases, kind, strength):.3f}" for strength in STRENGTHS]
        strong = [case.level for case in cases if case.strength == "strong" and kind in (None, case.kind)]
        levels = [f"{100 * strong.count(level) / len(strong):.0f} %" for level in ("HOLD", "PASS")]
        lines.append(f"| {kind or 'all kinds'} | " + " | ".join([*areas, *levels]) + " |")
    clean = [case.level for case in cases if case.kind == CLEAN]
    shares = ", ".join(
        f"{100 * clean.count(level) / len(clean):.0f} % {level}" for level in ("PASS", "WARN", "HOLD")
    )
    overall = pooled_area(cases)
    lines.append(f"\n{len(clean)} clean studies: {shares}. All strengths together: ROC area {overall:.3f}.")
    return "\n".join([*lines, *pools(cases)])


def pools(cases: Sequence[Case]) -> Iterator[str]:
    """Each modality by itself, and all cases as one pool, whatever their modality."""
    for title in ("CT", "MR", "one pool"):
        mine = [case for case in cases if title in (case.modality, "one pool")]
        if clean := clean_scores(mine):
            found = scores(mine, None, "strong"), scores(mine)
            strong, overall = (f"{area(clean, each):.3f}" if each else "none" for each in found)
            yield f"{title}: strong {strong}, all strengths {overall}, {len(clean)} clean studies."


def pooled_area(cases: Sequence[Case], kind: str | None = None, strength: str | None = None) -> float:
    """Faulty studies against clean ones of the same modality, weighted by the number of faulty ones."""
    by_modality: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_modality[case.modality].append(case)
    parts = [
        (area(clean_scores(mine), found), len(found))
        for mine in by_modality.values()
        if (found := scores(mine, kind, strength))
    ]
    if not parts:
        return float("nan")
    return float(np.average([part for part, _ in parts], weights=[count for _, count in parts]))


def draw(cases: Sequence[Case], path: Path) -> None:
    """ROC curves, a panel a strength and a line a kind."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(16, 5.6), sharey=True)
    clean = np.array(clean_scores(cases))
    for axis, strength in zip(axes, STRENGTHS, strict=True):
        kinds = dict.fromkeys(case.kind for case in cases if case.kind != CLEAN)
        for number, kind in enumerate(kinds):
            found = np.array(scores(cases, kind, strength))
            limits = np.unique(np.concatenate([clean, found, [-1.0, np.inf]]))[::-1]
            false = [(clean >= limit).mean() for limit in limits]
            true = [(found >= limit).mean() for limit in limits]
            label = f"{kind} {pooled_area(cases, kind, strength):.2f}"
            axis.plot(false, true, "-" if number < 6 else "--", color=f"C{number % 6}", label=label)
        axis.set(
            title=f"{strength}: {pooled_area(cases, None, strength):.3f}",
            xlabel="clean studies above the limit",
        )
        axis.legend(fontsize=8, loc="lower right")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("faulty studies above the limit")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    main()
