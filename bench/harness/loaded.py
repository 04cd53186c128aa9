"""What the benchmarks share that load a real server with harness/ivrload: a server, its callers, and what is left of both."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HARNESS = os.path.join(ROOT, "bench", "harness")
IVR = os.environ.get("IVR_PROGRAM") or os.path.join(ROOT, "build", "release", "bin", "ivr")


def fail(text):
    sys.exit(f"{os.path.basename(sys.argv[0])}: {text}")


class Bench:
    """A folder with the load generator and its prompts; goes away with all that it has started."""

    def __init__(self):
        if not os.access(IVR, os.X_OK):
            fail(f"no {IVR}; cmake --preset release && cmake --build --preset release --target ivr_program")
        self.folder = tempfile.mkdtemp(prefix="ivr-bench-")
        self.started = []
        self.load = self.build("g++", "-std=c++17", "-w", source="ivrload.cpp", made="ivrload")
        subprocess.run([sys.executable, os.path.join(HARNESS, "gen_prompts.py"), self.folder], check=True)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def build(self, compiler, *options, source, made):
        path = os.path.join(self.folder, made)
        done = subprocess.run([compiler, "-O2", *options, "-o", path, os.path.join(HARNESS, source)], capture_output=True, text=True)
        if done.returncode != 0:
            fail(f"{source} does not build: {done.stderr.strip()[-500:]}")
        return path

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, document):
        with open(self.path(name), "w", encoding="utf-8") as file:
            json.dump(document, file)
        return self.path(name)

    def start(self, command, **options):
        process = subprocess.Popen(command, cwd=self.folder, **options)
        self.started.append(process)
        return process

    def callers(self, server, user, calls, result, *options, local="127.0.77.2", sip_port=5090, rtp_base=32768, core=None):
        """`calls` callers who dial `user`; what they measured is in the file `result` when they are done."""
        command = [self.load, "--target", f"127.0.77.1:{server.port}", "--local", local, "--sip-port", str(sip_port), "--rtp-base", str(rtp_base),
                   "--user", user, "--calls", str(calls), "--pid", str(server.process.pid), *map(str, options)]
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        return self.start(pinned + command, stdout=open(self.path(result), "w", encoding="utf-8"))

    def measured(self, result):
        try:
            with open(self.path(result), encoding="utf-8") as file:
                return json.loads(file.readline())
        except ValueError:
            fail("the callers did not measure anything: " + server_tail(self.path("log")))

    def close(self):
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self.started:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def server_tail(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().strip()[-500:]


class Server:
    """`ivr serve` on 127.0.77.1 with a database and recordings in the bench's folder."""

    def __init__(self, bench, config, *options, core=None, environment=None):
        self.bench = bench
        self.db = bench.path("data/ivr.db")
        self.log = bench.path("log")
        shutil.rmtree(bench.path("data"), ignore_errors=True)
        os.makedirs(bench.path("data"))
        command = ["taskset", "-c", str(core)] if core is not None else []
        command += [IVR, "serve", "--config", bench.write("config.json", config), "--listen", "127.0.77.1", "--port", "0", "--rtp-ports", "10000-29999",
                    "--prompts", bench.folder, "--db", self.db, "--recordings", bench.path("data/recordings"), "--drain", "1", *options]
        self.process = bench.start(command, stdout=open(self.log, "w", encoding="utf-8"), stderr=subprocess.STDOUT,
                                   env={**os.environ, **(environment or {})})
        end = time.monotonic() + 10
        while True:
            found = re.search(r"^listening on .*:(\d+)$", server_tail(self.log), re.M)
            if found:
                break
            if self.process.poll() is not None or time.monotonic() > end:
                fail("the server did not start: " + server_tail(self.log))
            time.sleep(0.05)
        self.port = int(found[1])

    def sockets(self):
        """How many it holds."""
        folder = f"/proc/{self.process.pid}/fd"
        count = 0
        for name in os.listdir(folder):
            try:
                count += os.readlink(os.path.join(folder, name)).startswith("socket:")
            except OSError:
                pass
        return count

    def memory_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            fail("the server does not end")
        if code != 0:
            fail(f"the server ended with {code}: {server_tail(self.log)}")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    version = subprocess.run([IVR, "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    return f"{model[1] if model else os.uname().machine}, {os.cpu_count()} cores, Linux {os.uname().release}; {version}"
