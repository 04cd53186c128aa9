#!/usr/bin/python3
"""All calls on one RTP port (`ivr serve --shared-ports`), over real SIP."""
import json
import os
import shutil
import unittest

import server
from phone import Phone, Stranger, tone
from server import Server, wait_for


class SharedPorts(unittest.TestCase):
    def setUp(self):
        self.folder = server.folder()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        for hertz in (500, 900):
            server.write_tone(os.path.join(self.folder, f"{hertz}.wav"), hertz, 30.0)
        for name, hertz in (("low", 500), ("high", 900)):
            self.write(f"{name}.json", {"ivr": 1, "id": name, "start": "ask", "on_error": "bye", "nodes": {
                "ask": {"type": "menu", "say": {"file": f"{hertz}.wav"}, "tries": 1, "timeout": "60s",
                        "keys": {"1": "low", "2": "high"}, "invalid": "bye", "no_input": "bye"},
                "low": {"type": "play", "say": {"file": "500.wav"}, "loops": 0, "next": "bye"},
                "high": {"type": "play", "say": {"file": "900.wav"}, "loops": 0, "next": "bye"},
                "bye": {"type": "hangup"}}})

    def write(self, name, document):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            json.dump(document, f)
        return path

    def serve(self, *options):
        ivr = Server(self.folder, "--shared-ports", "--prompts", self.folder, "--flow", "1=" + os.path.join(self.folder, "low.json"),
                     "--flow", "2=" + os.path.join(self.folder, "high.json"), *options, rtp="14000-14499").ready()
        self.addCleanup(ivr.stop)
        return ivr

    def phone(self, *args, **how):
        made = Phone(*args, **how)
        self.addCleanup(made.close)
        return made

    def test_calls_at_once_share_a_port_and_are_never_mixed(self):
        ivr = self.serve("--media-threads", "1")
        callers = [self.phone(user=f"c{i}", audio=tone(300)) for i in range(6)]
        for i, caller in enumerate(callers):
            self.assertEqual(caller.call(ivr.uri(1 + i % 2)), 200)
        self.assertEqual(len({caller.remote for caller in callers}), 1)
        for i, caller in enumerate(callers):
            wait_for(lambda c=caller, hz=(500, 900)[i % 2]: c.hears(hz), "its own prompt")
        # Each second one presses the key of the other tone, and he alone hears it.
        for i in (0, 2, 4):
            callers[i].press("2")
        for i, caller in enumerate(callers):
            wait_for(lambda c=caller: c.hears(900), "the other prompt")
        stranger = Stranger()
        self.addCleanup(stranger.close)
        stranger.press(callers[1].remote, "1", 1, 1, callers[1].ssrc)
        # Who hangs up leaves the others as they are, and his port may call again.
        callers[0].hang_up()
        callers[1].press("1")
        wait_for(lambda: callers[1].hears(500), "the prompt of its key")
        for i in (2, 3, 4, 5):
            self.assertTrue(callers[i].hears(900), i)
        self.assertEqual(callers[5].hold(), 200)
        self.assertEqual(callers[5].hold(False), 200)
        for caller in callers[1:]:
            caller.hang_up()
        for i, keys in enumerate(("2", "1", "2", "", "2", "")):
            self.assertEqual("".join(e["digit"] for e in ivr.call_by(f"c{i}").of("pressed")), keys, i)
        ivr.stop()
        numbers = ivr.of("shared_ports")[0]
        self.assertGreaterEqual(numbers["strangers"], stranger.sent)
        self.assertEqual((numbers["unread"], numbers["unsent"]), (0, 0))

    def test_a_transfer_connects_two_threads(self):
        desk = self.phone(user="desk", audio=tone(700))
        self.write("far.json", {"ivr": 1, "id": "far", "start": "to", "on_error": "bye", "nodes": {
            "to": {"type": "transfer", "to": desk.uri, "next": "bye", "failed": "bye"}, "bye": {"type": "hangup"}}})
        ivr = self.serve("--media-threads", "2", "--flow", "3=" + os.path.join(self.folder, "far.json"))
        caller = self.phone(user="caller", audio=tone(1100))
        self.assertEqual(caller.call(ivr.uri(3)), 200)
        wait_for(lambda: caller.hears(700) and desk.hears(1100), "both sides of the bridge")
        self.assertNotEqual(caller.remote[1], desk.remote[1])
        caller.hang_up()
        wait_for(lambda: desk.over, "the end at the desk")


if __name__ == "__main__":
    unittest.main()
