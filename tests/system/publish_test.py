"""A server takes what is published for its next call, while calls in progress stay on their version; replay tells of both."""
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import unittest

import server

FIRST = {
    "ivr": 1, "id": "desk", "start": "menu", "on_error": "bye",
    "nodes": {
        "menu": {"type": "menu", "say": [{"tone": "beep", "length": "200ms"}], "timeout": "60s", "tries": 2,
                 "keys": {"1": "news", "2": "pin", "9": "bye"}, "invalid": "bye", "no_input": "bye"},
        "news": {"type": "play", "say": [{"tone": "beep", "length": "200ms"}], "next": "menu"},
        "pin": {"type": "gather", "say": [{"silence": "100ms"}], "into": "pin", "min": 4, "max": 4, "sensitive": True,
                "timeout": "20s", "next": "menu", "invalid": "bye", "no_input": "bye"},
        "bye": {"type": "hangup"}}}


def second():
    """1 leads on to an advertisement."""
    flow = json.loads(json.dumps(FIRST))
    flow["nodes"]["news"]["next"] = "advertisement"
    flow["nodes"]["advertisement"] = {"type": "play", "say": [{"tone": "beep", "length": "300ms"}], "next": "menu"}
    return flow


class Publishing(unittest.TestCase):
    def setUp(self):
        self.folder = server.folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.db = os.path.join(self.folder, "ivr.db")
        self.first, self.second = self.write("first", FIRST), self.write("second", second())

    def write(self, name, flow):
        path = os.path.join(self.folder, name + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(flow, file)
        return path

    def start(self, *options):
        self.server = server.Server(self.folder, *options, rtp="11000-11999").ready()
        self.addCleanup(self.server.kill)

    def ivr(self, *arguments, code=0):
        done = server.run(server.IVR, *arguments)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def call(self, caller, do):
        """A whole call: its record."""
        robot = server.call(self.server.uri("2001"), do, "--from", f"sip:{caller}@127.0.0.1")
        self.assertTrue(robot["answered"], robot)
        call = self.server.call_by(caller)
        call.check(self)
        return call

    def begin(self, caller, do):
        """A call that goes on: it waits in the menu."""
        process = subprocess.Popen([server.IVR, "call", self.server.uri("2001"), "--do", do, "--json", "--from", f"sip:{caller}@127.0.0.1"],
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        server.wait_for(lambda: [e for e in self.server.of("node_entered") if e.get("node") == "menu" and e["call"] in self.calls_of(caller)],
                        f"'{caller}' in the menu")
        return process

    def calls_of(self, caller):
        return [e["call"] for e in self.server.of("call_started") if caller in json.dumps(e)]

    def published(self, version, before):
        """Waits until the server has told that this version is live, in one more line than before."""
        def look():
            told = self.server.of("published")
            return len(told) > before and told[-1]["live"][0]["version"] == version
        server.wait_for(look, f"version {version} in the server")

    def test_a_version_is_published_and_rolled_back_under_a_call(self):
        self.start("--flow", f"2001={self.first}")
        one = self.call("one", "expect-audio; press 1; wait 600ms; press 9; listen")
        self.assertEqual(one.path, ["menu", "news", "menu", "bye"])
        held = self.begin("held", "wait 120s")
        # The recorded call has another way to the same end: that is no other outcome.
        said = self.ivr("publish", self.second, "--db", self.db, "--max-changed", "0%", "--comment", "ads")
        self.assertIn("another way to the same", said)
        self.assertIn("after news (next): menu, now advertisement", said)
        self.assertIn("published: flow desk, version 2", said)
        self.published(2, 0)
        two = self.call("two", "expect-audio; press 1; wait 1200ms; press 9; listen")
        self.assertEqual(two.path, ["menu", "news", "advertisement", "menu", "bye"])
        server.wait_for(lambda: "(1 call in progress)" in self.ivr("versions", "--db", self.db), "the call in progress in the list of versions")
        # What was live before is version 1, and new calls go back to it.
        later = self.begin("later", "wait 120s")
        self.ivr("rollback", "desk", "--db", self.db)
        self.published(1, 1)
        three = self.call("three", "expect-audio; press 1; wait 600ms; press 9; listen")
        self.assertEqual(three.path, ["menu", "news", "menu", "bye"])
        self.assertNotEqual(one.record["flow_digest"], two.record["flow_digest"])
        self.assertEqual(one.record["flow_digest"], three.record["flow_digest"])
        # Each call in progress is still there, and ends on the version that it began on.
        self.assertEqual((held.poll(), later.poll()), (None, None))
        def in_progress():
            with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as db:
                found = dict(db.execute("SELECT caller, flow_digest FROM calls WHERE status = 'in_progress'"))
            db.close()
            return found
        server.wait_for(lambda: in_progress() == {"held": one.record["flow_digest"], "later": two.record["flow_digest"]}, "both calls in progress, each on its version")
        for process in (held, later):
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
        for caller in ("held", "later"):
            call = self.server.call_by(caller)
            call.check(self)
            self.assertEqual(call.visits[-1], ("menu", "hangup"))
        self.assertEqual(json.loads(self.ivr("replay", "--db", self.db, "--all", "--json"))["same"], 5)

    def test_a_share_of_the_callers_has_the_new_version(self):
        self.start("--flow", f"2001={self.first}")
        self.call("before", "expect-audio; press 9; listen")
        self.assertIn("version 2 for 50 %", self.ivr("publish", self.second, "--db", self.db, "--share", "50%"))
        self.published(2, 0)
        with_new = {}
        for caller in ("anna", "berta", "carl", "dora", "emil", "fritz"):
            call = self.call(caller, "expect-audio; press 1; wait 1200ms; press 9; listen")
            with_new[caller] = "advertisement" in call.path
        self.assertEqual(with_new, {caller: place(caller) < 5000 for caller in with_new})
        self.assertEqual(len(set(with_new.values())), 2)

    def test_what_changes_too_many_calls_is_refused(self):
        self.start("--flow", f"2001={self.first}")
        self.call("one", "expect-audio; press 2; wait 300ms; press 4711; wait 300ms; press 9; listen")
        changed = second()
        changed["nodes"]["sorry"] = {"type": "hangup", "reason": "trouble"}
        changed["nodes"]["menu"]["keys"]["9"] = "sorry"
        path = self.write("changed", changed)
        said = self.ivr("publish", path, "--db", self.db, code=1)
        self.assertIn("refused: 100.0 % of the calls", said)
        self.assertIn("after menu (9): bye, now sorry", said)
        result = json.loads(self.ivr("publish", path, "--db", self.db, "--json", "--dry-run", "--max-changed", "100%"))
        self.assertEqual((result["calls"], result["outcome"], result["published"]), (1, 1, False))
        self.assertEqual(result["groups"][0]["after"], "hung up at sorry (trouble)")
        self.assertIn("nothing has been published", self.ivr("versions", "--db", self.db))
        # The same of this one call, node by node, without the secret.
        said = self.ivr("replay", "--db", self.db, "last", "--diff", path, code=1)
        self.assertIn("- bye (hangup) -> hangup", said)
        self.assertIn("+ sorry (hangup) -> hangup", said)
        steps = self.ivr("replay", "--db", self.db, "last", "--step")
        self.assertIn("pressed  ????", steps)
        self.assertIn("set      pin = ***", steps)
        self.assertNotIn("4711", steps)
        log = os.path.join(self.folder, "log.jsonl")
        with open(log, "w", encoding="utf-8") as file:
            file.write(server.run(server.IVR, "log", "--db", self.db, "last", "--json").stdout)
        self.assertEqual(self.ivr("replay", log, "--step"), steps)
        self.ivr("replay", log, "--flow", self.first, "--diff", self.first)
        self.ivr("publish", path, "--db", self.db, "--against", log, "--from", self.first, code=1)
        self.ivr("publish", path, "--db", self.db, "--unseen")
        self.published(2, 0)

    def test_a_published_flow_needs_no_file_and_goes_before_one(self):
        refused = server.run(server.IVR, "serve", "--flow", "2001=@desk", "--db", self.db, "--port", "0")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("flow 'desk' was never published", refused.stderr)
        self.ivr("publish", self.second, "--db", self.db)
        self.start("--flow", "2001=@desk", "--flow", f"2002={self.first}")
        for extension in ("2001", "2002"):
            robot = server.call(self.server.uri(extension), "expect-audio; press 1; wait 1200ms; press 9; listen", "--from", f"sip:to{extension}@127.0.0.1")
            self.assertTrue(robot["answered"], robot)
            self.assertIn("advertisement", self.server.call_by("to" + extension).path)


def place(caller):
    return int(hashlib.sha256(f"desk\n{caller}".encode()).hexdigest()[:16], 16) % 10000


if __name__ == "__main__":
    unittest.main()
