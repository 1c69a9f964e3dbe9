"""The page's own scripts and styles, under an address that changes with their content."""

import hashlib
from pathlib import Path

ASSETS = Path(__file__).parent / "assets"
PREFIX = "/parlor-assets"


def assets_address() -> str:
    """`/parlor-assets/HASH`: browsers may keep what lies below it for ever."""
    digest = hashlib.sha256()
    for path in sorted(ASSETS.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return f"{PREFIX}/{digest.hexdigest()[:12]}"
