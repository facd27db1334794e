"""Where the parts of this installation are: what search paths of flux(1) call *install-path*, and
what the attributes ``conf.*`` say.
"""

from __future__ import annotations

import os
from typing import Final

ROOT: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The directory that holds the packages."""

COMMANDS: Final = f"{ROOT}/fluxctl/commands"
MODULES: Final = f"{ROOT}/broker/services"
CONNECTORS: Final = f"{ROOT}/flux/connect"
PMI_LIBRARY: Final = f"{ROOT}/broker/pmi.py"
SHELL: Final = f"{ROOT}/broker/shell"
MANUAL: Final = f"{ROOT}/fluxctl/man"
PYTHON: Final = f"{ROOT}/fluxctl/pythonpath"
"""A directory with the package ``flux`` in it and nothing else (docs/decisions/environment.md)."""
