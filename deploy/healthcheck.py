"""Does the service on this machine answer? Exits 0 or 1. For the image, which has no curl."""

import os
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

PORT = int(os.environ.get("FANIN_PORT") or os.environ.get("PORT") or 8080)

try:
    connection = HTTPConnection("127.0.0.1", PORT, timeout=4)
    connection.request("GET", "/healthz")
    healthy = connection.getresponse().status == HTTPStatus.OK
except (OSError, HTTPException):
    healthy = False
sys.exit(not healthy)
