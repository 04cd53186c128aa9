#!/usr/bin/python3
"""What agents and applications do with a talk: send it on, ask somebody first, hold, mute, listen in, hide numbers. Real
telephones on sockets, each with a tone of its own, so that who hears whom is measured."""
import http.server
import json
import math
import os
import shutil
import threading
import unittest
import urllib.parse

import phone
import server
from phone import Phone
from server import DRIVER, IVR, Server, run, wait_for

CALLER, ANN, BOB, OTHER, BOSS = 400, 1500, 1000, 2000, 2500  # Hz, whose voice it is
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
        self.server = Server(self.folder, "--prompts", self.folder, *options, rtp=rtp, program=DRIVER).ready()
        for agent in site.get("agents", {}):
            if not site["agents"][agent].get("standby"):
                self.server.do("state", agent=agent, state="available")

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


class Talks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ann = Phone(user="ann", audio=phone.tone(ANN))
        cls.bob = Phone(user="bob", audio=phone.tone(BOB))
        cls.other = Phone(user="other", audio=phone.tone(OTHER), policy="ring")
        for each in (cls.ann, cls.bob, cls.other):
            cls.addClassCleanup(each.close)
        elsewhere = {"start": "to", "on_error": "bye", "nodes": {
            "to": {"type": "transfer", "mode": "refer", "to": cls.other.uri, "ring_limit": "5s", "next": "bye", "failed": "back"},
            "back": {"type": "play", "say": {"file": "back.wav"}, "next": "bye"}, "bye": {"type": "hangup"}}}
        cls.desk = Driven(
            {"agents": {"ann": {"uri": cls.ann.uri}, "bob": {"uri": cls.bob.uri}},
             "queues": {"desk": {"members": ["ann"]}, "second": {"members": ["bob"]}},
             "extensions": {"2001": "desk.json", "2002": "second.json", "2003": "direct.json", "2004": "clamped.json",
                            "2005": "elsewhere.json"}},
            {"desk": desk(queue="desk"), "elsewhere": elsewhere, "second": desk(queue="second"), "clamped": desk(queue="desk", pass_digits=False),
             "direct": transfer(to=cls.other.uri)})
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
        for each in (self.ann, self.bob, self.other):
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
        self.other.hang_up()
        wait_for(lambda: caller.over, "the end")
        for who, hidden in ((caller, self.other.user), (self.other, real)):
            for spelling in (hidden, hidden.lstrip("+"), urllib.parse.quote(hidden)):
                for datagram in who.wire:
                    self.assertNotIn(spelling.encode(), datagram)
                for report, _ in who.reports:
                    self.assertNotIn(spelling.encode(), report)
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


class Standing(unittest.TestCase):
    """P-30: an agent whose line stays open from caller to caller."""

    def setUp(self):
        self.desk = Driven({"agents": {"dan": {"standby": True}}, "queues": {"desk": {"members": ["dan"], "retry": "100ms"}},
                            "extensions": {"2001": "plain.json", "2002": "whispered.json", "2003": "asked.json"}},
                           {"plain": desk(queue="desk"), "whispered": desk(queue="desk", whisper={"file": "brief.wav"}),
                            "asked": desk(queue="desk", whisper={"file": "brief.wav"}, accept_keys="1")}, rtp="18000-18999")
        self.addCleanup(self.desk.close)
        self.ivr = self.desk.server
        self.dan = self.phone("dan", ANN)
        self.assertEqual(self.dan.call(self.ivr.uri("standby")), 200)

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
        self.assertTrue(caller.hears(MUSIC))
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


class Hooks(unittest.TestCase):
    """P-85: what a flow does before the answer and after the end."""

    @classmethod
    def setUpClass(cls):
        cls.told = []

        class Crm(http.server.BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                cls.told.append((self.path, json.loads(body) if body else None))
                reply = json.dumps({"welcome": "blocked" not in self.path}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)
            do_GET = do_POST = answer

            def log_message(self, *_):
                pass
        cls.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Crm)
        threading.Thread(target=cls.http.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.http.server_close)
        cls.addClassCleanup(cls.http.shutdown)
        url = f"http://127.0.0.1:{cls.http.server_port}"
        flow = {"start": "screen", "answer": "later", "on_hangup": "report", "on_error": "refuse",
                "variables": {"welcome": False, "rating": None}, "nodes": {
                    "screen": {"type": "api", "url": url + "/who/{{call.caller}}", "map": {"welcome": "/welcome"}, "next": "decide"},
                    "decide": {"type": "decision", "cases": [{"if": "welcome", "next": "ring"}], "else": "refuse"},
                    "ring": {"type": "play", "say": {"file": "music.wav"}, "next": "take"},
                    "take": {"type": "answer", "next": "ask"},
                    "ask": {"type": "gather", "say": {"file": "back.wav"}, "length": 1, "into": "rating", "timeout": "20s", "next": "bye",
                            "invalid": "bye", "no_input": "bye"},
                    "refuse": {"type": "hangup", "status": 603, "reason": "not welcome"}, "bye": {"type": "hangup"},
                    "report": {"type": "api", "method": "POST", "url": url + "/ended",
                               "body": {"caller": "{{call.caller}}", "rating": "{{rating}}", "by": "{{hangup.by}}"}, "next": "over", "error": "over"},
                    "over": {"type": "hangup"}}}
        cls.desk = Driven({"extensions": {"3001": "hooks.json"}}, {"hooks": flow}, rtp="17000-17999")
        cls.addClassCleanup(cls.desk.close)

    def caller(self, name):
        made = Phone(user=name, audio=phone.tone(CALLER))
        self.addCleanup(made.close)
        return made

    def reported(self, name):
        return wait_for(lambda: [b for path, b in self.told if path == "/ended" and b["caller"] == name], f"the report of {name}")[0]

    def test_who_is_screened_hears_early_media_is_answered_and_reported(self):
        caller = self.caller("friend")
        caller.call(self.desk.server.uri("3001"), wait=False)
        wait_for(lambda: caller.hears(MUSIC), "music before the answer")
        self.assertFalse(caller.up)
        self.assertEqual({r[0] for r in caller.responses if r[0] > 100}, {183})
        wait_for(lambda: caller.up, "the answer")
        wait_for(lambda: caller.hears(BACK), "the question")
        caller.press("4")
        wait_for(lambda: caller.over, "the end")
        self.assertEqual(self.reported("friend"), {"caller": "friend", "rating": "4", "by": "script"})

    def test_who_hangs_up_is_reported_too(self):
        caller = self.caller("hasty")
        self.assertEqual(caller.call(self.desk.server.uri("3001")), 200)
        caller.hang_up()
        self.assertEqual(self.reported("hasty")["by"], "caller")

    def test_who_is_not_welcome_is_refused_before_the_answer(self):
        caller = self.caller("blocked")
        self.assertEqual(caller.call(self.desk.server.uri("3001")), 603)
        self.assertEqual(self.reported("blocked")["by"], "script")
        self.assertFalse(caller.up)


if __name__ == "__main__":
    unittest.main()
