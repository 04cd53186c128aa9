"""Kills a server under load at random instants and counts: every answered call has exactly one record, all are
closed after the next start, and no event log has a gap.  IVR_KILLS (200) in all, IVR_SEED for another run."""
import multiprocessing
import os
import random
import select
import shutil
import socket
import sqlite3
import sys
import time
import unittest

import server

KILLS = int(os.environ.get("IVR_KILLS", "200"))
SEED = int(os.environ.get("IVR_SEED", "1"))
WORKERS = 4
RATE = 25.0  # calls a second and worker

FLOW = """{"ivr": 1, "id": "hold", "start": "wait", "nodes": {
  "wait": {"type": "wait", "duration": "10s", "next": "bye"}, "bye": {"type": "hangup"}}}"""


class Witness:
    """A caller in plain UDP that insists: an INVITE is sent again until a final answer comes (RFC 3261, 17.1.1)."""

    def __init__(self, port, tag):
        self.port = port
        self.tag = tag
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.me = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.calls = {}       # Call-ID -> state
        self.answered = set()
        self.other = {}
        self.number = 0

    def send(self, text):
        self.socket.sendto(text.encode(), ("127.0.0.1", self.port))

    def message(self, method, call, cseq, to_tag="", body="", uri=None, branch=None):
        uri = uri or f"sip:1@127.0.0.1:{self.port}"
        branch = branch or f"z9hG4bK{call}{method}{cseq}"
        length = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}" if body else "Content-Length: 0"
        return (f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {self.me};rport;branch={branch}\r\n"
                f"Max-Forwards: 70\r\nFrom: <sip:w@{self.me}>;tag={call}\r\n"
                f"To: <sip:1@127.0.0.1:{self.port}>{to_tag}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n"
                f"Contact: <sip:w@{self.me}>\r\n{length}\r\n\r\n{body}")

    def invite(self, now):
        self.number += 1
        call = f"{self.tag}-{self.number}"
        sdp = "v=0\r\no=w 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"
        self.calls[call] = {"state": "inviting", "text": self.message("INVITE", call, 1, body=sdp), "next": now, "gap": 0.1,
                            "tries": 0}

    def work(self, seconds):
        end = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            for call, c in list(self.calls.items()):
                if now < c["next"]:
                    continue
                if c["state"] == "up":
                    c.update(state="leaving", text=self.message("BYE", call, 2, c["to"], uri=c["contact"]), gap=0.1, tries=0)
                if c["state"] == "leaving" and c["tries"] > 8:
                    del self.calls[call]  # nobody there knows the call any more
                    continue
                self.send(c["text"])
                c["tries"] += 1
                c["next"] = now + c["gap"]
                c["gap"] = min(c["gap"] * 1.5, 0.5)
            due = min([c["next"] for c in self.calls.values()] + [end])
            ready, _, _ = select.select([self.socket], [], [], max(0.0, min(due, end) - time.monotonic()))
            if ready:
                self.receive()
            if time.monotonic() >= end:
                return

    def receive(self):
        try:
            text = self.socket.recv(65536).decode(errors="replace")
        except ConnectionRefusedError:
            return  # the server is dead at the moment
        lines = text.split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                headers.setdefault(name.strip().lower(), value.strip())
        call = headers.get("call-id", headers.get("i", ""))
        c = self.calls.get(call)
        if not lines[0].startswith("SIP/2.0"):  # a BYE of the server's
            kept = [line for line in lines if line.split(":")[0].lower() in ("via", "from", "to", "call-id", "cseq")]
            self.send("SIP/2.0 200 OK\r\n" + "\r\n".join(kept) + "\r\nContent-Length: 0\r\n\r\n")
            return
        status = int(lines[0].split()[1])
        cseq = headers.get("cseq", "")
        if cseq.endswith("INVITE") and status >= 200:
            to = ";" + headers.get("to", "").partition(";")[2]
            contact = headers.get("contact", "").partition("<")[2].partition(">")[0]
            if status < 300:
                self.send(self.message("ACK", call, 1, to, uri=contact or None))
                self.answered.add(call)
                if c and c["state"] == "inviting":
                    c.update(state="up", to=to, contact=contact, next=time.monotonic() + 0.1)
            else:
                self.send(self.message("ACK", call, 1, to, branch=f"z9hG4bK{call}INVITE1"))
                if c:
                    self.other[status] = self.other.get(status, 0) + 1
                    del self.calls[call]
        elif cseq.endswith("BYE") and c:
            del self.calls[call]


def worker(index, kills, results):
    try:
        results.put((index, run_worker(index, kills)))
    except BaseException as e:  # the parent reports it
        results.put((index, {"error": repr(e)}))


def run_worker(index, kills):
    rng = random.Random(SEED * 1000 + index)
    folder = server.folder()
    with open(os.path.join(folder, "hold.json"), "w") as f:
        f.write(FLOW)
    port = server.free_port()
    rtp = f"{20000 + index * 2000}-{21999 + index * 2000}"
    witness = Witness(port, f"w{os.getpid()}-{index}")
    options = ("--flow", "1=" + os.path.join(folder, "hold.json"), "--media-threads", "1")
    next_call = time.monotonic()
    for _ in range(kills):
        running = server.Server(folder, *options, port=port, rtp=rtp).ready()
        end = time.monotonic() + rng.uniform(0.02, 0.35)
        while time.monotonic() < end:
            now = time.monotonic()
            while next_call <= now:
                witness.invite(now)
                next_call += 1.0 / RATE
            witness.work(min(0.01, max(0.0, end - now)))
        running.kill()
        next_call = max(next_call, time.monotonic())
    # The last one serves whoever still insists, then stops in order.
    running = server.Server(folder, *options, port=port, rtp=rtp).ready()
    end = time.monotonic() + 30
    while witness.calls and time.monotonic() < end:
        witness.work(0.05)
    assert running.stop() == 0, running.text()
    db = sqlite3.connect(os.path.join(folder, "ivr.db"))
    records = db.execute("SELECT sip_call_id, count(*) FROM calls WHERE answered > 0 GROUP BY sip_call_id").fetchall()
    result = {
        "answered": len(witness.answered),
        "records": sum(n for _, n in records),
        "missing": sorted(witness.answered - {c for c, _ in records})[:5],
        "extra": sorted({c for c, _ in records} - witness.answered)[:5],
        "double": [c for c, n in records if n > 1][:5],
        "open": db.execute("SELECT count(*) FROM calls WHERE ended = 0 OR status = 'in_progress'").fetchone()[0],
        "system": db.execute("SELECT count(*) FROM calls WHERE cause = 'system'").fetchone()[0],
        "gaps": db.execute("SELECT count(*) FROM (SELECT call FROM call_events GROUP BY call "
                           "HAVING min(sequence) <> 0 OR max(sequence) + 1 <> count(*))").fetchone()[0],
        "integrity": db.execute("PRAGMA integrity_check").fetchone()[0],
        "other": witness.other,
    }
    db.close()
    witness.socket.close()
    shutil.rmtree(folder)
    return result


class KillNine(unittest.TestCase):
    def test_every_answered_call_has_exactly_one_record_whenever_the_server_dies(self):
        results = multiprocessing.Queue()
        workers = [multiprocessing.Process(target=worker, args=(i, -(-KILLS // WORKERS), results)) for i in range(WORKERS)]
        for w in workers:
            w.start()
        done = dict(results.get(timeout=600) for _ in workers)
        for w in workers:
            w.join()
        print(f"seed {SEED}, {KILLS} kills:", *done.values(), sep="\n  ")
        self.assertGreater(sum(r.get("system", 0) for r in done.values()), 0, "no kill hit a call in progress")
        for r in done.values():
            self.assertNotIn("error", r)
            self.assertGreater(r["answered"], 0)
            self.assertEqual(r["missing"], [])
            self.assertEqual(r["extra"], [])
            self.assertEqual(r["double"], [])
            self.assertEqual(r["records"], r["answered"])
            self.assertEqual(r["open"], 0)
            self.assertEqual(r["gaps"], 0)
            self.assertEqual(r["integrity"], "ok")


if __name__ == "__main__":
    sys.exit(unittest.main())
