#!/usr/bin/python3
"""A small bank for the balance_inquiry flow: who asks for an account is told its balance as JSON.

    GET /balance/1001            {"account": "1001", "name": "...", "balance": 1234.5, "currency": "USD", "invoice": {...}}
    GET /balance?account=1001    the same
    an unknown account           404 {"error": "...", "account": "9999"}

It prints "listening on http://127.0.0.1:PORT" once it does. Standard library only; for demonstrations and tests.
"""

import argparse
import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ACCOUNTS = {
    "1001": {"name": "Alice Adams", "balance": 1234.5, "currency": "USD",
             "invoice": {"number": "INV-7781", "amount": 99.95, "due": "2026-12-15"}},
    "1002": {"name": "Bilal Haddad", "balance": 0, "currency": "USD", "invoice": None},
    "2001": {"name": "Carla Conti", "balance": 15.07, "currency": "EUR",
             "invoice": {"number": "INV-9020", "amount": 15.07, "due": "2027-01-01"}},
    "4321": {"name": "Dalia Mansour", "balance": 20750, "currency": "SAR", "invoice": None},
    "12345": {"name": "Edward Evans", "balance": 250.75, "currency": "USD",
              "invoice": {"number": "INV-1200", "amount": 250.75, "due": "2026-12-01"}},
    "123456": {"name": "Fatima Farouk", "balance": 1000000.01, "currency": "EGP", "invoice": None},
    "5555": {"name": "Grace Green", "balance": -42.1, "currency": "GBP", "invoice": None},
}


def account_of(path, forms):
    """The account that a request's path asks for; None when it is no question of ours."""
    parts = urlsplit(path)
    if parts.path.startswith("/balance/") and forms in ("both", "path"):
        return unquote(parts.path[len("/balance/"):])
    if parts.path == "/balance" and forms in ("both", "query"):
        return parse_qs(parts.query).get("account", [None])[0]
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept for the next question
    server_version = "balance-service"
    timeout = 60

    def setup(self):
        super().setup()
        self.wfile = self.connection.makefile("wb", 8192)  # head and body leave in one packet

    def do_GET(self):
        if self.server.delay:
            time.sleep(self.server.delay)
        account = account_of(self.path, self.server.forms)
        if account is None:
            self.reply(404, {"error": "ask for /balance/<account> or /balance?account=<account>"})
        elif account not in ACCOUNTS:
            self.reply(404, {"error": "no such account", "account": account})
        else:
            self.reply(200, {"account": account, **ACCOUNTS[account]})

    def reply(self, status, document):
        body = (json.dumps(document) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, form, *values):
        if self.server.verbose:
            print(form % values, file=sys.stderr, flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, request, client_address):
        pass  # a caller who hung up in the middle is nothing to report


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=3000, help="on 127.0.0.1; 0: any free one (default 3000)")
    parser.add_argument("--delay", type=float, default=0, metavar="SECONDS", help="before each reply: a slow API")
    parser.add_argument("--forms", choices=["both", "path", "query"], default="both", help="URLs that are understood")
    parser.add_argument("--verbose", action="store_true", help="a line for each request")
    options = parser.parse_args()
    try:
        server = Server(("127.0.0.1", options.port), Handler)
    except (OSError, OverflowError) as error:
        sys.exit(f"balance_service: 127.0.0.1:{options.port}: {error}")
    server.delay, server.forms, server.verbose = options.delay, options.forms, options.verbose

    def stop(*_):
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=0.2)
    server.server_close()


if __name__ == "__main__":
    main()
