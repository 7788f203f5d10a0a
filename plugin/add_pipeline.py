"""`orthogen pipelines add FOLDER`: a pipeline folder is checked, tried, and only then registered."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pipelines.errors import PipelineBroken
from pipelines.execution import Execution
from pipelines.inventory import Inventory, inspect_folder


def add_pipeline(folder: Path, target: Path, execution: Execution, tell: Callable[[str], None]) -> Inventory:
    """Copies the folder below `target`, if nothing speaks against it; the inventory's findings say what does.

    Raises:
        PipelineBroken: the folder cannot be opened or run at all, or the name is taken.
    """
    found = inspect_folder(folder, execution)
    tell(summary(found))
    home = target / found.manifest.name
    if home.exists() and home.resolve() != folder.resolve():
        raise PipelineBroken(
            f"{home} exists", remedy="remove the registered pipeline first, or give the new one another name"
        )
    if not found.findings and not home.exists():
        shutil.copytree(folder, home)
        tell(f"registered in {home}")
    return found


def summary(found: Inventory) -> str:
    """The inventory in the order in which a site's record of AI models asks (ACR ARCH-AI)."""
    manifest, test = found.manifest, found.self_test
    lines = [
        f"{manifest.name} {manifest.version} by {manifest.publisher}: {manifest.task}, {manifest.family}, "
        f"{'generative' if manifest.generative else 'not generative'}",
        f"  {manifest.description}",
        f"  configuration sha256 {found.config_sha256}",
    ]
    for model in found.models:
        lines.append(
            f"  {model.file}: sha256 {model.sha256}, {model.size_bytes / 1e6:.1f} MB, opset {model.opset}, "
            f"{model.parameters:,} parameters"
        )
        lines += [f"    in  {tensor.name} {tensor.dtype} {list(tensor.shape)}" for tensor in model.inputs]
        lines += [f"    out {tensor.name} {tensor.dtype} {list(tensor.shape)}" for tensor in model.outputs]
    lines += [
        f"  documents: {', '.join(found.documents) or 'none'}",
        f"  self-test on a phantom of {test.slices} x {test.rows} x {test.columns}: {test.runtime}, "
        f"{test.execution_provider}, {1000 * test.seconds_per_slice:.0f} ms a slice, "
        f"{'repeatable' if test.repeatable else 'NOT repeatable'}, verdict {test.verdict.level}",
    ]
    lines += [f"  finding: {finding}" for finding in found.findings]
    return "\n".join(lines)
