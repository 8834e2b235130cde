"""The GraphiQL page of ``dev``: it opens with queries worth trying.

Its scripts are the npm builds of GraphiQL and React.  Where Node is at hand, ``fetch_assets`` puts them beside the
data; else the page takes the same versions from a CDN.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ASSETS = "/graphiql"
_CDN = "https://unpkg.com"
_PACKAGES = {"graphiql": "3.9.0", "react": "18.3.1", "react-dom": "18.3.1"}
_FILES = {
    "graphiql": ("graphiql.min.css", "graphiql.min.js"),
    "react": ("umd/react.production.min.js",),
    "react-dom": ("umd/react-dom.production.min.js",),
}
_TEMPLATE = Path(__file__).parent / "page.html"


def assets_folder(data_dir: Path) -> Path:
    """Where the scripts are kept."""
    return data_dir / "graphiql" / "node_modules"


def has_assets(data_dir: Path) -> bool:
    folder = assets_folder(data_dir)
    return all((folder / package / file).exists() for package, files in _FILES.items() for file in files)


def fetch_assets(data_dir: Path, *, timeout_s: float = 60) -> bool:
    """Install the scripts with npm, if there is one; true when they are there afterwards."""
    npm = shutil.which("npm")
    if has_assets(data_dir) or npm is None:
        return has_assets(data_dir)
    target = assets_folder(data_dir).parent
    target.mkdir(parents=True, exist_ok=True)
    packages = [f"{name}@{version}" for name, version in _PACKAGES.items()]
    command = [npm, "install", "--prefix", str(target), "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    try:
        subprocess.run([*command, *packages], capture_output=True, timeout=timeout_s, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    return has_assets(data_dir)


def graphiql_page(data_dir: Path) -> str:
    """The page, with the scripts of our own if they are there."""
    own = has_assets(data_dir)
    page = _TEMPLATE.read_text(encoding="utf-8")
    for package, version in _PACKAGES.items():
        base = f"{ASSETS}/{package}" if own else f"{_CDN}/{package}@{version}"
        page = page.replace("{{" + package + "}}", base)
    return page
