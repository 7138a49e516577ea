"""Runs inside a network namespace that holds nothing but loopback: starts the whole site there and asks it.

``python -m tests.offline_site`` prints what it found as one line of JSON;
``tests/siteproject/test_offline.py`` reads it.
"""

import fcntl
import json
import socket
import struct

import httpx

from tests.live import running_site, text_of

QUESTIONS = {"en": "Which licence is the code under and can I reuse it?", "fr": "Sous quelle licence est le code ?"}
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40


def raise_loopback() -> None:
    """Bring the interface ``lo`` up: a new namespace has it, switched off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP | IFF_RUNNING))


def outside_is_reachable() -> bool:
    """Say whether a packet could leave. 192.0.2.1 is documentation's address (RFC 5737): nobody is there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return False
    return True


def main() -> None:
    """Print the interfaces, whether the outside can be reached, and how the site answered."""
    raise_loopback()
    found = {"interfaces": [name for _number, name in socket.if_nameindex()], "outside": outside_is_reachable()}
    with running_site(worker=True) as site:
        for language, question in QUESTIONS.items():
            events = site.events(question, language=language)
            found[language] = {"end": events[-1]["type"], "rung": events[-1].get("rung"), "text": text_of(events)}
        found["pages"] = {
            path: httpx.get(site.url + path, timeout=20).status_code for path in ("/", "/fr/", "/chat/", "/api/status")
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
