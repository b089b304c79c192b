"""Addresses and ports for a server on this machine.

The rule: what cannot work is found before anything is started, and named.
"""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from tuner.errors import UsageError
from tuner.locks import try_lock

FIRST_PORT = 5000
PORTS = 100
NO_LINKS = getattr(os, "O_NOFOLLOW", 0)  # the folder of the claims is everybody's


def address_of(host: str) -> IPv4Address | IPv6Address:
    """The address that `host` stands for; raises UsageError where it stands for none."""
    try:
        found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM)
        return ip_address(found[0][4][0])
    except (OSError, UnicodeError, ValueError) as error:
        raise UsageError(
            f"--host {host}: that is no address.\n"
            "127.0.0.1 is this machine alone, 0.0.0.0 everyone who can reach it."
        ) from error


def try_port(host: str, port: int) -> OSError | None:
    """What stands in the way of listening there, or None."""
    address = address_of(host)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            # A port whose last connection has just been closed is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((str(address), port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


@contextmanager
def free_port(host: str, first: int = FIRST_PORT) -> Iterator[int]:
    """The first free port from `first` up, for the block; UsageError where there is none.

    Two that start at once get two ports: a server takes seconds until it listens, so the port is
    claimed by a locked file meanwhile.
    """
    last = first + PORTS - 1
    for port in range(first, last + 1):
        problem = try_port(host, port)
        if problem is not None:
            if problem.errno == errno.EADDRNOTAVAIL:
                fits_here(host, port)
            continue
        with _claim(port) as ours:
            if ours:
                yield port
                return
    raise UsageError(f"no port from {first} to {last} is free.\nName another one with --port.")


@contextmanager
def _claim(port: int) -> Iterator[bool]:
    """Hold the claim on a port for the block; says False where another process holds it."""
    path = Path(tempfile.gettempdir(), f"tuner-ui-{port}.lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINKS, 0o644)
    except OSError:
        try:
            descriptor = os.open(
                path, os.O_RDONLY
            )  # another user's file can be locked all the same
        except OSError:
            yield True  # without claims, as before there were any
            return
    try:
        try:
            ours = try_lock(descriptor)
        except OSError:
            ours = True
        yield ours
    finally:
        os.close(descriptor)


def fits_here(host: str, port: int) -> None:
    """Raise UsageError, saying why, where one cannot listen at this address and port."""
    problem = try_port(host, port)
    if problem is None:
        return
    if problem.errno == errno.EADDRINUSE:
        raise UsageError(
            f"port {port} is in use by another program.\n"
            "Leave --port away and a free one is found, or name another."
        )
    if problem.errno == errno.EADDRNOTAVAIL:
        raise UsageError(
            f"--host {host}: this machine has no such address.\n"
            "127.0.0.1 is this machine alone, 0.0.0.0 everyone who can reach it."
        )
    raise UsageError(
        f"port {port} cannot be listened at ({problem.strerror or problem}).\n"
        "Ports below 1024 are the system's; name one above with --port."
    )


def url_of(host: str, port: int) -> str:
    """What to type into a browser of this machine."""
    address = address_of(host)
    if address.is_unspecified:
        host = "127.0.0.1" if address.version == 4 else "[::1]"
    elif address.version == 6 and ":" in host:
        host = f"[{host}]"
    return f"http://{host}:{port}"


def names_of_this_machine(host: str) -> list[str]:
    """How browsers elsewhere may call this machine when it listens at `host`; none for loopback."""
    address = address_of(host)
    if address.is_loopback:
        return []
    names = [] if address.is_unspecified else [host]
    own = socket.gethostname()
    names += [own, socket.getfqdn()]
    with suppress(OSError, UnicodeError):
        names += [str(found[4][0]) for found in socket.getaddrinfo(own, None)]
    # The address that packets to elsewhere would carry; nothing is sent by connecting UDP.
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        names.append(str(probe.getsockname()[0]))
    plain = [f"[{name}]" if ":" in name else name for name in names]
    return [name for name in dict.fromkeys(plain) if not name.startswith(("127.", "[::1"))]
