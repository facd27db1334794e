"""Built-in values of flux-core by name."""

from __future__ import annotations

import os

import pytest

from flux.conf_builtin import VALUES, conf_builtin_get


@pytest.mark.parametrize("name", ["exec_path", "module_path", "python_path", "pmi_library_path"])
def test_parts_of_the_installation_are_where_the_values_say(name: str) -> None:
    assert os.path.exists(conf_builtin_get(name))


def test_it_makes_no_difference_which_installation_is_asked_for() -> None:
    for name in VALUES:
        assert conf_builtin_get(name, which="installed") == conf_builtin_get(name, "intree")


def test_what_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="No builtin config value for 'nope'"):
        conf_builtin_get("nope")
    with pytest.raises(ValueError, match="which must be one of"):
        conf_builtin_get("confdir", which="bad")
