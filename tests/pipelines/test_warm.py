from pathlib import Path

from pipelines.catalog import CatalogEntry
from pipelines.execution import Execution
from pipelines.warm import WarmPipelines
from tests.pipelines.tiny_models import centre_slice, tiny_entry


def entry(folder: Path, name: str, factor: float = 1.0) -> CatalogEntry:
    return tiny_entry(folder, centre_slice(3, factor=factor), Name=name)


def test_a_pipeline_is_opened_once_and_used_again(tmp_path: Path) -> None:
    warm = WarmPipelines(Execution())
    first = entry(tmp_path, "one")
    assert warm.get(first) is warm.get(first)


def test_a_changed_pipeline_is_opened_anew(tmp_path: Path) -> None:
    warm = WarmPipelines(Execution())
    before = warm.get(entry(tmp_path, "one", factor=1.0))
    assert warm.get(entry(tmp_path, "one", factor=2.0)) is not before


def test_the_pipeline_unused_for_longest_is_let_go(tmp_path: Path) -> None:
    warm = WarmPipelines(Execution(), most=2)
    entries = {name: entry(tmp_path / name, name) for name in ("one", "two", "three")}
    one, two = warm.get(entries["one"]), warm.get(entries["two"])
    assert warm.get(entries["one"]) is one
    warm.get(entries["three"])
    assert warm.get(entries["one"]) is one
    assert warm.get(entries["two"]) is not two
