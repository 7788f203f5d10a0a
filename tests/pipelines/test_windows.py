from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.windows import windows


@settings(max_examples=100, deadline=None)
@given(count=st.integers(0, 12), context=st.integers(0, 4))
def test_every_slice_gets_its_neighbours_and_the_ends_are_repeated(count: int, context: int) -> None:
    expected = [
        tuple(min(max(centre + offset, 0), count - 1) for offset in range(-context, context + 1))
        for centre in range(count)
    ]
    assert list(windows(range(count), context)) == expected


def test_no_more_than_the_context_is_pulled_ahead() -> None:
    pulled: list[int] = []

    def source() -> Iterator[int]:
        for index in range(100):
            pulled.append(index)
            yield index

    stream = windows(source(), 2)
    for centre in range(5):
        assert next(stream)[2] == centre
        assert pulled[-1] == centre + 2
