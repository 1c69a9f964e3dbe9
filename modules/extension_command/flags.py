"""The words and flags of `extension`."""

import argparse

PLACES = ("data", "extensions", "models", "model")


def make_parser(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=command,
        description="Install, change and try extensions. What is installed is shown before anything of it runs.",
        allow_abbrev=False,
    )
    words = parser.add_subparsers(dest="act", metavar="WHAT", required=True)
    install = add(words, "install", "fetch an extension, show all of it, and install it after your yes")
    install.add_argument(
        "source",
        metavar="SOURCE",
        help="a git address (with #TAG or #COMMIT behind it, if you like), a folder, a zip file, or a package's name",
    )
    install.add_argument("--enable", action="store_true", help="enable it as well")
    update = add(words, "update", "the same for the newest version from where it came from")
    for asked in (install, update):
        asked.add_argument("--yes", action="store_true", help="say yes to what is shown without being asked")
    rollback = add(words, "rollback", "go back to the version before the last update")
    remove = add(words, "remove", "remove an extension and all that it has kept")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.add_argument("--keep-data", action="store_true", help="leave what it has kept in the data folder")
    enable = add(words, "enable", "import an extension now, and run it whenever Parlor runs")
    disable = add(words, "disable", "do not run it any more")
    run = add(words, "run", "run a command that an extension has")
    for named in (update, rollback, remove, enable, disable, run):
        named.add_argument("name", metavar="NAME")
    run.add_argument("command", metavar="COMMAND", help="without the slash")
    run.add_argument("text", metavar="TEXT", nargs="*", help="what follows the command")
    add(words, "list", "what there is, without running any of it")
    new = add(words, "new", "make the beginning of an extension of your own")
    new.add_argument("name", metavar="NAME", help="small letters, digits and dashes")
    new.add_argument("--to", metavar="FOLDER", help="where its folder is made (default: among your own)")
    return parser


def add(words: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, about: str) -> argparse.ArgumentParser:
    parser = words.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", allow_abbrev=False)
    for place in PLACES:
        parser.add_argument(f"--{place}", metavar=place.upper(), help="as at the start of the program")
    return parser
