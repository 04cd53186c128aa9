"""Calls that a flow connects with somebody else: who hears what, what is recorded, and every way it can fail."""
import json
import os
import shutil
import unittest

import phone
import server
from phone import Phone
from server import wait_for

CALLER_HERTZ, CALLEE_HERTZ = 400, 1500


def transfer(target, **more):
    return {"ivr": 1, "id": "transfer", "start": "connect", "on_error": "bye", "nodes": {
        "connect": {"type": "transfer", "to": target, "record": True, "ring_limit": "20s", "next": "survey", "busy": "is_busy",
                    "no_answer": "nobody", "rejected": "refused", "failed": "broken"} | more,
        "survey": {"type": "gather", "length": 1, "into": "rating", "timeout": "20s", "next": "bye", "invalid": "bye",
                   "no_input": "bye"},
        "is_busy": {"type": "hangup", "reason": "busy"}, "nobody": {"type": "hangup", "reason": "nobody"},
        "refused": {"type": "hangup", "reason": "refused"}, "broken": {"type": "hangup", "reason": "broken"},
        "bye": {"type": "hangup"}}}


class Transfers(unittest.TestCase):
    """One server; each test a caller and a callee of its own. Extension N leads to callee N."""

    @classmethod
    def setUpClass(cls):
        cls.folder = server.folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.callees = {
            "talk": Phone(user="callee", audio=phone.tone(CALLEE_HERTZ), policy="ring"),
            "alaw": Phone(user="callee", audio=phone.tone(CALLEE_HERTZ), codecs=(0, 8)),
            "other": Phone(user="callee", audio=phone.tone(CALLEE_HERTZ), codecs=(0,)),
            "busy": Phone(policy=486),
            "away": Phone(policy=480),
            "refuses": Phone(policy=603),
            "trouble": Phone(policy=500),
            "rings": Phone(policy="ring"),
            "given_up": Phone(policy="ring"),
        }
        for callee in cls.callees.values():
            cls.addClassCleanup(callee.close)
        extensions = {}
        targets = {name: callee.uri for name, callee in cls.callees.items()}
        # Nobody is there at all: by TCP the refusal comes at once.
        targets["dead"] = f"sip:nobody@127.0.0.1:{server.free_port()};transport=tcp"
        for name, target in targets.items():
            path = os.path.join(cls.folder, name + ".json")
            with open(path, "w") as f:
                json.dump(transfer(target, **({"ring_limit": "2s"} if name == "rings" else {})), f)
            extensions[name] = path
        # The same server is called by itself, with a flow that speaks.
        spoken = os.path.join(cls.folder, "spoken.json")
        server.write_tone(os.path.join(cls.folder, "tone.wav"), CALLEE_HERTZ, 3.0)
        with open(spoken, "w") as f:
            json.dump({"ivr": 1, "id": "spoken", "start": "say", "on_error": "bye", "nodes": {
                "say": {"type": "play", "say": {"file": "tone.wav"}, "next": "bye"}, "bye": {"type": "hangup"}}}, f)
        cls.far = server.Server(server.folder(), "--flow", "desk=" + spoken, "--prompts", cls.folder, rtp="13000-13499").ready()
        cls.addClassCleanup(shutil.rmtree, cls.far.folder)
        cls.addClassCleanup(cls.far.kill)
        path = os.path.join(cls.folder, "server.json")
        with open(path, "w") as f:
            json.dump(transfer(cls.far.uri("desk")), f)
        extensions["server"] = path
        config = os.path.join(cls.folder, "config.json")
        with open(config, "w") as f:
            json.dump({"extensions": extensions}, f)
        cls.server = server.Server(cls.folder, "--config", config, "--prompts", cls.folder, rtp="12000-12999").ready()
        cls.addClassCleanup(cls.server.kill)

    def caller(self, name, **options):
        made = Phone(user="to_" + name, audio=phone.tone(CALLER_HERTZ), **options)
        self.addCleanup(made.close)
        return made

    def connected(self, name, **options):
        """A caller, and the callee who talks with him by now."""
        caller, callee = self.caller(name, **options), self.callees[name]
        self.assertEqual(caller.call(self.server.uri(name)), 200)
        wait_for(lambda: callee.up, f"the answer of {name}")
        return caller, callee

    def told(self, caller):
        call = self.server.call_by(caller.user)
        call.check(self)
        return call

    def after(self, caller):
        """Behind a transfer the flow goes on: it asks, and a key answers."""
        wait_for(lambda: "survey" in [e["node"] for e in self.server.of("node_entered") if e["call"] == self.id_of(caller)],
                 "the node behind the transfer")
        caller.press("5")
        wait_for(lambda: caller.over, "the end of the call")
        call = self.told(caller)
        self.assertEqual(call.visits, [("connect", "next"), ("survey", "next"), ("bye", "hangup")])
        self.assertEqual(call.record["variables"]["rating"], "5")
        self.assertEqual(call.record["variables"]["transfer"]["cause"], "completed")
        return call

    def id_of(self, caller):
        return next(e["call"] for e in self.server.of("call_started") if e["caller"] == caller.user)

    def test_both_sides_talk_are_recorded_apart_and_the_flow_goes_on(self):
        caller, callee = self.caller("talk"), self.callees["talk"]
        self.assertEqual(caller.call(self.server.uri("talk")), 200)
        wait_for(lambda: "INVITE" in callee.requests, "the INVITE")
        # The caller hears it ring: the tone comes and goes, and nothing of it is the callee's.
        wait_for(lambda: len(caller.packets) >= 100, "two seconds of ringing")
        ringing = [phone.LINEAR[b] for p in list(caller.packets)[:100] for b in p.payload]
        self.assertGreater(sum(1 for level in server.levels(ringing) if level > 500), 20)
        self.assertEqual(server.share(ringing, CALLEE_HERTZ), 0)
        self.assertEqual(callee.packets, [])
        callee.answer()
        wait_for(lambda: len(callee.packets) >= 150, "three seconds of talk")
        caller.press("7")
        wait_for(lambda: [p for p in callee.packets if p.type == phone.EVENT_TYPE and p.payload[1] & 0x80], "the key at the callee")
        callee.hang_up()
        call = self.after(caller)
        # Each heard the other, and only him, in the other's own bytes.
        for who, other in ((caller, callee), (callee, caller)):
            heard = [p for p in who.packets if p.type == 0 and p.payload == other.audio]
            self.assertGreater(len(heard), 140)
            self.assertEqual({p.source for p in who.packets}, {who.remote})
            self.assertEqual(len({p.ssrc for p in who.packets}), 1)
        self.assertNotIn(callee.audio, [p.payload for p in callee.packets])
        steps = {(two.sequence - one.sequence) & 0xFFFF for one, two in zip(caller.packets, caller.packets[1:])}
        self.assertEqual(steps, {1})
        # The digit was the callee's: the flow took only the one behind the transfer.
        self.assertEqual(call.pressed[-1], "5")
        recorded, = call.of("recorded")
        left, right = server.read_wav(recorded["file"])
        seconds = len(left) / 8000
        self.assertGreater(seconds, 2.8)
        self.assertGreater(server.share(left, CALLER_HERTZ), seconds - 0.8)
        self.assertGreater(server.share(right, CALLEE_HERTZ), seconds - 0.8)
        self.assertEqual((server.share(left, CALLEE_HERTZ), server.share(right, CALLER_HERTZ)), (0, 0))

    def test_a_call_in_a_law_is_connected_in_a_law(self):
        caller, callee = self.connected("alaw", codecs=(8,))
        caller.audio = phone.tone_alaw(CALLER_HERTZ)
        wait_for(lambda: len(callee.packets) > 50, "talk")
        self.assertEqual({p.type for p in callee.packets}, {8})
        self.assertGreater(sum(1 for p in callee.packets if p.payload == caller.audio), 30)  # byte for byte: not transcoded
        callee.hang_up()
        self.after(caller)

    def test_a_callee_of_another_codec_is_understood(self):
        # What is a tone in one law is not that tone in the other's bytes, so it is judged by the recording's frequency.
        caller, callee = self.connected("other", codecs=(8,))
        caller.audio = phone.tone_alaw(CALLER_HERTZ)
        wait_for(lambda: len(callee.packets) > 100, "talk")
        self.assertEqual({p.type for p in callee.packets}, {0})
        heard = [phone.LINEAR[b] for p in list(callee.packets)[-50:] for b in p.payload]
        self.assertGreater(server.share(heard, CALLER_HERTZ), 0.8)
        callee.hang_up()
        self.after(caller)

    def test_the_far_side_is_another_server(self):
        caller = self.caller("server")
        self.assertEqual(caller.call(self.server.uri("server")), 200)
        call = self.after(caller)
        heard = [phone.LINEAR[b] for p in caller.packets if p.type == 0 for b in p.payload]
        self.assertGreater(server.share(heard, CALLEE_HERTZ), 2.7)
        far = self.far.call_by("to_server")  # it shows who calls
        far.check(self)
        self.assertEqual(far.record["cause"], "script")
        recorded, = call.of("recorded")
        self.assertGreater(server.share(server.read_wav(recorded["file"])[1], CALLEE_HERTZ), 2.5)

    def fails(self, name, exit_name, reason):
        caller = self.caller(name)
        self.assertEqual(caller.call(self.server.uri(name)), 200)
        wait_for(lambda: caller.over, "the end of the call")
        call = self.told(caller)
        self.assertEqual(call.visits[0], ("connect", exit_name))
        self.assertEqual(call.path[1:], [reason])
        self.assertEqual(call.of("recorded"), [])

    def test_busy(self):
        self.fails("busy", "busy", "is_busy")

    def test_away(self):
        self.fails("away", "no_answer", "nobody")

    def test_refused(self):
        self.fails("refuses", "rejected", "refused")

    def test_trouble_at_the_other_end(self):
        self.fails("trouble", "failed", "broken")

    def test_nobody_is_there(self):
        self.fails("dead", "failed", "broken")

    def test_it_rings_no_longer_than_the_limit(self):
        self.fails("rings", "no_answer", "nobody")
        callee = self.callees["rings"]
        wait_for(lambda: "ACK" in callee.requests, "the ACK of the cancelled INVITE")
        self.assertEqual([r for r in callee.requests if r != "INVITE"], ["CANCEL", "ACK"])

    def test_a_caller_who_hangs_up_while_it_rings_takes_the_invitation_back(self):
        caller, callee = self.caller("given_up"), self.callees["given_up"]
        self.assertEqual(caller.call(self.server.uri("given_up")), 200)
        wait_for(lambda: "INVITE" in callee.requests, "the INVITE")
        caller.hang_up()
        wait_for(lambda: "ACK" in callee.requests, "the ACK of the cancelled INVITE")
        self.assertEqual([r for r in callee.requests if r != "INVITE"], ["CANCEL", "ACK"])
        call = self.told(caller)
        self.assertEqual((call.visits, call.record["cause"]), ([("connect", "hangup")], "caller"))


if __name__ == "__main__":
    unittest.main()
