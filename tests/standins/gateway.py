"""A door that is always ready and tells its environment."""

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers every GET with the process's environment."""

    def do_GET(self) -> None:
        """Answer."""
        body = json.dumps(dict(os.environ)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    print("gateway stand-in serves", flush=True)
    HTTPServer(("127.0.0.1", int(os.environ["CHARGING_HTTP_PORT"])), Handler).serve_forever()
