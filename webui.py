"""Parlor: chat with language models on your own machine. Start it with `python3 webui.py`."""

import sys


def main() -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - the one file an older Python may see
        sys.exit("Parlor needs Python 3.11 or newer; this is Python %d.%d." % sys.version_info[:2])  # noqa: UP031
    from modules.bootstrap import ensure_environment, run_tests

    if sys.argv[1:2] == ["test"]:
        return run_tests(sys.argv[2:])
    ensure_environment(sys.argv)

    try:
        from modules.cli import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
