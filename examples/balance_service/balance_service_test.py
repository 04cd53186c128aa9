#!/usr/bin/python3
"""The demonstration service answers what its page says, on any free port, and stops when told."""

import concurrent.futures
import http.client
import json
import pathlib
import re
import signal
import subprocess
import sys
import unittest

SERVICE = pathlib.Path(__file__).with_name("balance_service.py")


class Service:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([sys.executable, str(SERVICE), "--port", "0", *arguments],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)\n", line).group(1))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def get(self, *paths):
        """Status and document of each path, over one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        answers = []
        for path in paths:
            connection.request("GET", path)
            reply = connection.getresponse()
            assert reply.headers["Content-Type"] == "application/json"
            answers.append((reply.status, json.loads(reply.read())))
        connection.close()
        return answers


class BalanceServiceTest(unittest.TestCase):
    def test_both_forms_tell_the_same(self):
        with Service() as service:
            by_path, by_query = service.get("/balance/1001", "/balance?account=1001")
        self.assertEqual(by_path, by_query)
        status, document = by_path
        self.assertEqual(status, 200)
        self.assertEqual(document["account"], "1001")
        self.assertEqual((document["balance"], document["currency"]), (1234.5, "USD"))
        self.assertIn("name", document)
        self.assertEqual(document["invoice"]["number"], "INV-7781")

    def test_what_is_unknown_is_a_404_in_json(self):
        with Service() as service:
            paths = ["/balance/9999", "/balance?account=9999", "/balance", "/balance/", "/", "/balance?account=",
                     "/balance/../../etc/passwd", "/balance/%00"]
            for path, (status, document) in zip(paths, service.get(*paths)):
                self.assertEqual(status, 404, path)
                self.assertIn("error", document)

    def test_one_form_only(self):
        for forms, expected in (("path", [200, 404]), ("query", [404, 200])):
            with Service("--forms", forms) as service:
                answers = service.get("/balance/1001", "/balance?account=1001")
                self.assertEqual([status for status, _ in answers], expected)

    def test_slow_answers_do_not_wait_for_each_other(self):
        with Service("--delay", "0.3") as service, concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: service.get("/balance/1001")[0][0], range(20)))
        self.assertEqual(answers, [200] * 20)

    def test_stops_when_told(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Service() as service:
                service.process.send_signal(number)
                self.assertEqual(service.process.wait(timeout=30), 0)

    def test_says_why_it_cannot_start(self):
        with Service() as service:
            second = subprocess.run([sys.executable, str(SERVICE), "--port", str(service.port)], timeout=30,
                                    capture_output=True, text=True)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"127.0.0.1:{service.port}", second.stderr)


if __name__ == "__main__":
    unittest.main()
