#!/usr/bin/python3
"""What is heard on hold, and where it goes on."""
import math
import unittest

import phone
import server
from driven import BRIEF, CALLER, MUSIC, Driven
from phone import Phone
from server import wait_for


class Music(unittest.TestCase):
    """P-82: what is heard on hold goes on where it was; classes of it; and one that plays on by itself."""
    STEPS = [500 + 150 * n for n in range(12)]  # Hz, 0.4 s each

    @classmethod
    def setUpClass(cls):
        cls.ann, cls.bob = Phone(user="ann", audio=phone.tone(3000)), Phone(user="bob", audio=phone.tone(3000))
        cls.addClassCleanup(cls.ann.close)
        cls.addClassCleanup(cls.bob.close)
        cls.desk = Driven(
            {"agents": {"ann": {"uri": cls.ann.uri}, "bob": {"uri": cls.bob.uri, "music": "bobs"}},
             "music": {"default": "steps.wav", "bobs": "music.wav", "radio": {"files": ["steps.wav"], "continuous": True}},
             "queues": {"plain": {"members": ["ann"]}, "bobs": {"members": ["bob"]}, "radio": {"members": ["bob"], "music": "radio"},
                        "told": {"members": ["bob"], "announce": {"periodic": "3s", "periodic_messages": 1, "at_least": "1s"}}},
             "extensions": {"2001": "plain.json", "2002": "bobs.json", "2003": "radio.json", "2004": "told.json"}},
            {name: {"start": "desk", "on_error": "bye", "nodes": {
                "desk": {"type": "queue", "queue": name, "messages": [{"file": "brief.wav"}], "next": "bye"}, "bye": {"type": "hangup"}}}
             for name in ("plain", "bobs", "radio", "told")}, rtp="19000-19999",
            tunes={"steps": [int(8000 * math.sin(2 * math.pi * h * i / 8000)) for h in cls.STEPS for i in range(3200)]})
        cls.addClassCleanup(cls.desk.close)
        cls.ivr = cls.desk.server

    def caller(self, name, extension):
        made = Phone(user=name, audio=phone.tone(CALLER))
        self.addCleanup(made.close)
        self.assertEqual(made.call(self.ivr.uri(extension)), 200)
        return made

    def steps(self, packets):
        return [n for p in packets for n, hertz in enumerate(self.STEPS)
                if server.power([phone.LINEAR[b] for b in p.payload], hertz) > 0.6]

    def step(self, who):
        """Which step of the tune is heard; None: something else."""
        return next((n for n, hertz in enumerate(self.STEPS) if who.hears(hertz, 3)), None)

    def test_it_goes_on_where_it_was_from_hold_to_hold(self):
        caller = self.caller("goes-on", "2001")
        wait_for(lambda: caller.hears(3000), "the talk")
        self.ann.hold()
        wait_for(lambda: self.step(caller) is not None and self.step(caller) >= 3, "the fourth step")
        self.ann.hold(False)
        wait_for(lambda: caller.hears(3000), "the talk again")
        left = self.steps(caller.packets)[-1]
        since = len(caller.packets)
        self.ann.hold()
        wait_for(lambda: self.step(caller) is not None, "music again")
        self.assertIn(self.steps(caller.packets[since:])[0], (left, left + 1))
        caller.hang_up()
        wait_for(lambda: self.ann.over, "the end")

    def test_an_announcement_does_not_begin_it_anew(self):
        self.ivr.do("state", agent="bob", state="on_break")
        caller = self.caller("told", "2004")
        wait_for(lambda: caller.hears(BRIEF), "the announcement")
        before = self.steps(caller.packets)
        wait_for(lambda: self.step(caller) is not None, "music again")
        self.assertIn(self.step(caller) - before[-1], (0, 1))
        self.assertGreater(before[-1], 0)
        caller.hang_up()
        self.ivr.do("state", agent="bob", state="available")

    def test_an_agent_may_have_a_class_of_its_own(self):
        caller = self.caller("bobs", "2002")
        wait_for(lambda: caller.hears(3000), "the talk")
        self.bob.hold()
        wait_for(lambda: caller.hears(MUSIC), "the agent's music")
        caller.hang_up()
        wait_for(lambda: self.bob.over, "the end")

    def test_all_who_hear_a_continuous_class_hear_the_same(self):
        self.ivr.do("state", agent="bob", state="on_break")
        first = self.caller("radio-1", "2003")
        wait_for(lambda: self.step(first) is not None, "the radio")
        second = self.caller("radio-2", "2003")
        wait_for(lambda: self.step(first) is not None and self.step(first) == self.step(second), "the same of both")
        then = self.step(first)
        wait_for(lambda: self.step(first) not in (None, then) and self.step(first) == self.step(second), "and so it stays")
        for each in (first, second):
            each.hang_up()
        self.ivr.do("state", agent="bob", state="available")


if __name__ == "__main__":
    unittest.main()
