#!/usr/bin/python3
"""What of keys is in a recording: all, none where that is asked for, and never those of a secret (M11)."""
import glob
import json
import os
import shutil
import unittest

import phone
import server
from phone import Phone
from server import IVR, Server, run, wait_for

VOICE = 350  # Hz

# A PIN, which is read back, and then a menu.
DESK = {"ivr": 1, "id": "desk", "start": "pin", "on_error": "bye", "nodes": {
    "pin": {"type": "gather", "kind": "pin", "say": {"file": "ask.wav"}, "length": 4, "into": "pin", "timeout": "20s", "next": "back",
            "invalid": "bye", "no_input": "bye"},
    "back": {"type": "play", "say": {"digits": "{{pin}}"}, "next": "menu"},
    "menu": {"type": "menu", "say": {"file": "menu.wav"}, "timeout": "20s", "keys": {"7": "bye"}, "invalid": "bye", "no_input": "bye"},
    "bye": {"type": "hangup"}}}
# No secret at all.
PLAIN = {"ivr": 1, "id": "plain", "start": "menu", "on_error": "bye", "nodes": DESK["nodes"] | {
    "menu": {"type": "gather", "say": {"file": "menu.wav"}, "length": 4, "into": "n", "timeout": "20s", "next": "bye", "invalid": "bye", "no_input": "bye"}}}
PLAIN["nodes"] = {name: PLAIN["nodes"][name] for name in ("menu", "bye")}


class Recordings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = server.folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        for name, hertz in (("ask", 600), ("menu", 900)):
            server.write_tone(os.path.join(cls.folder, name + ".wav"), hertz, 0.6)
        for flow in (DESK, PLAIN):
            with open(os.path.join(cls.folder, flow["id"] + ".json"), "w") as f:
                json.dump(flow, f)
        with open(os.path.join(cls.folder, "config.json"), "w") as f:
            json.dump({"extensions": {"2001": {"flow": "desk.json", "record": True}, "2002": {"flow": "plain.json", "record": True},
                                      "2003": {"flow": "plain.json", "record": True, "record_digits": False}}}, f)
        cls.ivr = Server(cls.folder, "--config", os.path.join(cls.folder, "config.json"), "--prompts", cls.folder, rtp="23000-23499").ready()
        cls.addClassCleanup(cls.ivr.kill)

    def call(self, extension, user, presses):
        """A caller whose keys are tones: presses each when the tone of that file is heard. Both sides of the recording."""
        with Phone(user=user, audio=phone.tone(VOICE), events=False) as caller:
            self.assertEqual(caller.call(self.ivr.uri(extension)), 200)
            for hertz, keys in presses:
                wait_for(lambda: caller.hears(hertz), f"{hertz} Hz")
                caller.dial(keys)
            wait_for(lambda: caller.over, "the end")
        call = self.ivr.call_by(user)
        self.assertEqual(call.sources, {"inband"})
        call.check(self)
        return call, server.read_wav(call.record["recording"])

    def keys(self, samples):
        """What a detector finds."""
        path = server.write_wav(os.path.join(self.folder, "side.wav"), samples)
        found = run(IVR, "dtmf", path, "--json")
        self.assertEqual(found.returncode, 0, found.stderr)
        return "".join(json.loads(line)["digit"] for line in found.stdout.splitlines() if line.startswith("{") and "digit" in json.loads(line))

    def voice(self, samples):
        """How many frames are the caller's voice and nothing else."""
        return sum(server.power(samples[i:i + 160], VOICE) > 0.9 for i in range(0, len(samples) - 160, 160))

    def test_m11_a_secret_is_in_no_recording_neither_its_tones_nor_what_reads_it_back(self):
        call, (heard, sent) = self.call("2001", "secretive", [(600, "4938"), (900, "7")])
        self.assertEqual(call.path, ["pin", "back", "menu", "bye"])
        self.assertEqual(self.keys(heard).strip("7"), "", "the PIN's tones are there")
        self.assertGreater(self.voice(heard), 20)
        # Between the question and the menu somebody speaks the PIN: silence.
        frames = [heard_there > 50 for heard_there in server.levels(sent)]
        self.assertTrue(any(frames), "neither is there what was no secret")
        for i in range(0, len(sent) - 160, 160):
            frame = sent[i:i + 160]
            if max(map(abs, frame)) > 50:
                self.assertTrue(server.power(frame, 600) > 0.4 or server.power(frame, 900) > 0.4, f"frame {i // 160}")

    def test_m11_keys_are_recorded_or_not_as_it_is_asked_for(self):
        for extension, there in (("2002", "1470"), ("2003", "")):
            call, (heard, _) = self.call(extension, f"caller-{extension}", [(900, "1470")])
            self.assertEqual(call.pressed, "1470")
            self.assertEqual(self.keys(heard), there)
            self.assertGreater(self.voice(heard), 5)
            self.assertEqual(len(glob.glob(os.path.join(self.folder, "recordings", "**", call.id + "*.wav"), recursive=True)), 1)


if __name__ == "__main__":
    unittest.main()
