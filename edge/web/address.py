"""Address of the page, for logs and for Home Assistant; imports no web server."""

from __future__ import annotations

import ipaddress
import socket


def page_url(host: str, port: int) -> str:
    """Return the page's URL without the token; use this machine's name if the page is served on all addresses."""
    try:
        if ipaddress.ip_address(host).is_unspecified:
            name = socket.gethostname()
            host = name if "." in name else f"{name}.local"
    except ValueError:
        pass  # a name
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
