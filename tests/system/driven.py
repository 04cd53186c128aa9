"""An engine that the test tells what to do, and the tones by which it knows who hears whom."""
import json
import os
import shutil

import server
from server import DRIVER, IVR, Server, run

CALLER, ANN, BOB, OTHER, BOSS, SALES = 400, 1500, 1000, 2000, 2500, 3000  # Hz, whose voice it is
MUSIC, BRIEF, BACK, BEEP = 700, 600, 1200, 1000  # of files, and the server's own tone


class Driven:
    """An engine that the test tells what to do, with a site made of phones."""

    def __init__(self, site, flows, *options, rtp="14000-15999", tunes=None):
        self.folder = server.folder()
        for name, document in flows.items():
            with open(os.path.join(self.folder, name + ".json"), "w") as f:
                json.dump({"ivr": 1, "id": name, **document}, f)
        for name, hertz, seconds in (("music", MUSIC, 2.0), ("brief", BRIEF, 1.0), ("back", BACK, 1.0)):
            server.write_tone(os.path.join(self.folder, name + ".wav"), hertz, seconds)
        for name, samples in (tunes or {}).items():
            server.write_wav(os.path.join(self.folder, name + ".wav"), samples)
        path = os.path.join(self.folder, "site.json")
        with open(path, "w") as f:
            json.dump({"site": 1, **site}, f)
        loaded = run(IVR, "load", path, "--db", os.path.join(self.folder, "ivr.db"))
        assert loaded.returncode == 0, loaded.stdout + loaded.stderr
        self.options, self.rtp = ("--prompts", self.folder, *options), rtp
        self.server = Server(self.folder, *self.options, rtp=rtp, program=DRIVER).ready()
        for agent in site.get("agents", {}):
            if not site["agents"][agent].get("standby"):
                self.server.do("state", agent=agent, state="available")

    def die_and_come_again(self):
        """kill -9, and a new one on the same database and port."""
        port = self.server.port
        self.server.kill()
        self.server = Server(self.folder, *self.options, port=port, rtp=self.rtp, program=DRIVER).ready()

    def routed(self, kind):
        return [e["what"] for e in self.server.of("routed") if e["what"]["type"] == kind]

    def call_of(self, caller):
        """The id of the call of that caller, who comes first of all that show his name."""
        return next(e["call"] for e in self.server.of("call_started") if e["caller"] == caller)

    def call_to(self, agent):
        """The id of the newest call to that agent."""
        return [e["call"] for e in self.server.of("call_started") if e["called"] == agent][-1]

    def close(self):
        code = self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        assert code == 0, code


def desk(**queue):
    """A queue; after the talk a question, and a tone for who comes back from a transfer that failed."""
    return {"start": "desk", "on_error": "bye", "nodes": {
        "desk": {"type": "queue", "hold": {"file": "music.wav"}, "next": "survey", "transfer_failed": "back", **queue},
        "survey": {"type": "gather", "say": {"file": "back.wav"}, "length": 1, "into": "rating", "timeout": "20s", "next": "bye",
                   "invalid": "bye", "no_input": "bye"},
        "back": {"type": "play", "say": {"file": "back.wav"}, "next": "bye"}, "bye": {"type": "hangup"}}}


def transfer(**node):
    return {"start": "to", "on_error": "bye", "nodes": {
        "to": {"type": "transfer", "next": "bye", "failed": "bye", **node}, "bye": {"type": "hangup"}}}
