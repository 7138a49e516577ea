"""Where Django looks for ``<language>/formats.py``: in the folders of ``locale/``, beside the words of the language.

``locale`` itself cannot be the package that ``FORMAT_MODULE_PATH`` names: the standard library has a module of that
name.
"""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[2] / "locale")]
