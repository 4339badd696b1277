"""Health check of a container that has neither curl nor wget: exits 0 when the URL answers 200."""

import sys
from urllib.request import urlopen

sys.exit(urlopen(sys.argv[1], timeout=4).status != 200)  # noqa: S310  (an address of docker-compose.yml)
