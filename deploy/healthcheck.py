"""Health check of the image, which has no curl: exits 0 if the service responds, otherwise 1."""

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
