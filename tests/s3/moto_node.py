"""Runs in moto's own environment: its S3 server, on a port of the loopback that was free.

Prints a line of JSON with its URL, and ends with its standard input, so that it never outlives who started it.
"""

import json
import logging
import os

from moto.server import ThreadedMotoServer  # type: ignore[import-not-found] # it is installed where this runs

if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(json.dumps({"http": f"http://{host}:{port}"}), flush=True)
    os.read(0, 1)
    os._exit(0)
