"""What the system tests share: a server of their own in a folder of their own, and free ports."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

SOURCE = os.environ.get("IVR_SOURCE_DIR") or os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
IVR = os.environ.get("IVR_PROGRAM") or os.path.join(SOURCE, "build", "dev", "bin", "ivr")
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

    def __init__(self, folder, *options, port=0, rtp="20000-29999"):
        self.folder = folder
        self.log = os.path.join(folder, f"server-{time.monotonic_ns()}.log")
        self.out = open(self.log, "wb")
        command = [IVR, "serve", "--listen", "127.0.0.1", "--port", str(port), "--rtp-ports", rtp, "--db",
                   os.path.join(folder, "ivr.db"), "--recordings", os.path.join(folder, "recordings"), "--json", *options]
        self.process = subprocess.Popen(command, stdout=self.out, stderr=subprocess.STDOUT, cwd=folder)
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

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.out.close()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=60)
        self.out.close()
        return code


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
