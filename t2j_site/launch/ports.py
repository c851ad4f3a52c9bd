"""Ports of this machine."""

import errno
import socket

from .errors import LaunchError


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def check_free(host: str, port: int) -> None:
    """Raises LaunchError when nobody could serve there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OverflowError as error:
            raise LaunchError(f"{port} is no port: choose one from 1024 to 65535.") from error
        except OSError as error:
            raise LaunchError(_sentence(host, port, error)) from error


def _sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is in use by another program. Stop it, or choose another port:"
            f" ./t2j up --port {port + 1 if port < 65535 else 8000}"
        )
    if error.errno == errno.EACCES:
        return f"Port {port} needs root. Choose one above 1023: ./t2j up --port 8000"
    return f"Cannot serve on {host}:{port} ({error.strerror}). Choose another port or T2J_HOST."
