"""Other people's SIP programs call: SIPp's built-in callers, sipsak, and baresip with a WAV and keys."""
import json
import os
import shutil
import socket
import subprocess
import unittest

import server
from server import wait_for

CALLER_HERTZ, PROMPT_HERTZ = 400, 1000

FLOWS = {
    "keys": {"ivr": 1, "id": "keys", "start": "ask", "on_error": "bye", "nodes": {
        "ask": {"type": "gather", "min": 1, "max": 10, "into": "typed", "say": {"file": "tone.wav"}, "timeout": "30s",
                "next": "after", "invalid": "bye", "no_input": "bye"},
        "after": {"type": "play", "say": {"file": "tone.wav"}, "next": "bye"}, "bye": {"type": "hangup"}}},
    "wait": {"ivr": 1, "id": "wait", "start": "wait", "nodes": {
        "wait": {"type": "wait", "duration": "60s", "next": "bye"}, "bye": {"type": "hangup"}}},
}


class Baresip:
    """A baresip with a configuration of its own, driven by its ctrl_tcp module."""

    def __init__(self, folder, source, codec="pcmu/8000/1"):
        os.makedirs(folder)
        control = socket.socket()
        control.bind(("127.0.0.1", 0))
        port = control.getsockname()[1]
        control.close()
        with open(os.path.join(folder, "config"), "w") as f:
            f.write("module_path /usr/lib/baresip/modules\nsip_listen 127.0.0.1:0\nnet_interface 127.0.0.1\n"
                    f"audio_source aufile,{source}\nctrl_tcp_listen 127.0.0.1:{port}\n"
                    + "".join(f"module {m}.so\n" for m in ("g711", "aufile"))
                    + "".join(f"module_app {m}.so\n" for m in ("account", "menu", "ctrl_tcp")))
        with open(os.path.join(folder, "accounts"), "w") as f:
            f.write(f"<sip:baresip@127.0.0.1>;regint=0;audio_codecs={codec}\n")
        open(os.path.join(folder, "contacts"), "w").close()
        self.log = open(os.path.join(folder, "log"), "w+")
        self.process = subprocess.Popen(["baresip", "-4", "-f", folder, "-t", "60"], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=subprocess.STDOUT)

        def connect():
            if self.process.poll() is not None:
                raise AssertionError("baresip ended: " + self.said())
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=30)
            except ConnectionRefusedError:
                return None
        self.control = wait_for(connect, "baresip's control port")
        self.read = b""

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def command(self, name, parameters=""):
        text = json.dumps({"command": name, "params": parameters}).encode()
        self.control.sendall(b"%d:%s," % (len(text), text))  # a netstring

    def until(self, kind):
        """Reads its events until one of that type has come."""
        while True:
            length, colon, rest = self.read.partition(b":")
            if colon and len(rest) > int(length):
                event = json.loads(rest[:int(length)])
                self.read = rest[int(length) + 1:]
                if event.get("type") == kind:
                    return event
                continue
            more = self.control.recv(65536)
            if not more:
                raise AssertionError(f"baresip ended before {kind}: {self.said()}")
            self.read += more

    def stop(self):
        self.control.close()
        self.process.kill()
        self.process.wait()
        self.log.close()


class Interop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for program in ("sipp", "sipsak", "baresip"):
            if not shutil.which(program):
                raise AssertionError(f"{program} is not installed: tools/setup --test installs it")
        cls.folder = server.folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        server.write_tone(os.path.join(cls.folder, "tone.wav"), PROMPT_HERTZ, 2.0)
        flows = []
        for name, flow in FLOWS.items():
            path = os.path.join(cls.folder, name + ".json")
            with open(path, "w") as f:
                json.dump(flow, f)
            flows += ["--flow", f"{name}={path}"]
        flows += ["--flow", "*=" + os.path.join(cls.folder, "wait.json")]
        cls.server = server.Server(cls.folder, *flows, "--prompts", cls.folder, "--record", rtp="15000-15999").ready()
        cls.addClassCleanup(cls.server.kill)

    def sipp(self, *options, calls=20):
        folder = server.folder()
        self.addCleanup(shutil.rmtree, folder)
        done = server.run("sipp", f"127.0.0.1:{self.server.port}", *options, "-m", str(calls), "-i", "127.0.0.1",
                          "-nostdin", "-timeout", "40", "-timeout_error", "-trace_err", "-error_file", "errors", cwd=folder)
        errors = os.path.join(folder, "errors")
        said = open(errors).read() if os.path.exists(errors) else ""
        self.assertEqual(done.returncode, 0, said + done.stdout[-2000:])

    def ended(self, called):
        return [e["record"] for e in self.server.of("call_ended") if e["record"]["called"] == called]

    def test_sipps_caller(self):
        self.sipp("-sn", "uac", "-s", "uac", "-r", "20", "-d", "500")
        wait_for(lambda: len(self.ended("uac")) == 20, "the end of twenty calls")
        self.assertEqual({(r["status"], r["cause"]) for r in self.ended("uac")}, {("completed", "caller")})

    def test_sipps_caller_over_tcp(self):
        self.sipp("-sn", "uac", "-s", "tcp", "-t", "t1", "-r", "20", "-d", "200")
        wait_for(lambda: len(self.ended("tcp")) == 20, "the end of twenty calls")

    def test_sipsak_asks_for_options(self):
        for _ in range(3):
            done = server.run("sipsak", "-vv", "-s", f"sip:keys@127.0.0.1:{self.server.port}", timeout=30)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("200 OK", done.stdout)
            for header in ("Allow:", "Accept:"):
                self.assertIn(header, done.stdout)

    def baresip_calls(self, name, codec):
        source = server.write_tone(os.path.join(self.folder, name + ".wav"), CALLER_HERTZ, 30)
        caller = Baresip(os.path.join(self.folder, name), source, codec)
        self.addCleanup(caller.stop)
        before = {e["call"] for e in self.server.of("call_ended")}
        caller.command("dial", self.server.uri("keys"))
        caller.until("CALL_ESTABLISHED")

        def own():
            return next((e["call"] for e in self.server.of("node_entered") if e["node"] == "ask" and e["call"] not in before), None)
        call_id = wait_for(own, "the question")
        caller.command("sndcode", "1223#")
        caller.until("CALL_CLOSED")
        call = server.Call(self.server, wait_for(
            lambda: [e for e in self.server.of("call_ended") if e["call"] == call_id], "the end of the call")[0]["call"])
        call.check(self)
        self.assertEqual((call.pressed, call.sources), ("1223#", {"rtp-event"}))
        self.assertEqual(call.record["variables"], {"typed": "1223"})
        self.assertEqual(call.visits, [("ask", "next"), ("after", "next"), ("bye", "hangup")])
        self.assertEqual((call.rtp["foreign"], call.rtp["malformed"]), (0, 0))
        left, right = server.read_wav(call.record["recording"])
        self.assertGreater(server.share(left, CALLER_HERTZ), 1.5)
        self.assertGreater(server.share(right, PROMPT_HERTZ), 1.7)

    def test_baresip_plays_a_wav_and_presses_keys(self):
        self.baresip_calls("ulaw", "pcmu/8000/1")

    def test_baresip_in_a_law(self):
        self.baresip_calls("alaw", "pcma/8000/1")


if __name__ == "__main__":
    unittest.main()
