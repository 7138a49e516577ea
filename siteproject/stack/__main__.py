"""``python -m siteproject.stack``: run the stack of this folder in the foreground. ``bin/up`` ends here."""

import argparse
import os
import sys
import time
import traceback

from siteproject.stack.errors import StackError
from siteproject.stack.folder import var_folder
from siteproject.stack.supervisor import Supervisor
from siteproject.stack.terminal import Terminal


def main(arguments: list[str]) -> int:
    """Run until told to stop; 0 after a signal, 1 after a failure, which is one sentence and never a traceback."""
    options = _options(arguments)
    folder = var_folder()
    terminal = Terminal(verbose=options.verbose, logs=folder.log, mail=folder.path / "mail")
    try:
        port = options.port or int(os.environ.get("PORT") or 8000)
        bind = os.environ.get("BIND") or "127.0.0.1"
        Supervisor(
            folder,
            terminal,
            port=port,
            bind=bind,
            debug=options.debug,
            servers_only=options.servers,
            test_payments=options.with_test_payments,
        ).run()
    except StackError as error:
        terminal.complain(str(error))
        return 1
    except OSError as error:
        where = f" of {error.filename}" if error.filename else ""
        terminal.complain(f"The machine refused ({error.strerror}{where}). Check rights and space of {folder.path}.")
        return 1
    except Exception as error:
        log = folder.log / "up.log"
        try:
            folder.make()
            with log.open("a") as file:
                file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')}\n{traceback.format_exc()}\n")
        except OSError:
            pass
        terminal.complain(f"Something unexpected stopped the site ({type(error).__name__}: {error}). See {log}.")
        return 1
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bin/up", description="Start the whole site. Ctrl-C stops it.")
    parser.add_argument("--port", type=int, help="port of the web server (8000, or PORT)")
    parser.add_argument("--verbose", action="store_true", help="show the logs of all parts")
    parser.add_argument("--debug", action="store_true", help="run Django with DEBUG=1, for developers")
    parser.add_argument("--servers", action="store_true", help="start PostgreSQL, Redis and the model server only")
    parser.add_argument(
        "--with-test-payments",
        action="store_true",
        help="let plans be bought from a stand-in for Stripe, which charges nothing",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
