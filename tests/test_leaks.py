"""The tests' own eye for a secret in a log sees it, and nothing where chance wrote its digits."""

import pytest

from tests.leaks import told


@pytest.mark.parametrize("text", ['"pin": "135790"', "keys=135790#", "按了135790。", "135790", "x(135790, 1)"])
def test_a_secret_is_seen(text: str) -> None:
    assert told("135790", text)


@pytest.mark.parametrize("text", ["22:46:17.135790 [error]", '"id": "c0135790ff"', "1357901", "took 0.1357902 s", ""])
def test_chance_is_not(text: str) -> None:
    assert not told("135790", text)
