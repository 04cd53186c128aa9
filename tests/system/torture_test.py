"""Bytes that want to hurt a server, sent to one that runs: the torture messages of RFC 4475 and RFC 5118, and INVITEs
whose Contact no BYE can be sent to.  The messages are not ours to ship: IVR_SIP_DATA (../shared/data/sip) has them."""
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import unittest

import server

DATA = os.environ.get("IVR_SIP_DATA") or os.path.join(server.SOURCE, "..", "shared", "data", "sip")
FLOW = """{"ivr": 1, "id": "short", "start": "wait", "nodes": {
  "wait": {"type": "wait", "duration": "2s", "next": "bye"}, "bye": {"type": "hangup"}}}"""
CONTACTS = {
    "tel": "<tel:+123>", "mailto": "<mailto:a@b>", "http": "<http://a/b>", "unknown": "<foo:bar>", "urn": "<urn:service:sos>",
    "star": "*", "fax": "<fax:+1>", "im": "<im:a@b>", "pres": "<pres:a@b>", "sips": "<sips:x@127.0.0.9>", "none": None,
}
ACCEPTED = {"sips", "none"}  # a request can be sent there, or at least the rules for one are met
PATIENCE = 40  # seconds: more than 64*T1 (RFC 3261, section 17), after which a call without its ACK is given up


class Peer:
    """A socket on an address of its own, so that any port on it is free."""
    number = os.getpid() * 64

    def __init__(self, to, port=0, kind=socket.SOCK_DGRAM):
        Peer.number += 1
        n = Peer.number
        self.ip = f"127.{64 + n // 65536 % 64}.{n // 256 % 256}.{n % 254 + 1}"
        self.to = ("127.0.0.1", to)
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.bind((self.ip, port))
        if kind == socket.SOCK_STREAM:
            self.socket.connect(self.to)
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    def send(self, data):
        if self.socket.type == socket.SOCK_STREAM:
            self.socket.sendall(data)
        else:
            self.socket.sendto(data, self.to)

    def replies(self):
        """Status and text of the replies that are there."""
        found = []
        while True:
            try:
                data = self.socket.recv(65536)
            except (BlockingIOError, ConnectionResetError):
                return found
            for status in re.finditer(rb"(?m)^SIP/2\.0 (\d{3})", data):  # a stream brings several at once
                found.append((int(status[1]), data[status.start():].decode(errors="replace")))
            if not data:
                return found

    def final(self, what):
        return server.wait_for(lambda: [r for r in self.replies() if r[0] >= 200], what)[0]


class Dialog:
    def __init__(self, name, port):
        self.name, self.peer = name, Peer(port)
        self.me = f"{self.peer.ip}:{self.peer.port}"
        self.uri, self.tag = f"sip:ivr@127.0.0.1:{port}", ""

    def request(self, method, cseq, contact, body=True):
        contact = f"Contact: {contact}\r\n" if contact else ""
        sdp = (f"v=0\r\no=- 1 {cseq} IN IP4 {self.peer.ip}\r\ns=-\r\nc=IN IP4 {self.peer.ip}\r\nt=0 0\r\n"
               "m=audio 9000 RTP/AVP 0\r\n") if body else ""
        self.peer.send((
            f"{method} {self.uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.me};rport;branch=z9hG4bK{self.name}{method}{cseq}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:caller@{self.me}>;tag={self.name}\r\nTo: <{self.uri}>{self.tag}\r\n"
            f"{contact}Call-ID: {self.name}-{self.me}\r\nCSeq: {cseq} {method}\r\nContent-Type: application/sdp\r\n"
            f"Content-Length: {len(sdp)}\r\n\r\n{sdp}").encode())


def header(text, name):
    found = re.search(rf"^{name}\s*:\s*(.*?)\r$", text, re.I | re.M)
    return found[1] if found else ""


class Torture(unittest.TestCase):
    def setUp(self):
        self.folder = server.folder()
        self.addCleanup(shutil.rmtree, self.folder)
        path = os.path.join(self.folder, "short.json")
        with open(path, "w") as f:
            f.write(FLOW)
        self.options = ("--flow", "*=" + path, "--media-threads", "1")
        self.alive = 0

    def start(self):
        self.server = server.Server(self.folder, *self.options).ready()

    def assertAlive(self):
        self.assertIsNone(self.server.process.poll(), self.server.text()[-3000:])
        self.alive += 1
        probe = Dialog(f"alive{self.alive}", self.server.port)
        probe.request("OPTIONS", 1, f"<sip:a@{probe.me}>", body=False)
        self.assertEqual(probe.peer.final("an answer to OPTIONS")[0], 200)

    def stop(self):
        code = self.server.stop()
        self.assertEqual(code, 0, self.server.text()[-3000:])

    def test_contacts_that_cannot_be_called_back_and_no_ack(self):
        self.start()
        answered = set()
        # A new call.
        for name, contact in CONTACTS.items():
            dialog = Dialog("first-" + name, self.server.port)
            template = os.path.join(DATA, "sofia-contact-no-ack", name + ".tmpl")
            if os.path.exists(template):
                with open(template, newline="") as f:
                    text = re.sub(r"\r?\n", "\r\n", f.read())
                for key, value in {"$TARGET_URI": dialog.uri, "$LOCAL_IP": dialog.peer.ip, "$LOCAL_PORT": str(dialog.peer.port),
                                   "$BRANCH": dialog.name, "$CALL_ID": f"{dialog.name}-{dialog.me}"}.items():
                    text = text.replace(key, value)
                body = text.partition("\r\n\r\n")[2]
                dialog.peer.send(text.replace("$CONTENT_LENGTH", str(len(body))).encode())
            else:
                dialog.request("INVITE", 1, contact)
            status, _ = dialog.peer.final(f"{name}: an answer to the INVITE")
            self.assertEqual(status, 200 if name in ACCEPTED else 400, name)
            if status == 200:
                answered.add(f"{dialog.name}-{dialog.me}")
        # Within a call that began well.
        for name, contact in CONTACTS.items():
            dialog = Dialog("again-" + name, self.server.port)
            dialog.request("INVITE", 1, f"<sip:caller@{dialog.me}>")
            status, text = dialog.peer.final(f"{name}: an answer to the first INVITE")
            self.assertEqual(status, 200, name)
            answered.add(f"{dialog.name}-{dialog.me}")
            dialog.tag = ";tag=" + header(text, "To").partition("tag=")[2]
            dialog.request("ACK", 1, f"<sip:caller@{dialog.me}>", body=False)
            dialog.request("INVITE", 2, contact)
            status, _ = server.wait_for(
                lambda: [r for r in dialog.peer.replies() if r[0] >= 200 and header(r[1], "CSeq") == "2 INVITE"],
                f"{name}: an answer to the re-INVITE")[0]
            self.assertEqual(status, 200 if name in ACCEPTED else 400, name)
        # Nobody says anything any more: neither ACK nor an answer to BYE.
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.assertAlive()
            with self.assertRaises(subprocess.TimeoutExpired, msg=self.server.text()[-3000:]):
                self.server.process.wait(timeout=0.5)  # until it dies
        self.stop()
        db = sqlite3.connect(os.path.join(self.folder, "ivr.db"))
        records = db.execute("SELECT sip_call_id, count(*) FROM calls WHERE answered > 0 GROUP BY sip_call_id").fetchall()
        still = db.execute("SELECT count(*) FROM calls WHERE ended = 0 OR status = 'in_progress'").fetchone()[0]
        causes = db.execute("SELECT cause, count(*) FROM calls GROUP BY cause").fetchall()
        db.close()
        print(len(answered), "calls answered, causes:", causes)
        self.assertEqual({c for c, _ in records}, answered)
        self.assertTrue(all(n == 1 for _, n in records), records)
        self.assertEqual(still, 0)

    def test_torture_messages(self):
        sent, elsewhere = 0, []
        for rfc in ("rfc4475", "rfc5118"):
            table = os.path.join(DATA, rfc, "EXPECTED.tsv")
            if not os.path.exists(table):
                continue
            with open(table) as f:
                rows = [dict(zip(lines[0], line)) for lines in [[r.rstrip("\n").split("\t") for r in f]] for line in lines[1:]]
            for row in rows:
                with self.subTest(row["file"]):
                    with open(os.path.join(DATA, rfc, row["file"]), "rb") as f:
                        message = f.read()
                    self.start()  # some share a branch or a Call-ID: what one did must not answer the next
                    try:
                        self.torture(row, message, elsewhere)
                    finally:
                        self.server.kill()
                sent += 1
        print(f"{sent} torture messages sent;", *elsewhere, sep="\n  ")

    def torture(self, row, message, elsewhere):
        stream = row["send_over"] != "UDP"
        if row["send_over"] == "TLS":
            message = message.replace(b"SIP/2.0/TLS", b"SIP/2.0/TCP")
            elsewhere.append(f"{row['file']}: is meant for TLS, sent over TCP")
        # Without rport a reply goes to the port of the topmost Via (RFC 3261, section 18.2.2).
        via = re.search(rb"UDP\s+(?:\[[^\]]*\]|[^\s:;,]+)(?:\s*:\s*(\d+))?", message)
        port = int(via[1] or 5060) if via and not stream else 0
        peer = Peer(self.server.port, port, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
        peer.send(message)
        replies = []
        for _ in range(4):  # whatever comes has come when these are answered
            self.assertAlive()
            replies += [r for r in peer.replies() if r[0] >= 200]
            if replies and "one reply" not in row["accept_replies"]:
                break
        peer.socket.close()
        status = replies[0][0] if replies else None
        expected = re.sub(r"\(not [^)]*\)|none on TCP|TCP close|1xx", "", row["accept_replies"])
        allowed = re.findall(r"\b\dxx\b|\b\d{3}\b", expected)
        silent = "no reply" in expected or "drop" in expected
        fits = silent if status is None else str(status) in allowed or f"{status // 100}xx" in allowed
        if message.startswith(b"REGISTER") and status == 405:
            elsewhere.append(f"{row['file']}: is meant for a registrar, answered 405")
        if "Unsupported" in expected:
            self.assertIn("nothingSupportsThis", header(replies[0][1], "Unsupported"), row["file"])
        if "one reply" in expected:
            self.assertEqual(len(replies), 1, row["file"])
        self.assertTrue(fits, f"{row['file']}: {status}, not {row['accept_replies']}")


if __name__ == "__main__":
    sys.exit(unittest.main())
