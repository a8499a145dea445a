"""Health check of the image, which has no curl: exits 0 if the service responds, otherwise 1.

It asks the address that FANIN_HOST and FANIN_PORT name; flags of `fanin serve` are not known here.
"""

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from fanin.aggregator.injected import without_injected

# Addresses that mean "all of this machine" cannot be connected to everywhere.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not listened on

settings = without_injected(os.environ)
host = settings.get("FANIN_HOST", "").strip()
port = settings.get("FANIN_PORT") or settings.get("PORT") or "8080"

try:
    connection = HTTPConnection(LOOPBACK.get(host, host), int(port), timeout=4)
    connection.request("GET", "/healthz")
    healthy = connection.getresponse().status == HTTPStatus.OK
except (OSError, HTTPException, ValueError):
    healthy = False
sys.exit(not healthy)
