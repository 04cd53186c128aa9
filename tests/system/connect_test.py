#!/usr/bin/python3
"""Parties whom the application brings together, and numbers that are hidden from each other."""
import time
import unittest
import urllib.parse

import phone
from driven import BOSS, CALLER, OTHER, Driven
from phone import Phone
from server import wait_for


class Connected(unittest.TestCase):
    """Two parties whom the application brings together, and who need not know of each other."""

    def setUp(self):
        self.one, self.other = Phone(user="one", audio=phone.tone(CALLER), policy="ring"), Phone(user="+4930222", audio=phone.tone(OTHER))
        self.addCleanup(self.one.close)
        self.addCleanup(self.other.close)

    def driven(self, *options):
        made = Driven({}, {}, *options, rtp="16000-16999")
        self.addCleanup(made.close)
        return made

    def heard(self, one, other):
        wait_for(lambda: one.hears(OTHER) and other.hears(CALLER), "both hear each other")

    def test_s2_17_the_agent_first_then_the_customer(self):
        ivr = self.driven().server
        ivr.do("connect", first=self.one.uri, second=self.other.uri, shown="+49800")
        wait_for(lambda: "INVITE" in self.one.requests, "the agent's telephone rings")
        wait_for(lambda: self.one.invited, "the INVITE")
        self.assertEqual(self.other.requests, [])
        self.one.answer()
        self.heard(self.one, self.other)
        for who in (self.one, self.other):
            self.assertIn("sip:+49800@", who.invited["from"])
        self.other.hang_up()
        wait_for(lambda: self.one.over, "the end of the agent's call")

    def connected(self, policy):
        """The agent and the customer talk; and somebody to whom the agent may send the customer on."""
        boss = Phone(user="boss", audio=phone.tone(BOSS), policy=policy)
        self.addCleanup(boss.close)
        self.one.policy = "answer"
        ivr = self.driven().server
        ivr.do("connect", first=self.one.uri, second=self.other.uri, shown="+49800")
        wait_for(lambda: self.one.invited and self.other.invited, "both are called")
        self.heard(self.one, self.other)
        return ivr, boss

    def rings_for(self, who, boss):
        """`who` refers the other to the boss, whose telephone rings and shows the customer's number."""
        self.assertEqual(who.refer(boss.uri), 202)
        wait_for(lambda: 180 in who.progress, "the NOTIFY that it rings")
        self.assertIn("sip:+49800@", boss.invited["from"])

    def test_p35_the_first_sends_the_second_on(self):
        ivr, boss = self.connected("ring")
        self.rings_for(self.one, boss)
        self.heard(self.one, self.other)
        boss.answer()
        wait_for(lambda: 200 in self.one.progress, "the NOTIFY that it is done")
        wait_for(lambda: self.one.over, "the end of the agent's call")
        wait_for(lambda: boss.hears(OTHER) and self.other.hears(BOSS), "both hear each other")
        boss.hang_up()
        wait_for(lambda: self.other.over, "the end")
        wait_for(lambda: len(ivr.of("call_ended")) == 2, "the end of both calls")

    def test_p37_sent_on_in_vain_the_second_is_still_there(self):
        ivr, boss = self.connected(486)
        self.assertEqual(self.one.refer(boss.uri), 202)
        wait_for(lambda: 486 in self.one.progress, "the NOTIFY that it was busy")
        self.heard(self.one, self.other)
        self.other.hang_up()
        wait_for(lambda: self.one.over, "the end of the agent's call")

    def test_p35_the_second_sends_the_first_on(self):
        ivr, boss = self.connected("ring")
        self.rings_for(self.other, boss)
        self.assertFalse(self.one.over or self.other.over)
        boss.answer()
        wait_for(lambda: 200 in self.other.progress, "the NOTIFY that it is done")
        wait_for(lambda: self.other.over, "the end of the second's call")
        wait_for(lambda: boss.hears(CALLER) and self.one.hears(BOSS), "both hear each other")
        boss.hang_up()
        wait_for(lambda: self.one.over, "the end")
        wait_for(lambda: len(ivr.of("call_ended")) == 1, "the end of the one call that it was")

    def test_p35_each_of_them_sends_the_other_on_in_turn(self):
        ivr, boss = self.connected("answer")
        self.assertEqual(self.other.refer(boss.uri), 202)
        wait_for(lambda: boss.hears(CALLER) and self.one.hears(BOSS), "the first and the boss hear each other")
        wait_for(lambda: self.other.over, "the end of the second's call")
        with Phone(user="sales", audio=phone.tone(OTHER), policy="answer") as sales:
            self.assertEqual(self.one.refer(sales.uri), 202)
            wait_for(lambda: boss.hears(OTHER) and sales.hears(BOSS), "the boss and sales hear each other")
            wait_for(lambda: self.one.over, "the end of the first's call")
            sales.hang_up()
            wait_for(lambda: boss.over, "the end")
        wait_for(lambda: len(ivr.of("call_ended")) == 2, "the end of both calls")

    def test_p37_sent_on_in_vain_the_first_is_still_there(self):
        _, boss = self.connected(486)
        self.assertEqual(self.other.refer(boss.uri), 202)
        wait_for(lambda: 486 in self.other.progress, "the NOTIFY that it was busy")
        self.heard(self.one, self.other)
        self.assertEqual(self.other.refer(boss.uri), 202)  # and may try again
        wait_for(lambda: self.other.progress.count(486) == 2, "the NOTIFY that it was busy")
        self.heard(self.one, self.other)
        self.one.hang_up()
        wait_for(lambda: self.other.over, "the end of the second's call")

    def test_p35_the_first_need_not_wait_for_the_answer(self):
        for answers in (True, False):
            with self.subTest(answers=answers):
                self.setUp()
                ivr, boss = self.connected("ring")
                self.assertEqual(self.one.refer(boss.uri), 202)
                wait_for(lambda: 180 in self.one.progress, "the NOTIFY that it rings")
                self.one.hang_up()
                wait_for(lambda: ivr.of("call_ended"), "the end of the agent's call")
                self.assertFalse(self.other.over)
                if answers:
                    boss.answer()
                    wait_for(lambda: boss.hears(OTHER) and self.other.hears(BOSS), "both hear each other")
                    self.other.hang_up()
                    wait_for(lambda: boss.over, "the end")
                else:
                    self.other.hang_up()
                wait_for(lambda: len(ivr.of("call_ended")) == 2, "the end of both calls")

    def test_s2_17_no_customer_is_called_when_the_agent_does_not_answer(self):
        self.one.policy = 486
        ivr = self.driven().server
        ivr.do("connect", first=self.one.uri, second=self.other.uri)
        wait_for(lambda: ivr.of("call_ended"), "the end")
        self.assertEqual(self.other.requests, [])

    def test_s2_14_15_16_neither_number_is_shown_to_the_other_in_any_byte(self):
        real, virtual = "+966505551234", "+49800777"
        desk = self.driven("--masking-number", virtual, "--trunk", f"sip:127.0.0.1:{self.other.port}")
        ivr = desk.server
        self.assertEqual(ivr.do("mask", one=real, other=self.other.user, lifetime_ms=600_000), virtual)
        caller = Phone(user=real, audio=phone.tone(CALLER))
        self.addCleanup(caller.close)
        self.assertEqual(caller.call(ivr.uri(virtual)), 200)
        self.heard(caller, self.other)
        self.assertIn(f"sip:{virtual}@", self.other.invited["from"])
        self.assertEqual(self.other.hold(), 200)
        self.assertEqual(self.other.hold(False), 200)
        self.other.press("5")
        wait_for(lambda: not self.other.keys, "a key")
        wait_for(lambda: caller.reports and self.other.reports, "RTCP", 15)
        for who in (caller, self.other):  # strangers do not call at our expense
            self.assertEqual(who.refer("sip:premium@127.0.0.1:9"), 403)
            self.assertTrue([d for d in who.wire if d.startswith(b"SIP/2.0 403 Masked parties cannot transfer")])
        self.heard(caller, self.other)
        self.other.hang_up()
        wait_for(lambda: caller.over, "the end")
        self.hidden(caller, self.other)
        # A stranger reaches nobody by the number, and after its time neither does who could before.
        stranger = Phone(user="+15550001")
        self.addCleanup(stranger.close)
        self.assertEqual(stranger.call(ivr.uri(virtual)), 404)
        self.assertEqual(ivr.do("mask", one=real, other=self.other.user, lifetime_ms=1), virtual)

        def refused():
            late = Phone(user=real)
            try:
                return late.call(ivr.uri(virtual)) == 404
            finally:
                late.close()
        wait_for(refused, "the end of the mapping")
        self.assertEqual(ivr.do("mask", one=real, other="+15550002", lifetime_ms=600_000), virtual)  # and is used again

    def hidden(self, one, other):
        """Nothing that either was sent has the other's number in it."""
        for who, hidden in ((one, other.user), (other, one.user)):
            for spelling in (hidden, hidden.lstrip("+"), urllib.parse.quote(hidden)):
                for datagram in who.wire:
                    self.assertNotIn(spelling.encode(), datagram)
                for report, _ in who.reports:
                    self.assertNotIn(spelling.encode(), report)

    def test_s2_16_a_masked_number_that_was_told_outlives_kill_9(self):
        virtual = "+49800777"
        desk = self.driven("--masking-number", virtual, "--trunk", f"sip:127.0.0.1:{self.other.port}")
        real = [f"+96650555{n:04}" for n in range(4)]
        for n, one in enumerate(real):  # killed as soon as it has said so, each time
            self.assertEqual(desk.server.do("mask", one=one, other=f"+493022200{n}", lifetime_ms=600_000), virtual)
            desk.die_and_come_again()
        since = time.monotonic()
        short = Phone(user="+966505559999", audio=phone.tone(CALLER))
        self.addCleanup(short.close)
        self.assertEqual(desk.server.do("mask", one=short.user, other="+4930222999", lifetime_ms=5_000), virtual)
        desk.die_and_come_again()
        for n, one in enumerate(real):
            with Phone(user=one, audio=phone.tone(CALLER)) as caller:
                self.other.user = f"+493022200{n}"
                self.other.wire.clear()
                self.assertEqual(caller.call(desk.server.uri(virtual)), 200)
                self.heard(caller, self.other)
                self.assertIn(f"sip:{virtual}@", self.other.invited["from"])
                caller.hang_up()
                wait_for(lambda: self.other.over, "the end")
                self.hidden(caller, self.other)

        def refused():
            with Phone(user=short.user) as late:
                status = late.call(desk.server.uri(virtual))
                if status == 200:
                    late.hang_up()
                    wait_for(lambda: self.other.over, "the end")
                return status == 404
        wait_for(refused, "the end of the mapping")
        self.assertGreaterEqual(time.monotonic() - since, 5.0)  # and not before its time
        desk.die_and_come_again()
        self.assertTrue(refused())
        with Phone(user=real[0], audio=phone.tone(CALLER)) as caller:  # the others are there still
            self.assertEqual(caller.call(desk.server.uri(virtual)), 200)
            caller.hang_up()
            wait_for(lambda: self.other.over, "the end")

    def test_s2_15_the_mapping_works_in_reverse(self):
        mine, virtual = "+966505551234", "+49800777"
        back = Phone(user=mine, audio=phone.tone(OTHER))
        self.addCleanup(back.close)
        ivr = self.driven("--masking-number", virtual, "--trunk", f"sip:127.0.0.1:{back.port}").server
        ivr.do("mask", one=mine, other=self.other.user, lifetime_ms=600_000)
        self.other.audio = phone.tone(CALLER)
        self.assertEqual(self.other.call(ivr.uri(virtual)), 200)
        self.heard(self.other, back)
        self.assertIn(f"sip:{virtual}@", back.invited["from"])
        self.assertFalse([d for d in back.wire if self.other.user.encode() in d])
        self.other.hang_up()


if __name__ == "__main__":
    unittest.main()
