"""The words and flags of `extension`."""

import argparse

PLACES = ("data", "extensions", "models", "model")
ABOUT = {
    "install": "fetch an extension, show all of it, and install it after your yes",
    "update": "the same for the newest version from where it came from",
    "rollback": "go back to the version before the last update",
    "remove": "remove an extension and all that it has kept",
    "enable": "import an extension now, and run it whenever Parlor runs",
    "disable": "do not run it any more",
    "run": "run a command that an extension has",
    "list": "what there is, without running any of it",
    "new": "make the beginning of an extension of your own",
}


def make_parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=command,
        description="Install, change and try extensions. What is installed is shown before anything of it runs.",
        allow_abbrev=False,
    )
    words = parser.add_subparsers(dest="act", metavar="WHAT", required=True)
    acts = {
        name: words.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", allow_abbrev=False)
        for name, about in ABOUT.items()
    }
    acts["install"].add_argument(
        "source",
        metavar="SOURCE",
        help="a git address (with #TAG or #COMMIT behind it, if you like), a folder, a zip file, or a package's name",
    )
    acts["install"].add_argument("--enable", action="store_true", help="enable it as well")
    for name in ("update", "rollback", "remove", "enable", "disable", "run", "new"):
        acts[name].add_argument("name", metavar="NAME")
    for name in ("install", "update", "remove"):
        acts[name].add_argument("--yes", action="store_true", help="say yes to what is shown, without being asked")
    acts["remove"].add_argument("--keep-data", action="store_true", help="leave what it has kept in the data folder")
    acts["run"].add_argument("command", metavar="COMMAND", help="without the slash")
    acts["run"].add_argument("text", metavar="TEXT", nargs="*", help="what follows the command")
    acts["new"].add_argument("--to", metavar="FOLDER", help="where its folder is made (default: among your own)")
    for act in acts.values():
        for place in PLACES:
            act.add_argument(f"--{place}", metavar=place.upper(), help="as at the start of the program")
    return parser
