"""The setting `Database`: no mistake in it shows a password."""

from __future__ import annotations

import pytest

from plugin.settings import read_settings, settings_problems


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u@h/db?password=SECRET",
        "postgresql://u@h/db?sslmode=require&sslpassword=SECRET",
        "postgresql://u@h/db?pass%77ord=SECRET",
        "postgresql://u:SECRET@h:port/db",
        "postgres://u:SECRET@h/db",
    ],
)
def test_an_address_that_would_show_its_password_or_is_wrong_is_refused_without_showing_it(
    address: str,
) -> None:
    (problem,) = settings_problems({"Database": address})
    assert problem.path == "Orthogen.Database"
    assert "SECRET" not in f"{problem.what} {problem.allowed}"


@pytest.mark.parametrize(
    "address", ["sqlite", "postgresql://u:secret@h:5433/db?sslmode=require", "postgresql:///db?host=/tmp"]
)
def test_a_password_before_the_at_sign_is_allowed(address: str) -> None:
    assert read_settings({"Database": address}).database == address
