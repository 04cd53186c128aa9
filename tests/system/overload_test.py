"""More calls than can be served: each is answered or refused with 503, and the calls that are up do not notice."""
import os
import select
import signal
import time
import unittest

import phone
import server
from phone import Phone
from server import wait_for

CALLS = 400
FLOW = """{"ivr": 1, "id": "digits", "start": "digits", "on_error": "bye", "nodes": {
  "digits": {"type": "gather", "min": 1, "max": 20, "timeout": "60s", "digit_timeout": "60s", "into": "typed", "next": "bye",
             "invalid": "bye", "no_input": "bye"},
  "bye": {"type": "hangup"}}}"""


class Flood:
    """Many callers at one socket, who acknowledge what they hear, and hang up."""

    def __init__(self, port):
        self.to = ("127.0.0.1", port)
        self.socket = phone.udp()
        self.here = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.answers = {}   # caller -> (status, headers)
        self.over = set()   # who has hung up
        self.again = time.monotonic() + 1

    def send(self, caller, method, to="", cseq=1, branch="i", body=""):
        uri = f"sip:digits@127.0.0.1:{self.to[1]}"
        self.socket.sendto("\r\n".join([
            f"{method} {uri} SIP/2.0", f"Via: SIP/2.0/UDP {self.here};rport;branch=z9hG4bK{branch}{caller}",
            f"From: <sip:flood{caller}@{self.here}>;tag=f{caller}", f"To: {to or f'<{uri}>'}", f"Call-ID: flood-{caller}",
            f"CSeq: {cseq} {method}", f"Contact: <sip:flood{caller}@{self.here}>", "Max-Forwards: 70",
            *(["Content-Type: application/sdp"] if body else []), f"Content-Length: {len(body)}", "", body]).encode(), self.to)

    def invite(self, caller):
        self.send(caller, "INVITE", body="v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                                         "m=audio 9000 RTP/AVP 0\r\n")

    def hear(self):
        while select.select([self.socket], [], [], 0)[0]:
            text = self.socket.recv(65536).decode()
            status = int(text.split()[1]) if text.startswith("SIP/2.0") else 0
            headers = {name.lower(): value.strip() for name, _, value in
                       (line.partition(":") for line in text.partition("\r\n\r\n")[0].split("\r\n")[1:])}
            caller, method = int(headers["call-id"].partition("-")[2]), headers["cseq"].split()[1]
            if method == "BYE":
                self.over.add(caller)
            elif method == "INVITE" and status >= 200:
                self.answers.setdefault(caller, (status, headers))
                self.send(caller, "ACK", headers["to"], branch="a" if status == 200 else "i")
                if status == 200:
                    self.send(caller, "BYE", headers["to"], 2, branch="b")

    def all_over(self):
        """Has everybody an answer, and an end? What has no answer for a second is sent again."""
        self.hear()
        up = {caller for caller, (status, _) in self.answers.items() if status == 200} - self.over
        if time.monotonic() >= self.again:
            self.again = time.monotonic() + 1
            for caller in set(range(CALLS)) - set(self.answers):
                self.invite(caller)
            for caller in up:
                self.send(caller, "BYE", self.answers[caller][1]["to"], 2, branch="b")
        return len(self.answers) == CALLS and not up


class Overload(unittest.TestCase):
    def setUp(self):
        self.folder = server.folder()
        with open(os.path.join(self.folder, "digits.json"), "w") as f:
            f.write(FLOW)
        self.server = server.Server(self.folder, "--flow", f"digits={self.folder}/digits.json", "--max-calls", "1000").ready()

    def tearDown(self):
        if self.server.process.poll() is None:
            self.server.stop()

    def test_a_flood_is_answered_whole_and_a_call_that_is_up_does_not_notice(self):
        with Phone(user="steady", audio=phone.tone(400)) as steady:
            self.assertEqual(steady.call(self.server.uri("digits")), 200)
            steady.press("12")
            flood = Flood(self.server.port)
            self.addCleanup(flood.socket.close)
            # The server is kept from its work until they have waited for longer than it lets anybody wait.
            self.server.process.send_signal(signal.SIGSTOP)
            try:
                for caller in range(CALLS):
                    flood.invite(caller)
                sent = time.monotonic()
                wait_for(lambda: time.monotonic() > sent + 0.1, "a tenth of a second")
            finally:
                self.server.process.send_signal(signal.SIGCONT)
            wait_for(flood.all_over, "the end of every call", 60)
            statuses = [status for status, _ in flood.answers.values()]
            self.assertLessEqual(set(statuses), {200, 503})
            self.assertIn(503, statuses)
            for status, headers in flood.answers.values():
                if status == 503:
                    self.assertEqual(headers["retry-after"], "5")
            with Phone(user="later") as later:
                self.assertEqual(later.call(self.server.uri("digits")), 200)
                later.hang_up()
            steady.press("34#")
            record = self.server.call_by("steady")
            self.assertEqual(record.pressed, "1234#")
            self.assertEqual(record.record["status"], "completed")
            record.check(self)
        wait_for(lambda: len(self.server.of("call_refused")) >= statuses.count(503), "the refusals in the log")
        self.assertEqual({(e["status"], e["extension"]) for e in self.server.of("call_refused")}, {(503, "digits")})
        self.assertEqual(len(self.server.of("call_refused")), statuses.count(503))
        self.assertEqual(self.server.stop(), 0)
        answered = [e for e in self.server.of("call_ended") if e["record"]["caller"].startswith("flood")]
        self.assertEqual(len(answered), statuses.count(200))


if __name__ == "__main__":
    unittest.main(verbosity=2)
