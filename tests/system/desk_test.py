#!/usr/bin/python3
"""The support desk over real SIP and RTP: every branch of the flow, many callers at once, a crash in the middle."""
import json
import os
import signal
import shutil
import subprocess
import unittest

import recount
from server import IVR, SOURCE, Server, call, folder, run, wait_for

SITE = os.path.join(SOURCE, "examples", "support_desk", "site.json")


def site(override="open", **queue):
    """The desk as it ships, but its calendar stands still and its agents are soon free again."""
    with open(SITE, encoding="utf-8") as f:
        s = json.load(f)
    for calendar in s["calendars"].values():
        calendar["override"] = override
    for extension in s["extensions"].values():
        extension["flow"] = os.path.join(os.path.dirname(SITE), extension["flow"])
    for agent in s["agents"].values():
        agent["wrap_up"] = "1s"
    for q in s["queues"].values():
        q.update(queue)
    s["callers"] = {}
    return s


class Desk:
    """A server with a site, and its robots."""

    def __init__(self, document, *options):
        self.folder = folder()
        self.path = os.path.join(self.folder, "site.json")
        with open(self.path, "w", encoding="utf-8") as f:
            json.dump(document, f, ensure_ascii=False)
        self.db = os.path.join(self.folder, "ivr.db")
        self.loaded = run(IVR, "load", self.path, "--db", self.db)
        assert self.loaded.returncode == 0, self.loaded.stdout + self.loaded.stderr
        self.options = ("--demo-users", *options)
        self.server = Server(self.folder, *self.options).ready()
        self.robots = []

    def robot(self, *arguments, password=None):
        log = open(os.path.join(self.folder, f"robot-{len(self.robots)}.log"), "wb")
        environment = dict(os.environ, **({"IVR_PASSWORD": password} if password else {}))
        process = subprocess.Popen([IVR, *arguments], stdout=log, stderr=subprocess.STDOUT, env=environment)
        process.told = log.name
        self.robots.append((process, log))
        return process

    def agent(self, *users, password=None, **manner):
        arguments = [x for name, value in manner.items() for x in (f"--{name.replace('_', '-')}", str(value))]
        return self.robot("agent", *users, "--server", f"sip:127.0.0.1:{self.server.port}", "--json", *arguments,
                          password=password or f"{users[0]}pass")

    def caller(self, name, do, extension="2001"):
        return self.robot("call", self.server.uri(extension), "--from", f"sip:{name}@127.0.0.1", "--do", do, "--json")

    def routed(self, kind):
        return [e["what"] for e in self.server.of("routed") if e["what"]["type"] == kind]

    def states(self):
        states = {}
        for change in self.routed("agent_changed"):
            states[change["agent"]] = change["state"]
        return states

    def available(self, *agents):
        wait_for(lambda: all(self.states().get(a) == "available" for a in agents), f"{agents} available")

    def log(self):
        return recount.read(self.db)

    def close(self):
        for process, log in self.robots:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()
        code = self.server.stop()
        self.ended = self.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        return code


MENU = "expect-audio; wait 1s; press 1; expect-audio; wait 1s; press {}; "


class Branches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with_expression = site()
        with_expression["queues"]["tech"]["required"] = "technical and (not trainee or technical >= 5)"
        cls.desk = Desk(with_expression)
        for user in ("2101", "2102", "2103", "2104"):
            cls.desk.agent(user, answer_after=0.3, talk=1.5)
        cls.desk.available("billing", "tech1", "tech2", "general")

    @classmethod
    def tearDownClass(cls):
        code = cls.desk.close()
        problems = recount.recount(cls.desk.ended)
        assert code == 0 and not problems, (code, problems)

    def through(self, name, key, language="1"):
        self.desk.caller(name, MENU.replace("press 1", f"press {language}").format(key) + "expect-hangup 40s")
        return self.desk.server.call_by(name)

    def whispers(self, agent):
        legs = {e["call"] for e in self.desk.server.of("call_started") if e["called"] == agent}
        return {e["text"] for e in self.desk.server.of("said") if e["call"] in legs}

    def test_s0_43_loading_the_site_once_more_changes_nothing(self):
        again = run(IVR, "load", self.desk.path, "--db", self.desk.db)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertIn("nothing changed", again.stdout)

    def test_s0_36_key_1_rings_the_billing_agent_who_hears_a_whisper(self):
        made = self.through("c-billing", 1)
        self.assertEqual(made.path[:4], ["welcome", "hours", "menu", "billing"])
        self.assertEqual(made.record["agent"], "billing")
        self.assertGreaterEqual(made.record["talked_ms"], 1000)
        self.assertIn("A call for billing.", " ".join(self.whispers("2101")))
        made.check(self)

    def test_s0_37_key_2_waits_for_a_technician(self):
        made = self.through("c-tech", 2)
        self.assertIn("tech", made.path)
        self.assertEqual(made.record["queue"], "tech")
        self.assertIn(made.record["agent"], ("tech1", "tech2"))
        self.assertTrue(os.path.exists(made.record["recording"]))
        made.check(self)
        why = run(IVR, "why", made.id, "--db", self.desk.db, "--agent", "general")
        self.assertEqual(why.returncode, 0, why.stdout + why.stderr)
        self.assertIn("asked for: technical and (technical >= 5 or not trainee)\n", why.stdout)
        self.assertIn("agent general: ", why.stdout)

    def test_s0_38_key_3_waits_for_the_general_agent_in_arabic_too(self):
        made = self.through("c-general", 3, language="2")
        self.assertEqual((made.record["queue"], made.record["agent"], made.record["language"]), ("general", "general", "ar"))
        made.check(self)

    def test_s0_39_key_9_rings_the_longest_idle_agent(self):
        made = self.through("c-direct", 9)
        self.assertIn("direct", made.path)
        self.assertIn(made.record["agent"], ("billing", "tech1", "tech2", "general"))
        why = run(IVR, "why", made.id, "--db", self.desk.db)
        self.assertEqual(why.returncode, 0, why.stdout + why.stderr)
        self.assertIn(made.record["agent"], why.stdout)

    def test_s3_43_a_softphone_registers_with_its_password_and_with_no_other(self):
        right = self.desk.agent("1001", password="1001pass", calls=1)
        wrong = run(IVR, "agent", "1001", "--server", f"sip:127.0.0.1:{self.desk.server.port}", "--json",
                    env=dict(os.environ, IVR_PASSWORD="1001"))
        self.assertEqual(wrong.returncode, 1, wrong.stdout)
        self.assertIn("not_registered", wrong.stdout)
        log = self.desk.robots[-1][1].name
        def registered():
            with open(log, encoding="utf-8") as f:
                return '"registered"' in f.read()
        wait_for(registered, "the registration of 1001")
        right.send_signal(signal.SIGINT)


class Overflow(unittest.TestCase):
    def test_s0_40_after_hours_a_message_is_taken(self):
        desk = Desk(site("closed"))
        try:
            desk.caller("c-night", "expect-audio; wait 1s; press 1; expect-audio; listen 30s; wait 2s; say \"Please call me.\"; press #; expect-hangup 30s")
            made = desk.server.call_by("c-night")
            self.assertEqual(made.path[:4], ["welcome", "hours", "after_hours", "voicemail"])
            self.assertEqual(made.path[-1], "message_left")
            self.assertTrue(made.of("recorded"))
        finally:
            desk.close()

    def test_full_and_time_out_go_to_voicemail(self):
        desk = Desk(site(max_size=1, max_wait="3s"))
        try:
            leave = "wait 12s; press #; expect-hangup 30s"  # nobody is logged in
            desk.caller("c-waits", MENU.format(2) + leave)
            wait_for(lambda: desk.routed("joined"), "the first in the queue")
            desk.caller("c-full", MENU.format(2) + leave)
            waits, full = desk.server.call_by("c-waits"), desk.server.call_by("c-full")
            exits = {left["call"]: left["exit"] for left in desk.routed("left")}
            self.assertEqual((exits[waits.id], exits[full.id]), ("timeout", "full"))
            for made in (waits, full):
                self.assertIn("overflow", made.path)
                made.check(self)
        finally:
            desk.close()


class Crowd(unittest.TestCase):
    def test_200_callers_and_10_agents_keep_every_invariant(self):
        s = site()
        users = [f"22{n:02}" for n in range(10)]
        s["agents"] = {f"a{u}": {"user": u, "wrap_up": "200ms", "skills": ["technical"]} for u in users}
        s["queues"]["tech"].update(members=list(s["agents"]), required="technical and not trainee", max_size=500, max_wait="120s", retry="200ms")
        s["queues"]["general"].update(members=list(s["agents"])[:3])
        s["demo_users"] = {u: "pass" for u in users}
        s["departments"] = {}
        flow = {"ivr": 1, "id": "crowd", "start": "tech", "nodes": {
            "tech": {"type": "queue", "queue": "tech", "record": True, "next": "bye", "timeout": "bye", "full": "bye", "unavailable": "bye", "error": "bye"},
            "bye": {"type": "hangup"}}}
        where = folder()
        with open(os.path.join(where, "crowd.json"), "w", encoding="utf-8") as f:
            json.dump(flow, f)
        s["extensions"] = {"2001": os.path.join(where, "crowd.json")}
        s.pop("access", None)
        desk = Desk(s)
        try:
            desk.agent(*users, password="pass", answer_after=0.1, talk=0.6, say="")
            desk.available(*s["agents"])
            crowd = desk.robot("call", desk.server.uri("2001"), "--calls", "200", "--rate", "25", "--from", "sip:c{n}@127.0.0.1",
                               "--do", "expect-hangup 100s", "--json", "--timeout", "150")
            code = crowd.wait(timeout=200)
            with open(crowd.told, encoding="utf-8") as told:
                self.assertEqual(code, 0, [line for line in told if '"ok":true' not in line][:5])
            wait_for(lambda: len(desk.routed("left")) >= 200, "the last one served", 30)
            answered = len({e["call"] for e in desk.server.of("call_ended") if e["record"]["called"] == "2001"})
            self.assertEqual(answered, 200)
        finally:
            code = desk.close()
            shutil.rmtree(where, ignore_errors=True)
        self.assertEqual(code, 0)
        self.assertEqual(recount.recount(desk.ended), [])
        exits = [c["exit"] for step in desk.ended for c in step["commands"] if c["type"] == "left"]
        self.assertEqual((len(exits), set(exits)), (200, {"served"}))


if __name__ == "__main__":
    unittest.main()
