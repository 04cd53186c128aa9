"""What the system tests share: a server of their own in a folder of their own, and free ports."""
import json
import math
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import wave

SOURCE = os.environ.get("IVR_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IVR = os.environ.get("IVR_PROGRAM") or os.path.join(SOURCE, "build", "dev", "bin", "ivr")
DRIVER = os.environ.get("IVR_DRIVER") or os.path.join(SOURCE, "build", "dev", "bin", "driver")
FLOWS = os.path.join(SOURCE, "examples", "flows")


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, what, seconds=20.0):
    """Polls until condition() is true; the only waiting these tests do."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


class Server:
    """`ivr serve --json` with its output read line by line from a file."""

    def __init__(self, folder, *options, port=0, rtp="20000-29999", program=IVR):
        self.folder = folder
        self.log = os.path.join(folder, f"server-{time.monotonic_ns()}.log")
        self.out = open(self.log, "wb")
        self.db = os.path.join(folder, "ivr.db")
        command = [program, "serve", "--listen", "127.0.0.1", "--port", str(port), "--rtp-ports", rtp, "--db", self.db,
                   "--recordings", os.path.join(folder, "recordings"), "--json", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.out, stderr=subprocess.STDOUT, cwd=folder)
        self.port = None

    def ready(self):
        def look():
            if self.process.poll() is not None:
                raise AssertionError("the server ended: " + self.text())
            for event in self.events():
                if event.get("event") == "listening":
                    self.port = event["port"]
                    return True
            return False
        wait_for(look, "listening")
        return self

    def text(self):
        with open(self.log, "rb") as f:
            return f.read().decode(errors="replace")

    def events(self):
        for line in self.text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                pass  # a line that is still being written

    def of(self, kind):
        return [e for e in self.events() if e.get("event") == kind]

    def uri(self, extension, more=""):
        return f"sip:{extension}@127.0.0.1:{self.port}{more}"

    def call_by(self, caller, seconds=60.0):
        """What the server says about the call of that caller (a From user of its own), once the call is over."""
        def look():
            return [e for e in self.of("call_ended") if e["record"]["caller"] == caller and e["record"]["direction"] == "inbound"]
        return Call(self, wait_for(look, f"the end of the call by '{caller}'", seconds)[0]["call"])

    def do(self, what, **how):
        """Has the driver do something: what came of it, or an AssertionError with the reason."""
        before = len(self.of("did"))
        self.process.stdin.write(json.dumps({"do": what, **how}).encode() + b"\n")
        self.process.stdin.flush()
        did = wait_for(lambda: self.of("did")[before:], f"the answer to '{what}'")[0]
        if not did["ok"]:
            raise AssertionError(f"{what} {how}: {did['error']}")
        return did["value"]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.ended()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.ended()

    def ended(self):
        code = self.process.wait(timeout=60)
        self.process.stdin.close()
        self.out.close()
        return code


class Call:
    """One call as the server tells of it, in its events and in its database."""

    def __init__(self, server, call_id):
        self.server = server
        self.id = call_id
        self.events = [e for e in server.events() if e.get("call") == call_id]
        self.record = self.of("call_ended")[0]["record"]
        self.rtp = self.of("call_ended")[0]["rtp"]

    def of(self, kind):
        return [e for e in self.events if e["event"] == kind]

    @property
    def visits(self):
        """[(node, exit)] in order."""
        return [(e["node"], e["exit"]) for e in self.of("node_left")]

    @property
    def path(self):
        return [node for node, _ in self.visits]

    @property
    def said(self):
        return [e["text"] for e in self.of("said")]

    @property
    def pressed(self):
        return "".join(e["digit"] for e in self.of("pressed"))

    @property
    def sources(self):
        return {e["source"] for e in self.of("pressed")}

    def rows(self, query):
        """Rows of the database for this call's id, the query's one parameter."""
        with sqlite3.connect(f"file:{self.server.db}?mode=ro", uri=True) as db:
            rows = db.execute(query, (self.id,)).fetchall()
        db.close()
        return rows

    def check(self, test):
        """What holds for every call: events, record, log and visits agree, and a replay says every command the same."""
        wait_for(lambda: self.rows("SELECT 1 FROM calls WHERE id = ? AND ended > 0"), "the end in the database")
        for name in ("status", "cause", "flow", "flow_digest", "language", "caller", "called"):
            kept, = self.rows(f"SELECT {name} FROM calls WHERE id = ?")[0]
            test.assertEqual(kept, self.record[name], name)
        test.assertEqual(self.rows("SELECT node, exit FROM node_visits WHERE call = ? ORDER BY sequence"), self.visits)
        first, last, count = self.rows("SELECT min(sequence), max(sequence), count(*) FROM call_events WHERE call = ?")[0]
        test.assertEqual((first, last), (0, count - 1), "the event log has a gap")
        log = run(IVR, "log", "--db", self.server.db, self.id, "--json")
        test.assertEqual(log.returncode, 0, log.stderr)
        test.assertEqual(len(log.stdout.splitlines()), count)
        replay = run(IVR, "replay", "--db", self.server.db, self.id, "--json")
        test.assertEqual(replay.returncode, 0, replay.stdout + replay.stderr)
        test.assertEqual(json.loads(replay.stdout)["steps"], count)


class BalanceService:
    """examples/balance_service on a port of its own."""

    def __init__(self, *options):
        program = os.path.join(SOURCE, "examples", "balance_service", "balance_service.py")
        self.process = subprocess.Popen([sys.executable, program, "--port", "0", *options], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def call(uri, do, *options, timeout=90):
    """`ivr call --json`: its result, or an AssertionError with what it printed."""
    done = subprocess.run([IVR, "call", uri, "--do", do, "--json", *options], capture_output=True, timeout=timeout)
    try:
        return json.loads(done.stdout.decode().splitlines()[-1])
    except (ValueError, IndexError):
        raise AssertionError(f"ivr call {uri}: {done.stdout.decode()} {done.stderr.decode()}")


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=options.pop("timeout", 60), **options)


def folder():
    return tempfile.mkdtemp(prefix="ivr-test-")


def write_wav(path, samples, rate=8000):
    """16 bits, one channel."""
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return path


def write_tone(path, hertz, seconds, amplitude=8000, rate=8000):
    """A WAV of one tone (or of the sum of several: a list of hertz)."""
    tones = hertz if isinstance(hertz, (list, tuple)) else [hertz]
    samples = [int(amplitude * sum(math.sin(2 * math.pi * f * i / rate) for f in tones)) for i in range(int(seconds * rate))]
    return write_wav(path, samples, rate)


def read_wav(path):
    """The channels of a 16-bit 8 kHz WAV: a list of samples each."""
    with wave.open(path, "rb") as w:
        assert (w.getframerate(), w.getsampwidth()) == (8000, 2), w.getparams()
        channels = w.getnchannels()
        samples = struct.unpack(f"<{w.getnframes() * channels}h", w.readframes(w.getnframes()))
    return [samples[c::channels] for c in range(channels)]


def levels(samples, frame=160):
    """Mean |sample| of each 20 ms."""
    return [sum(map(abs, samples[i:i + frame])) / frame for i in range(0, len(samples) - frame + 1, frame)]


def power(samples, hertz, rate=8000):
    """The share of the samples' power that is at that frequency (Goertzel): 1 for a pure tone."""
    total = sum(s * s for s in samples)
    if total == 0:
        return 0.0
    k = 2 * math.cos(2 * math.pi * hertz / rate)
    a = b = 0.0
    for s in samples:
        a, b = s + k * a - b, a
    return 2 * (a * a + b * b - k * a * b) / (len(samples) * total)


def share(samples, hertz, frame=800):
    """Seconds in which that frequency is most of what is heard, in steps of 0.1 s."""
    return sum(0.1 for i in range(0, len(samples) - frame + 1, frame)
               if max(map(abs, samples[i:i + frame])) > 300 and power(samples[i:i + frame], hertz) > 0.6)
