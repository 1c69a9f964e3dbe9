"""A public link through Gradio's relay; opened only when --share was given, closed at the end."""

import secrets
from pathlib import Path

from modules.errors import StartError


class ShareLink:
    """`open` blocks for a few seconds; `close` ends the tunnel's process."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._port = port
        self._certificate = certificate

    def open(self) -> str:
        """The link. Raises StartError when the relay cannot be reached."""
        from gradio import networking, tunneling

        # Gradio would write the relay's certificate into the current folder, which may not be ours to write.
        networking.CERTIFICATE_PATH = str(self._certificate)  # pyright: ignore[reportPrivateImportUsage]
        tunneling.CERTIFICATE_PATH = str(self._certificate)
        try:
            return networking.setup_tunnel("127.0.0.1", self._port, secrets.token_urlsafe(32), None, None)
        except Exception as error:
            raise StartError(f"The share link could not be opened: {str(error)[:300]}") from error

    def close(self) -> None:
        from gradio import tunneling

        for tunnel in tunneling.CURRENT_TUNNELS:
            tunnel.kill()
