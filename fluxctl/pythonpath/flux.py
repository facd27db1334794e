"""``import flux`` for programs of any interpreter, by way of PYTHONPATH.

The directory of this file has nothing else in it, so that the PYTHONPATH that ``flux`` sets puts no
other package in the way of a program. What ``flux`` itself needs is looked for last, beside the
package and where FLUX_PYTHON_SITE says.
"""

import importlib.util
import os
import sys


def _load() -> None:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for folder in (root, os.environ.get("FLUX_PYTHON_SITE", "")):
        if folder and folder not in sys.path:
            sys.path.append(folder)
    package = os.path.join(root, "flux")
    spec = importlib.util.spec_from_file_location(
        "flux", os.path.join(package, "__init__.py"), submodule_search_locations=[package]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{package}: not a package")
    module = importlib.util.module_from_spec(spec)
    # The import system hands out what stands here when this file has run.
    sys.modules["flux"] = module
    spec.loader.exec_module(module)


_load()
