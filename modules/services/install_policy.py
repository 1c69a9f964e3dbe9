"""When extensions may be changed, which is to run code as the owner: never while others can reach the program."""

from dataclasses import dataclass

from modules.errors import Forbidden
from modules.outbound.targets import is_loopback
from modules.settings import Settings


@dataclass(frozen=True)
class InstallPolicy:
    """How the program can be reached, as it was started."""

    is_shared: bool
    is_open_to_others: bool

    @classmethod
    def of(cls, settings: Settings) -> "InstallPolicy":
        has_login = settings.auth is not None or settings.api_key is not None
        return cls(settings.share, not is_loopback(settings.host) and not has_login)

    def check(self) -> None:
        """Before anything that installs, changes, enables or removes an extension. Raises Forbidden."""
        if self.is_shared:
            raise Forbidden("Extensions cannot be changed while this program is shared. Start it without --share.")
        if self.is_open_to_others:
            raise Forbidden(
                "Extensions cannot be changed while other machines reach this program without signing in. "
                "Start it with --auth USER:PASSWORD, or for this machine alone."
            )
