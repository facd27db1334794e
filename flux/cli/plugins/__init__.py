"""Where packages of others may put plugins of the submission commands: each module of
``flux/cli/plugins`` in a folder of ``sys.path``.
"""

from __future__ import annotations

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
