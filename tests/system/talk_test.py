#!/usr/bin/python3
"""What agents and applications do with a talk: send it on, ask somebody first, hold, mute, listen in. Real telephones on
sockets, each with a tone of its own, so that who hears whom is measured."""
import unittest
import urllib.parse

import phone
import server
from driven import ANN, BACK, BOB, BOSS, BRIEF, CALLER, MUSIC, OTHER, SALES, Driven, desk, transfer
from phone import Phone
from server import wait_for


class Talks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ann = Phone(user="ann", audio=phone.tone(ANN))
        cls.bob = Phone(user="bob", audio=phone.tone(BOB))
        cls.other = Phone(user="other", audio=phone.tone(OTHER), policy="ring")
        cls.sales = Phone(user="sales", audio=phone.tone(SALES))
        for each in (cls.ann, cls.bob, cls.other, cls.sales):
            cls.addClassCleanup(each.close)
        elsewhere = {"start": "to", "on_error": "bye", "nodes": {
            "to": {"type": "transfer", "mode": "refer", "to": cls.other.uri, "ring_limit": "5s", "next": "bye", "failed": "back"},
            "back": {"type": "play", "say": {"file": "back.wav"}, "next": "bye"}, "bye": {"type": "hangup"}}}
        cls.desk = Driven(
            {"agents": {"ann": {"uri": cls.ann.uri}, "bob": {"uri": cls.bob.uri}},
             "queues": {"desk": {"members": ["ann"]}, "second": {"members": ["bob"]}},
             "extensions": {"2001": "desk.json", "2002": "second.json", "2003": "direct.json", "2004": "clamped.json",
                            "2005": "elsewhere.json", "2006": "sales.json"}},
            {"desk": desk(queue="desk"), "elsewhere": elsewhere, "second": desk(queue="second"), "clamped": desk(queue="desk", pass_digits=False),
             "direct": transfer(to=cls.other.uri),
             "sales": {"start": "to", "on_error": "bye", "nodes": desk()["nodes"] | {
                 "desk": {"type": "play", "say": {"file": "back.wav"}, "next": "bye"},
                 "to": {"type": "transfer", "to": cls.sales.uri, "next": "survey", "busy": "back", "failed": "desk"}}}})
        cls.addClassCleanup(cls.desk.close)
        cls.ivr = cls.desk.server
        cls.made = []

    def tearDown(self):
        self.other.policy = "ring"
        for each in self.made:  # of a test that failed
            if each.up and not each.over:
                each.hang_up()
            each.close()
        self.made.clear()
        for each in (self.ann, self.bob, self.other, self.sales):
            if each.up and not each.over:
                each.hang_up()

    def phone(self, name, hertz, **options):
        made = Phone(user=name, audio=phone.tone(hertz), **options)
        self.made.append(made)
        return made

    def hear(self, one, hertz, other=None, back=None):
        """That tone, and nothing else, is what one hears; and what the other hears meanwhile."""
        wait_for(lambda: one.hears(hertz) and (other is None or other.hears(back)),
                 f"{one.user} hears {hertz} Hz" + (f" and {other.user} {back} Hz" if other else ""))

    def talk(self, name, extension="2001"):
        """A caller who talks with ann."""
        caller = self.phone(name, CALLER)
        self.ann.progress.clear()
        self.assertEqual(caller.call(self.ivr.uri(extension)), 200)
        self.hear(caller, ANN, self.ann, CALLER)
        return caller

    def over(self, *phones):
        for each in phones:
            wait_for(lambda: each.over, f"the end of {each.user}'s call")

    def answers_survey(self, caller):
        self.hear(caller, BACK)
        caller.press("5")
        self.over(caller)
        made = self.ivr.call_by(caller.user)
        self.assertEqual(made.record["variables"]["rating"], "5")
        return made

    # ------------------------------------------------------------------------------------ transfers

    def test_p35_an_agents_telephone_sends_the_caller_on_and_is_told_how_that_goes(self):
        caller = self.talk("blind")
        self.assertEqual(self.ann.refer(self.other.uri), 202)
        wait_for(lambda: self.ann.progress == [100, 180], "what NOTIFY tells while it rings")
        self.other.answer()
        wait_for(lambda: self.ann.progress == [100, 180, 200], "the last NOTIFY")
        self.over(self.ann)
        self.hear(caller, OTHER, self.other, CALLER)
        self.other.hang_up()
        made = self.answers_survey(caller)
        self.assertEqual(made.record["variables"]["transfer"]["cause"], "completed")
        made.check(self)

    def test_p37_a_transfer_that_fails_returns_the_caller_to_the_flow_with_its_cause(self):
        for status, cause in ((486, "busy"), (603, "rejected"), (500, "failed")):
            with self.subTest(cause):
                self.other.policy = status
                caller = self.talk("fails-" + cause)
                self.assertEqual(self.ann.refer(self.other.uri), 202)
                self.hear(caller, BACK)
                self.over(self.ann, caller)
                self.assertEqual((self.ann.progress[0], self.ann.progress[-1]), (100, status))
                made = self.ivr.call_by(caller.user)
                self.assertEqual(made.visits, [("desk", "transfer_failed"), ("back", "next"), ("bye", "hangup")])
                self.assertEqual(made.record["variables"]["transfer"]["cause"], cause)
                self.assertEqual(made.record["variables"]["transfer"]["status"], status)
                made.check(self)

    def sent_elsewhere(self, name, takes=202):
        caller = self.phone(name, CALLER)
        caller.takes_refer = takes
        self.assertEqual(caller.call(self.ivr.uri("2005")), 200)
        wait_for(lambda: caller.referred, "the REFER")
        self.assertEqual(caller.referred["refer-to"].strip("<>"), self.other.uri)
        return caller

    def test_p35_a_flow_asks_the_callers_own_telephone_to_call_elsewhere(self):
        caller = self.sent_elsewhere("refers")
        caller.notify(100, 180)
        self.assertFalse(caller.over)
        caller.notify(200)
        self.over(caller)
        made = self.ivr.call_by("refers")
        self.assertEqual(made.visits, [("to", "next"), ("bye", "hangup")])
        self.assertEqual(made.record["variables"]["transfer"]["cause"], "completed")
        made.check(self)

    def test_p37_where_that_fails_the_caller_is_back_in_the_flow_with_the_cause(self):
        for name, takes, told, cause, status in (("elsewhere-busy", 202, (100, 180, 486), "busy", 486),
                                                 ("elsewhere-refused", 405, (), "failed", 405)):
            with self.subTest(cause):
                caller = self.sent_elsewhere(name, takes)
                caller.notify(*told)
                self.hear(caller, BACK)
                self.over(caller)
                made = self.ivr.call_by(name)
                self.assertEqual(made.path, ["to", "back", "bye"])
                self.assertEqual((made.record["variables"]["transfer"]["cause"], made.record["variables"]["transfer"]["status"]),
                                 (cause, status))
                made.check(self)

    def test_who_does_not_talk_is_not_sent_on(self):
        caller = self.talk("stays")
        self.assertEqual(caller.refer(self.other.uri), 603)  # callers do not transfer agents
        self.assertEqual(self.ann.refer("tel:123"), 403)
        self.hear(caller, ANN, self.ann, CALLER)
        caller.hang_up()

    def attended(self, caller, line, with_):
        """Ann, who talks with the caller and by another line with somebody, joins the two and is gone."""
        target = f"sip:whoever@127.0.0.1:{self.ivr.port}?Replaces=" + urllib.parse.quote(line.replaces(), safe="")
        self.assertEqual(self.ann.refer(target), 202)
        wait_for(lambda: 200 in self.ann.progress, "the NOTIFY that it is done")
        self.hear(caller, with_.tone, with_, CALLER)
        self.over(self.ann, line)

    def test_p36_attended_the_other_line_is_with_an_agent_of_ours(self):
        caller, line = self.talk("attended-agent"), self.phone("ann", ANN)
        self.assertEqual(line.call(self.ivr.uri("2002")), 200)
        self.hear(line, BOB, self.bob, ANN)
        self.bob.tone = BOB
        self.attended(caller, line, self.bob)
        self.bob.hang_up()
        self.answers_survey(caller).check(self)

    def test_p36_attended_the_other_line_is_with_somebody_a_flow_has_dialled(self):
        caller, line = self.talk("attended-flow"), self.phone("ann", ANN)
        self.other.policy = "answer"
        self.assertEqual(line.call(self.ivr.uri("2003")), 200)
        self.hear(line, OTHER, self.other, ANN)
        self.other.tone = OTHER
        self.attended(caller, line, self.other)
        self.other.hang_up()
        self.answers_survey(caller).check(self)

    def test_p36_attended_the_other_line_is_not_by_us_at_all(self):
        caller, line = self.talk("attended-far"), self.phone("ann", ANN)
        self.other.policy = "answer"
        self.assertEqual(line.call(self.other.uri), 200)
        self.hear(line, OTHER, self.other, ANN)
        self.assertEqual(self.ann.refer(self.other.uri + "?Replaces=" + urllib.parse.quote(line.replaces(), safe="")), 202)
        wait_for(lambda: 200 in self.ann.progress, "the NOTIFY that it is done")
        self.hear(caller, OTHER, self.other, CALLER)
        self.assertEqual(urllib.parse.unquote(self.other.invited["replaces"]), line.replaces())
        self.over(self.ann, line)
        self.other.hang_up()
        self.answers_survey(caller).check(self)

    def test_p36_another_telephone_takes_the_place_of_the_agents_by_replaces(self):
        caller, mobile = self.talk("replaced"), self.phone("mobile", OTHER)
        status = mobile.call(self.ivr.uri("ann"), headers=f"Replaces: {self.ann.replaces()}\r\n")
        self.assertEqual(status, 200)
        self.over(self.ann)
        self.hear(caller, OTHER, mobile, CALLER)
        mobile.hang_up()
        self.answers_survey(caller).check(self)
        stranger = self.phone("stranger", OTHER)
        self.assertEqual(stranger.call(self.ivr.uri("ann"), headers="Replaces: nothing;to-tag=a;from-tag=b\r\n"), 481)

    def dialled(self, name):
        """A caller who talks with somebody whom a flow has dialled."""
        caller = self.phone(name, CALLER)
        self.sales.progress.clear()
        self.assertEqual(caller.call(self.ivr.uri("2006")), 200)
        self.hear(caller, SALES, self.sales, CALLER)
        return caller

    def test_p35_whom_a_flow_has_dialled_sends_the_caller_on_and_is_told_how_that_goes(self):
        caller = self.dialled("sent-on")
        self.assertEqual(self.sales.refer(self.other.uri), 202)
        wait_for(lambda: 180 in self.sales.progress, "the NOTIFY that it rings")
        self.assertEqual(self.other.invited["from"].partition("sip:")[2].partition("@")[0], "sent-on")
        self.other.answer()
        wait_for(lambda: 200 in self.sales.progress, "the NOTIFY that it is done")
        self.over(self.sales)
        self.hear(caller, OTHER, self.other, CALLER)
        self.other.hang_up()
        self.answers_survey(caller).check(self)

    def test_p37_sent_on_in_vain_the_caller_is_back_in_the_flow(self):
        self.other.policy = 486
        caller = self.dialled("in-vain")
        self.assertEqual(self.sales.refer(self.other.uri), 202)
        wait_for(lambda: 486 in self.sales.progress, "the NOTIFY that it was busy")
        self.over(self.sales, caller)
        made = self.ivr.call_by("in-vain")
        self.assertEqual(made.path, ["to", "back", "bye"])
        self.assertEqual(made.record["variables"]["transfer"]["cause"], "busy")
        made.check(self)

    def test_p36_whom_a_flow_has_dialled_joins_the_caller_with_the_other_line(self):
        for name, number in (("joined-flow", self.ivr.uri("2003")), ("joined-far", self.other.uri)):
            with self.subTest(name):
                caller, line = self.dialled(name), self.phone("sales-2", SALES)
                self.other.policy = "answer"
                self.assertEqual(line.call(number), 200)
                self.hear(line, OTHER, self.other, SALES)
                target = number + "?Replaces=" + urllib.parse.quote(line.replaces(), safe="")
                self.assertEqual(self.sales.refer(target), 202)
                wait_for(lambda: 200 in self.sales.progress, "the NOTIFY that it is done")
                self.hear(caller, OTHER, self.other, CALLER)
                self.over(self.sales, line)
                self.other.hang_up()
                self.answers_survey(caller).check(self)

    def test_p36_a_line_that_talks_from_a_queue_is_not_joined(self):
        caller, line = self.dialled("not-joined"), self.phone("sales-3", SALES)
        self.assertEqual(line.call(self.ivr.uri("2002")), 200)
        self.hear(line, BOB, self.bob, SALES)
        target = f"sip:whoever@127.0.0.1:{self.ivr.port}?Replaces=" + urllib.parse.quote(line.replaces(), safe="")
        self.assertEqual(self.sales.refer(target), 603)
        self.hear(caller, SALES, self.sales, CALLER)
        self.hear(line, BOB, self.bob, SALES)
        caller.hang_up()
        line.hang_up()

    def test_p36_warm_who_is_asked_hears_the_brief_and_takes_the_caller(self):
        caller = self.talk("warm")
        self.other.policy = "answer"
        self.ivr.do("warm_transfer", call=self.desk.call_of("warm"), uri=self.other.uri, brief="brief.wav", keys="1")
        self.hear(caller, MUSIC)
        self.hear(self.other, BRIEF)
        self.other.press("1")
        self.hear(caller, OTHER, self.other, CALLER)
        self.over(self.ann)
        self.other.hang_up()
        self.answers_survey(caller).check(self)

    def test_p35_warm_who_has_taken_the_caller_sends_him_on(self):
        caller = self.talk("warm-on")
        self.other.policy = "answer"
        self.other.progress.clear()
        self.ivr.do("warm_transfer", call=self.desk.call_of("warm-on"), uri=self.other.uri, brief="brief.wav", keys="1")
        self.hear(self.other, BRIEF)
        self.assertEqual(self.other.refer(self.sales.uri), 603)  # he has nobody yet
        self.other.press("1")
        self.hear(caller, OTHER, self.other, CALLER)
        self.over(self.ann)
        self.assertEqual(self.other.refer(self.sales.uri), 202)
        wait_for(lambda: 200 in self.other.progress, "the NOTIFY that it is done")
        self.over(self.other)
        self.hear(caller, SALES, self.sales, CALLER)
        self.sales.hang_up()
        self.answers_survey(caller).check(self)

    def test_p36_warm_who_declines_leaves_the_caller_with_the_agent(self):
        caller = self.talk("declined")
        self.other.policy = "answer"
        self.ivr.do("warm_transfer", call=self.desk.call_of("declined"), uri=self.other.uri, brief="brief.wav", keys="1")
        self.hear(self.other, BRIEF)
        self.other.press("2")
        self.hear(self.other, BRIEF)
        self.other.press("2")
        self.over(self.other)
        self.hear(caller, ANN, self.ann, CALLER)
        self.assertFalse(self.ann.over)
        self.ann.hang_up()
        self.answers_survey(caller).check(self)

    def test_p36_warm_who_declines_when_the_agent_has_gone_returns_the_caller_to_the_flow(self):
        caller = self.talk("alone")
        self.other.policy = "answer"
        self.ivr.do("warm_transfer", call=self.desk.call_of("alone"), uri=self.other.uri, brief="brief.wav", keys="1")
        self.hear(self.other, BRIEF)
        self.ann.hang_up()
        self.hear(caller, MUSIC)
        self.other.hang_up()
        self.answers_survey(caller).check(self)

    # ---------------------------------------------------------------------------------- in the talk

    def test_on_hold_the_caller_hears_music_and_the_agent_nothing_of_it(self):
        caller = self.talk("held")
        self.assertEqual(self.ann.hold(), 200)
        self.hear(caller, MUSIC)
        self.assertEqual(self.ann.hold(False), 200)
        self.hear(caller, ANN, self.ann, CALLER)
        self.ivr.do("hold", call=self.desk.call_of("held"))  # by the application: the same
        self.hear(caller, MUSIC)
        self.ivr.do("hold", call=self.desk.call_of("held"), on=False)
        self.hear(caller, ANN, self.ann, CALLER)
        caller.hang_up()

    def test_who_is_muted_is_not_heard_and_hears(self):
        caller = self.talk("muted")
        call = self.desk.call_of("muted")
        self.ivr.do("mute", call=call)

        def silent():
            """Of the frames that come to the agent while 15 come to the caller, none has his tone."""
            heard, then = len(self.ann.packets), len(caller.packets)
            wait_for(lambda: len(caller.packets) >= then + 15, "the agent's voice")
            return not any(server.power([phone.LINEAR[b] for b in p.payload], CALLER) > 0.5 for p in self.ann.packets[heard:])
        wait_for(silent, "silence of the caller")
        self.hear(caller, ANN)
        self.ivr.do("mute", call=call, on=False)
        self.hear(caller, ANN, self.ann, CALLER)
        caller.hang_up()

    def test_p32_a_supervisor_listens_whispers_and_barges_in(self):
        caller = self.talk("watched")
        boss = self.phone("boss", BOSS)
        self.ivr.do("supervise", call=self.desk.call_to("ann"), uri=boss.uri, mode="listen")

        def shares(who, *hertz):
            return [who.share_of(h) for h in hertz]

        def both_heard(who, one, other):
            return lambda: min(shares(who, one, other)) > 0.3
        wait_for(both_heard(boss, CALLER, ANN), "the supervisor hears both")
        self.hear(caller, ANN, self.ann, CALLER)  # and nobody hears the supervisor
        boss.press("5")
        wait_for(both_heard(self.ann, CALLER, BOSS), "the agent hears the caller and the supervisor")
        self.hear(caller, ANN)
        boss.press("6")
        wait_for(both_heard(caller, ANN, BOSS), "the caller hears the agent and the supervisor")
        wait_for(both_heard(self.ann, CALLER, BOSS), "the agent still does")
        boss.press("4")
        self.hear(caller, ANN, self.ann, CALLER)
        caller.hang_up()
        self.over(boss)

    def pressed(self, who, since):
        return [p for p in who.packets[since:] if p.type == phone.EVENT_TYPE]

    def test_keys_pass_a_talk(self):
        caller = self.talk("keys")
        since = len(self.ann.packets)
        caller.press("7")
        wait_for(lambda: [p for p in self.pressed(self.ann, since) if p.payload[1] & 0x80], "the key at the agent")
        self.assertEqual({p.payload[0] for p in self.pressed(self.ann, since)}, {7})
        since = len(caller.packets)
        self.ann.press("#")
        wait_for(lambda: [p for p in self.pressed(caller, since) if p.payload[1] & 0x80], "the key at the caller")
        caller.hang_up()

    def test_keys_do_not_pass_where_the_flow_says_so(self):
        caller = self.talk("clamped", "2004")
        since = len(self.ann.packets)
        caller.press("7")
        wait_for(lambda: not caller.keys, "the key sent")
        self.hear(caller, ANN, self.ann, CALLER)
        wait_for(lambda: len(self.ann.packets) > since + 50, "a second of talk")
        self.assertEqual(self.pressed(self.ann, since), [])
        caller.hang_up()

    # ----------------------------------------------------------------------------- after the talk

    def test_p85_when_the_agent_has_hung_up_the_caller_is_asked(self):
        caller = self.talk("asked")
        self.ann.hang_up()
        made = self.answers_survey(caller)
        self.assertEqual(made.visits, [("desk", "next"), ("survey", "next"), ("bye", "hangup")])
        made.check(self)


if __name__ == "__main__":
    unittest.main()
