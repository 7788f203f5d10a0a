"""The licence of every library that a node is installed with, by its own word (docs/decisions/0001)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires

import pytest

SHIPPED_EXTRAS = ("cpu",)
FORBIDDEN = re.compile(r"(?<![LA-Z])A?GPL|(?<!Lesser )General Public License|non-?commercial", re.IGNORECASE)


def requirement_names(name: str, extras: tuple[str, ...] = ()) -> Iterator[str]:
    for requirement in requires(name) or ():
        wanted = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if wanted is None or wanted[1] in extras:
            yield re.split(r"[^\w.-]", requirement)[0]


def shipped_libraries() -> set[str]:
    """All that `pip install orthogen[cpu]` brings and that is installed here."""
    found: set[str] = set()
    waiting = list(requirement_names("orthogen", SHIPPED_EXTRAS))
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            distribution(name)
        except PackageNotFoundError:  # for another platform
            continue
        if name not in found:
            found.add(name)
            waiting.extend(requirement_names(name))
    return found


def stated_licence(name: str) -> str:
    metadata = distribution(name).metadata
    expression = metadata["License-Expression"]
    if expression:
        return expression
    classifiers = [value for value in metadata.get_all("Classifier") or [] if value.startswith("License ::")]
    return "; ".join(classifiers) or str(metadata["License"] or "").partition("\n")[0]


def test_no_shipped_library_is_under_a_licence_that_would_bind_its_users() -> None:
    libraries = shipped_libraries()
    assert {"pydicom", "dbos", "onnxruntime", "numpy"} <= libraries
    bound = {name: stated_licence(name) for name in libraries if FORBIDDEN.search(stated_licence(name))}
    assert bound == {}


def test_every_shipped_library_states_a_licence() -> None:
    assert [name for name in shipped_libraries() if not stated_licence(name)] == []


@pytest.mark.parametrize("licence", ["GPL-2.0-only", "AGPLv3+", "GNU General Public License v3 (GPLv3)"])
def test_licences_of_the_gpl_family_are_recognised(licence: str) -> None:
    assert FORBIDDEN.search(licence)


@pytest.mark.parametrize(
    "licence", ["LGPL-3.0-only", "GNU Lesser General Public License", "MIT", "Apache-2.0"]
)
def test_other_licences_are_let_pass(licence: str) -> None:
    assert not FORBIDDEN.search(licence)
