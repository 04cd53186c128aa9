#!/usr/bin/python3
"""Agents whose line stays open from caller to caller."""
import unittest

import phone
import server
from driven import ANN, BEEP, BRIEF, CALLER, MUSIC, OTHER, Driven, desk
from phone import Phone
from server import wait_for


class Standing(unittest.TestCase):
    """P-30: an agent whose line stays open from caller to caller."""

    def setUp(self):
        self.desk = Driven({"agents": {"dan": {"standby": True}}, "queues": {"desk": {"members": ["dan"], "retry": "100ms"}},
                            "extensions": {"2001": "plain.json", "2002": "whispered.json", "2003": "asked.json",
                                           "*49": {"standby": True}}},
                           {"plain": desk(queue="desk"), "whispered": desk(queue="desk", whisper={"file": "brief.wav"}),
                            "asked": desk(queue="desk", whisper={"file": "brief.wav"}, accept_keys="1")}, rtp="18000-18999")
        self.addCleanup(self.desk.close)
        self.ivr = self.desk.server
        self.dan = self.phone("dan", ANN)
        self.assertEqual(self.dan.call(self.ivr.uri("*49")), 200)

    def phone(self, name, hertz):
        made = Phone(user=name, audio=phone.tone(hertz))
        self.addCleanup(made.close)
        return made

    def talks(self, caller, hertz):
        wait_for(lambda: caller.hears(ANN) and self.dan.hears(hertz), f"{caller.user} and the agent hear each other")

    def heard(self, since, *hertz):
        """What the agent heard, frame by frame, as the tones it was: runs of (tone or None, frames), silence left out."""
        runs = []
        for p in self.dan.packets[since:]:
            samples = [phone.LINEAR[b] for b in p.payload]
            if max(map(abs, samples)) < 300:
                continue
            tone = next((h for h in hertz if server.power(samples, h) > 0.5), None)
            if runs and runs[-1][0] == tone:
                runs[-1][1] += 1
            else:
                runs.append([tone, 1])
        return runs

    def test_the_tone_after_a_talk_is_over_before_the_next_begins(self):
        first, second = self.phone("first", CALLER), self.phone("second", OTHER)
        self.assertEqual(first.call(self.ivr.uri("2001")), 200)
        self.talks(first, CALLER)
        self.assertEqual(second.call(self.ivr.uri("2001")), 200)
        wait_for(lambda: second.hears(MUSIC), "the second waits")
        since = len(self.dan.packets)
        first.hang_up()
        self.talks(second, OTHER)
        runs = [run for run in self.heard(since, CALLER, BEEP, OTHER) if run[1] > 1 and run[0] != CALLER]
        self.assertEqual([tone for tone, _ in runs], [BEEP, OTHER])
        self.assertGreaterEqual(runs[0][1], 9, "the tone was cut short")
        second.hang_up()

    def test_the_whisper_is_heard_whole_before_the_talk_begins(self):
        caller = self.phone("whispered", CALLER)
        since = len(self.dan.packets)
        self.assertEqual(caller.call(self.ivr.uri("2002")), 200)
        wait_for(lambda: self.dan.hears(BRIEF), "the whisper")
        wait_for(lambda: caller.hears(MUSIC), "music meanwhile")  # not in the talk
        self.talks(caller, CALLER)
        runs = [run for run in self.heard(since, BRIEF, CALLER) if run[1] > 1]
        self.assertEqual([tone for tone, _ in runs], [BRIEF, CALLER])
        self.assertGreaterEqual(runs[0][1], 48)
        caller.hang_up()

    def test_a_key_takes_the_caller_and_without_it_somebody_else_may(self):
        caller = self.phone("asked", CALLER)
        self.assertEqual(caller.call(self.ivr.uri("2003")), 200)
        for _ in range(2):
            wait_for(lambda: self.dan.hears(BRIEF), "the whisper")
            self.dan.press("9")
            wait_for(lambda: not self.dan.keys, "a key that takes nobody")
        wait_for(lambda: [e for e in self.desk.routed("offer")][1:], "the next offer")
        self.assertTrue(caller.hears(MUSIC))
        wait_for(lambda: self.dan.hears(BRIEF), "the whisper again")
        self.dan.press("1")
        self.talks(caller, CALLER)
        caller.hang_up()


if __name__ == "__main__":
    unittest.main()
