"""Each command of the program as a user runs it: help, results, exit codes, and errors that name the thing."""
import json
import math
import os
import re
import shutil
import sqlite3
import threading
import unittest
import xml.dom.minidom

import server
from server import IVR, run, wait_for

COMMANDS = ("serve", "call", "check", "graph", "diff", "fmt", "log", "simulate", "test", "publish", "versions", "rollout", "rollback", "replay", "dtmf", "load", "report", "why", "doctor")
GOOD = {"ivr": 1, "id": "shop", "start": "menu", "on_error": "bye", "nodes": {
    "menu": {"type": "menu", "say": "Press 1.", "keys": {"1": "bye"}, "tries": 1, "timeout": "20s", "invalid": "bye",
             "no_input": "bye"},
    "bye": {"type": "hangup"}}}
BAD = {"ivr": 1, "id": "shop", "start": "menu", "on_error": "agent", "nodes": {
    "menu": {"type": "play", "say": "Hello.", "next": "agnet"}, "agent": {"type": "hangup"}}}
# ITU-T Q.23
ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
PAD = ("123A", "456B", "789C", "*0#D")


def dtmf_wav(path, digits, on=0.1, off=0.1, rate=8000):
    """Digits as tones, from 50 ms on."""
    samples = [0] * int(0.05 * rate)
    for digit in digits:
        row, column = next((ROWS[r], COLUMNS[line.index(digit)]) for r, line in enumerate(PAD) if digit in line)
        samples += [int(6000 * (math.sin(2 * math.pi * row * i / rate) + math.sin(2 * math.pi * column * i / rate)))
                    for i in range(int(on * rate))]
        samples += [0] * int(off * rate)
    return server.write_wav(path, samples, rate)


class Commands(unittest.TestCase):
    def setUp(self):
        self.folder = server.folder()
        self.addCleanup(shutil.rmtree, self.folder)

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(content if isinstance(content, str) else json.dumps(content))
        return path

    def ivr(self, *arguments, code=0, **options):
        done = run(IVR, *arguments, cwd=self.folder, **options)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def refuses(self, *arguments, code, says):
        done = self.ivr(*arguments, code=code)
        for words in [says] if isinstance(says, str) else says:
            self.assertIn(words, done.stderr)

    def test_every_command_explains_itself(self):
        overview = self.ivr("--help").stdout
        for command in COMMANDS:
            self.assertIn(command, overview)
            for flag in ("--help", "-h"):
                self.assertGreater(len(self.ivr(command, flag).stdout.splitlines()), 5)
            self.ivr(command, "--no-such-option", code=2)
        self.assertRegex(self.ivr("--version").stdout, r"^ivr \d+\.\d+\.\d+\n$")
        self.refuses("serv", code=2, says="no command 'serv'")
        self.ivr(code=2)

    def test_check_counts_and_finds(self):
        self.assertIn(": 2 nodes, 3 connections", self.ivr("check", self.file("good.json", GOOD)).stdout)
        for name in sorted(os.listdir(server.FLOWS)):
            self.assertRegex(self.ivr("check", os.path.join(server.FLOWS, name)).stdout, r": \d+ nodes, \d+ connections, no defect\n")
        bad = self.file("bad.json", BAD)
        found = self.ivr("check", bad, code=1).stdout
        for words in (bad + ": 2 nodes, ", "error [unknown-target] at /nodes/menu/next", "no node 'agnet'; did you mean 'agent'?", "mend: "):
            self.assertIn(words, found)
        both = json.loads(self.ivr("check", bad, self.file("good.json", GOOD), "--json", code=1).stdout)
        self.assertEqual([f["ok"] for f in both["files"]], [False, True])
        finding = both["files"][0]["findings"][0]
        self.assertEqual((finding["rule"], finding["severity"], finding["pointer"]), ("unknown-target", "error", "/nodes/menu/next"))
        self.assertTrue(finding["message"] and finding["mend"])
        self.assertEqual(finding["call"], [{"node": "menu", "exit": ""}])
        self.assertIn("    call: menu\n", found)
        self.refuses("check", bad, "--format", "xml", code=2, says="no format 'xml': text, json or sarif")
        broken = self.file("broken.json", '{"ivr": 1,\n "id": }')
        self.assertIn("line 2", self.ivr("check", broken, code=1).stdout)
        self.refuses("check", "nothing.json", code=2, says="nothing.json: cannot be read")
        self.refuses("check", code=2, says="no flow given")
        self.ivr("check", "-", input=json.dumps(GOOD))

    # SARIF 2.1.0: what code hosts ask for, and places in the text as it is written.
    def test_check_tells_code_hosts_where(self):
        bad = os.path.join(self.folder, "bad.json")
        with open(bad, "w", encoding="utf-8") as file:
            file.write('{"ivr": 1, "id": "bad", "start": "hello",\n "nodes": {\n  "hello": {"type": "play", "say": "\u00e9", "next": "menu"},\n'
                       '  "menu": {"type": "menu", "say": "x", "keys": {"1": "agnet"},\n    "invalid": "bye", "no_input": "bye"},\n  "bye": {"type": "hangup"}}, "on_error": "bye"}')
        log = json.loads(self.ivr("check", bad, self.file("good.json", GOOD), "--format", "sarif", code=1).stdout)
        self.assertEqual(log["version"], "2.1.0")
        run = log["runs"][0]
        self.assertEqual(run["tool"]["driver"]["name"], "ivr check")
        result, = [r for r in run["results"] if r["level"] == "error"]
        self.assertEqual(run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"], result["ruleId"])
        place = result["locations"][0]
        self.assertEqual(place["physicalLocation"], {"artifactLocation": {"uri": bad}, "region": {"startLine": 4, "startColumn": 49}})
        self.assertEqual(place["logicalLocations"][0]["fullyQualifiedName"], "/nodes/menu/keys/1")
        steps = [s["location"] for s in result["codeFlows"][0]["threadFlows"][0]["locations"]]
        self.assertEqual([s["message"]["text"] for s in steps], ["hello by exit next", "menu"])
        self.assertEqual([s["physicalLocation"]["region"]["startLine"] for s in steps], [3, 4])

    # What a flow names and its site does not have.
    def test_check_beside_a_site(self):
        site = self.file("site.json", {"site": 1, "agents": {"ann": {"skills": {"billing": 3}}}, "queues": {"desk": {}},
                                       "calendars": {"office": {"time_zone": "UTC", "hours": {"mon-fri": ["09:00-17:00"]}}}})
        flow = {"ivr": 1, "id": "help", "start": "open", "nodes": {
            "open": {"type": "decision", "kind": "time", "calendar": "office", "open": "wait", "closed": "bye"},
            "wait": {"type": "queue", "queue": "desk", "agent": "ann", "skills": ["billing"], "next": "bye", "error": "bye"},
            "bye": {"type": "hangup"}}}
        good = self.file("help.json", flow)
        self.assertIn("no defect", self.ivr("check", good, "--site", site).stdout)
        self.assertIn("[unknown-calendar]", self.ivr("check", good, code=1).stdout)
        flow["nodes"]["open"]["calendar"] = "ofice"
        flow["nodes"]["wait"].update(queue="desc", agent="anne", skills=["biling"])
        found = self.ivr("check", self.file("wrong.json", flow), "--site", site, code=1).stdout
        for words in ("[unknown-calendar] at /nodes/open/calendar", "no calendar 'ofice'; did you mean 'office'?",
                      "[unknown-queue] at /nodes/wait/queue", "no queue 'desc'; did you mean 'desk'?",
                      "[unknown-agent] at /nodes/wait/agent", "no agent 'anne'; did you mean 'ann'?",
                      "[unknown-skill] at /nodes/wait/skills/0", "no skill 'biling'; did you mean 'billing'?"):
            self.assertIn(words, found)
        flow["nodes"]["wait"]["skills"] = "billing >= 2 and (biling or not traine)"
        found = self.ivr("check", self.file("wrong.json", flow), "--site", site, code=1).stdout
        self.assertIn("error [unknown-skill] at /nodes/wait/skills", found)
        self.assertIn("warning [unknown-skill] at /nodes/wait/skills", found)
        flow["nodes"]["wait"]["skills"] = "billing >= 7"
        self.assertIn("[bad-expression] at /nodes/wait/skills\n    at character 12: expected a level of 0 to 5",
                      self.ivr("check", self.file("wrong.json", flow), "--site", site, code=1).stdout)
        self.refuses("check", good, "--site", self.file("no_site.json", {"site": 1, "queus": {}}), code=2, says=["no_site.json is refused", "queus"])
        self.refuses("check", good, "--site", "nothing.json", code=2, says="nothing.json: cannot be read")

    # What the site's own queues require and nobody has is a warning: the site works, and its callers wait for ever.
    def test_check_tells_what_a_queue_requires_and_nobody_has(self):
        good = self.file("good.json", GOOD)
        site = {"site": 1, "agents": {"ann": {"skills": {"billing": 3, "french": 1}}}, "queues": {"desk": {"required": "french and billing >= 2"}}}
        self.assertNotIn("warning", self.ivr("check", good, "--site", self.file("site.json", site)).stdout)
        site["queues"]["desk"]["required"] = "french >= 2 and biling"
        path = self.file("site.json", site)
        found = self.ivr("check", good, "--site", path).stdout
        for words in (path + ": 1 agents, 1 queues\n", "warning [unreached-level] at /queues/desk/required\n", "'ann' has the highest, 1 (basic)",
                      "warning [unknown-skill] at /queues/desk/required\n", "no agent has skill 'biling'; did you mean 'billing'?", "mend: ",
                      "0 errors, 2 warnings"):
            self.assertIn(words, found)
        self.ivr("check", good, "--site", path, "--warnings-as-errors", code=1)
        report = json.loads(self.ivr("check", good, "--site", path, "--json").stdout)
        self.assertEqual([(f["rule"], f["severity"], f["pointer"]) for f in report["site"]["findings"]],
                         [("unknown-skill", "warning", "/queues/desk/required"), ("unreached-level", "warning", "/queues/desk/required")])
        self.assertEqual((report["warnings"], len(report["files"])), (2, 1))

    def test_s3_25_diff_says_nothing_of_flows_that_run_alike(self):
        before = self.file("before.json", GOOD)
        alike = self.file("alike.json", json.dumps(dict(reversed(GOOD.items())), indent=8))
        self.assertEqual(self.ivr("diff", before, alike).stdout, "")
        changed = json.loads(json.dumps(GOOD))
        changed["nodes"]["menu"]["timeout"] = "8s"
        changed["nodes"]["menu"]["keys"]["2"] = "bye"
        del changed["nodes"]["menu"]["say"]
        after = self.file("after.json", changed)
        self.assertEqual(self.ivr("diff", before, after, code=1).stdout.splitlines(), [
            '+ /nodes/menu/keys/2: "bye"', '- /nodes/menu/say: "Press 1."',
            '- /nodes/menu/timeout: "20s"', '+ /nodes/menu/timeout: "8s"'])
        told = json.loads(self.ivr("diff", before, after, "--json", code=1).stdout)
        self.assertEqual(told["differences"][2], {"pointer": "/nodes/menu/timeout", "before": "20s", "after": "8s"})
        self.assertIn("agnet", self.ivr("diff", before, self.file("bad.json", BAD), code=2).stderr)
        self.ivr("diff", before, "nowhere.json", code=2)

    # Names are for people: a node that only got another one is the same, wherever exits lead to it.
    def test_p75_diff_knows_a_node_by_what_it_does(self):
        before = self.file("before.json", GOOD)
        told = json.dumps(GOOD).replace('"bye"', '"goodbye"')
        self.assertEqual(self.ivr("diff", before, self.file("after.json", json.loads(told)), code=1).stdout, "~ /nodes/bye: renamed to goodbye\n")
        report = json.loads(self.ivr("diff", before, self.file("after.json", json.loads(told)), "--json", code=1).stdout)
        self.assertEqual((report["equal"], report["renamed"], report["differences"]), (False, {"bye": "goodbye"}, []))
        flow = {"ivr": 1, "id": "s", "start": "a", "nodes": {"a": {"type": "set", "set": {"x": 1, "y": "{{x}}"}, "next": "b"}, "b": {"type": "hangup"}}}
        one = self.file("one.json", flow)
        flow["nodes"]["a"]["set"] = {"y": "{{x}}", "x": 1}
        flow["variables"] = {"x": 0}
        other = self.file("other.json", flow)
        self.assertIn('~ /nodes/a/set: in another order, ["x","y"] is now ["y","x"]', self.ivr("diff", one, other, code=1).stdout)

    def test_p75_fmt_writes_a_flow_as_all_of_us_do(self):
        untidy = self.file("untidy.json", dict(reversed(GOOD.items())))
        with open(untidy, encoding="utf-8") as file:
            as_it_was = file.read()
        self.assertEqual(self.ivr("fmt", "--check", untidy, code=1).stdout, untidy + "\n")
        with open(untidy, encoding="utf-8") as file:
            self.assertEqual(file.read(), as_it_was)
        tidy = self.ivr("fmt", "-", input=as_it_was).stdout
        self.assertTrue(tidy.startswith('{\n  "ivr": 1,\n  "id": '), tidy)
        self.ivr("fmt", untidy)
        with open(untidy, encoding="utf-8") as file:
            self.assertEqual(file.read(), tidy)
        self.assertEqual(self.ivr("fmt", "--check", untidy).stdout, "")
        self.assertEqual(self.ivr("diff", untidy, self.file("good.json", GOOD)).stdout, "")
        self.assertIn("line 1", self.ivr("fmt", "-", input="{", code=2).stderr)

    def test_p75_check_reads_what_is_included_and_passed_on(self):
        os.mkdir(os.path.join(self.folder, "common"))
        self.file("common/bye.json", {"nodes": {"bye": {"type": "hangup", "say": "${ENV:BYE}"}}})
        flow = json.loads(json.dumps(GOOD))
        flow["include"] = ["common/bye.json"]
        del flow["nodes"]["bye"]
        path = self.file("shop.json", flow)
        self.assertIn("2 nodes", self.ivr("check", path, "--env", "BYE=Goodbye").stdout)
        self.assertIn("digraph", self.ivr("graph", path, "--env", "BYE=Goodbye").stdout)
        self.assertIn("[unset-environment] at /nodes/bye/say", self.ivr("check", path, code=1).stdout)
        self.refuses("check", path, "--env", "IVR_SURELY_NOT_SET", code=2, says="the environment has no 'IVR_SURELY_NOT_SET'")
        self.assertEqual(self.ivr("diff", path, path, "--env", "BYE=x").stdout, "")
        self.ivr("publish", path, "--env", "BYE=x", "--db", os.path.join(self.folder, "ivr.db"), "--unseen")
        scenarios = self.file("s.json", {"scenarios": [{"name": "one", "caller": [{"press": "1"}], "expect": {"path": ["menu", "bye"]}}]})
        self.assertIn("ok 1", self.ivr("test", path, scenarios, "--env", "BYE=x").stdout)
        self.assertIn("unset-environment", self.ivr("simulate", path, code=1).stderr)
        self.assertIn("no 'BYE'", self.ivr("serve", "--flow", "1=" + path, "--port", "0", code=1).stderr)
        flow["nodes"]["bye"] = {"type": "hangup"}
        self.file("shop.json", flow)
        self.assertIn("/nodes/bye is in 'common/bye.json' and in the document", self.ivr("check", "shop.json", code=1).stdout)

    # How long a caller can be kept, and what has no limit.
    def test_check_says_how_long_a_caller_can_be_kept(self):
        flow = {"ivr": 1, "id": "s", "start": "a", "on_error": "end", "nodes": {
            "a": {"type": "api", "url": "http://127.0.0.1/", "timeout": "70s", "next": "m"},
            "m": {"type": "menu", "say": {"silence": "1s"}, "keys": {"1": "end"}, "invalid": "end", "no_input": "end"},
            "end": {"type": "hangup"}}}
        self.assertIn("  at most 1m 28s and 5 visits, talks not counted\n", self.ivr("check", self.file("s.json", flow)).stdout)
        flow["nodes"]["m"]["keys"]["*"] = "m"
        flow["nodes"]["a"]["next"] = "q"
        flow["nodes"]["q"] = {"type": "queue", "queue": "desk", "next": "m"}
        path = self.file("s.json", flow)
        told = self.ivr("check", path).stdout
        for words in ("    again and again: m (*) -> m\n", "    in 'q': no 'max_wait'\n"):
            self.assertIn(words, told)
        bounds = json.loads(self.ivr("check", path, "--json").stdout)["files"][0]["bounds"]
        self.assertEqual((bounds["limited"], bounds["seconds"], bounds["visits"]), (False, 88, 6))
        self.assertEqual(bounds["rounds"], [{"way": [{"node": "m", "exit": "*"}, {"node": "m", "exit": ""}], "counts": False}])
        self.assertEqual([s["node"] for s in bounds["way"]], ["a", "q", "m", "end"])

    def test_graph_draws(self):
        good = self.file("good.json", GOOD)
        dot = self.ivr("graph", good).stdout
        self.assertTrue(dot.startswith('digraph "shop"'))
        self.assertTrue(self.ivr("graph", good, "--format", "mermaid").stdout.startswith("flowchart"))
        svg = os.path.join(self.folder, "shop.svg")
        self.ivr("graph", good, "--format", "svg", "--output", svg)
        drawing = xml.dom.minidom.parse(svg)
        self.assertEqual(drawing.documentElement.tagName, "svg")
        for node in GOOD["nodes"]:
            self.assertIn(node, dot)
            self.assertIn(node, drawing.toxml())
        self.refuses("graph", good, "--format", "png", code=2, says="no format 'png'; known: dot, mermaid, svg")
        self.refuses("graph", self.file("bad.json", BAD), code=1, says=["bad.json", "/nodes/menu/next", "agnet"])
        self.refuses("graph", "nothing.json", code=2, says="nothing.json: cannot be read")
        self.refuses("graph", good, "--output", "no/such/folder.dot", code=2, says="no/such/folder.dot: cannot be written")

    def test_dtmf_finds_the_digits(self):
        digits = "".join(PAD)
        path = dtmf_wav(os.path.join(self.folder, "digits.wav"), digits)
        self.assertIn(f"16 digits: {digits}", self.ivr("dtmf", path).stdout)
        found = [json.loads(line) for line in self.ivr("dtmf", path, "--json").stdout.splitlines()]
        self.assertEqual("".join(f["digit"] for f in found), digits)
        for i, f in enumerate(found):
            self.assertAlmostEqual(f["onset_ms"], 50 + 200 * i, delta=15)
            self.assertAlmostEqual(f["length_ms"], 100, delta=15)
            self.assertLess(abs(f["low_dbm0"] - f["high_dbm0"]), 1)
        at_16k = dtmf_wav(os.path.join(self.folder, "16k.wav"), "159#", rate=16000)
        self.assertIn("4 digits: 159#", self.ivr("dtmf", at_16k).stdout)
        silent = server.write_tone(os.path.join(self.folder, "tone.wav"), 440, 1)
        self.assertIn("0 digits: ", self.ivr("dtmf", silent).stdout)
        self.refuses("dtmf", "nothing.wav", code=1, says="nothing.wav: cannot be read")
        self.refuses("dtmf", self.file("text.wav", "no audio at all"), code=1, says="text.wav: WAV: no RIFF/WAVE header")

    def test_call_says_what_it_cannot_do(self):
        self.refuses("call", code=2, says="uri is required")
        self.refuses("call", "sip:1@127.0.0.1:9", "--do", "wait 1s; dance", code=2, says="cannot do 'dance'")
        self.refuses("call", "sip:1@127.0.0.1:9", "--do", "press 1x", code=2, says="cannot do 'press 1x'")
        self.refuses("call", "sip:1@127.0.0.1:9", "--do", "say no.wav", code=2, says="there is no file no.wav")
        self.refuses("call", "sip:1@127.0.0.1:9", "--codec", "mp3", code=2, says="mp3")
        self.assertIn("'nonsense' is not a sip: URI", self.ivr("call", "nonsense", code=1).stdout)
        nobody = json.loads(self.ivr("call", f"sip:1@127.0.0.1:{server.free_port()};transport=tcp", "--json", code=1).stdout)
        self.assertEqual((nobody["answered"], nobody["steps"]), (False, []))

    def test_serve_says_what_it_cannot_start_with(self):
        good, bad = self.file("good.json", GOOD), self.file("bad.json", BAD)
        self.refuses("serve", code=2, says="no extension")
        self.refuses("serve", "--flow", "2001", code=2, says="--flow '2001': must be EXTENSION=FILE")
        self.refuses("serve", "--flow", "1=nothing.json", code=1, says="nothing.json: cannot be read: No such file")
        self.refuses("serve", "--flow", "1=" + bad, code=1, says=[bad + " is refused", "/nodes/menu/next", "agnet"])
        self.refuses("serve", "--flow", "1=" + good, "--rtp-ports", "99", code=2, says="RTP ports '99': must be LOW-HIGH")
        self.refuses("serve", "--flow", "1=" + good, "--listen", "127.0.0.1:99999", code=2, says="127.0.0.1:99999")
        self.refuses("serve", "--flow", "1=" + good, "--var", "x", code=2, says="variable 'x': must be NAME=VALUE")
        self.refuses("serve", "--flow", "1=" + good, "--allow", "10.0.0.0/33", code=2,
                     says="allow: '10.0.0.0/33' has no prefix between /0 and /32")
        self.refuses("serve", "--flow", "1=" + good, "--allow", "::1", "--allow", "pbx.example", code=2,
                     says="'pbx.example' is no address or network")
        self.refuses("serve", "--flow", "1=" + good, "--refusal-log", "no/such/folder/log", code=1,
                     says="refusal log no/such/folder/log: No such file")
        for content, says in (({"sip": {"prot": 1}}, "/sip/prot: unknown; there are"),
                              ({"limits": {"calls": "many"}}, '/limits/calls: "many" is not a number'),
                              ({"extensions": {"1": {"record": True}}}, "/extensions/1: has no flow"),
                              ({"rtp": {"ports": "9-8"}}, "RTP ports '9-8'"),
                              ({"sip": {"allow": "127.0.0.1"}}, '/sip/allow: "127.0.0.1" is not a list of networks'),
                              ({"sip": {"allow": ["10.0.0.1/8"]}}, "'10.0.0.1/8' has bits behind its prefix"),
                              ({"sip": {"password_env": "NO_SUCH_VARIABLE"}}, '/sip/password_env: "NO_SUCH_VARIABLE" is not set'),
                              ("{", "parse error")):
            path = self.file("config.json", content)
            self.refuses("serve", "--config", path, code=2, says=[path, says])


class ServedCalls(unittest.TestCase):
    """What a server keeps, as `ivr log` and `ivr replay` show it, and what a second start does with it."""

    def setUp(self):
        self.folder = server.folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.flow = os.path.join(self.folder, "shop.json")
        with open(self.flow, "w") as f:
            json.dump(GOOD, f)

    def serve(self, **options):
        made = server.Server(self.folder, "--flow", "2001=" + self.flow, rtp="16000-16999", **options)
        self.addCleanup(lambda: made.process.poll() is None and made.kill())
        return made

    def ivr(self, *arguments, code=0):
        done = run(IVR, *arguments, cwd=self.folder)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def called(self, ivr, caller):
        robot = server.call(ivr.uri("2001"), "expect-audio; press 1; listen", "--from", f"sip:{caller}@127.0.0.1")
        self.assertTrue(robot["answered"], robot)
        call = ivr.call_by(caller)
        call.check(self)
        return call

    def test_the_robot_expects_the_end_of_a_call(self):
        with open(self.flow, "w") as f:
            f.write(json.dumps(GOOD).replace("20s", "200ms"))
        ivr = self.serve().ready()
        robot = server.call(ivr.uri("2001"), "expect-audio; expect-hangup")
        self.assertEqual((robot["ended_by"], robot["steps"][-1]["ok"]), ("peer", True), robot)
        self.assertRegex(robot["steps"][-1]["detail"], r"^hung up after \d+ ms$")
        done = run(IVR, "call", ivr.uri("2001"), "--do", "expect-hangup 300ms", "--json", cwd=self.folder)
        robot = json.loads(done.stdout)
        self.assertEqual((done.returncode, robot["ended_by"], robot["steps"][-1]["detail"]), (1, "robot", "nobody hung up"))

    def test_log_and_replay_show_a_call_and_its_first_difference(self):
        ivr = self.serve().ready()
        call = self.called(ivr, "alice")
        listed = self.ivr("log").stdout.splitlines()  # ./ivr.db is the default
        self.assertEqual(len(listed), 1)
        for word in (call.id, "alice", "2001", "shop", "completed", "script"):
            self.assertIn(word, listed[0])
        self.assertEqual(json.loads(self.ivr("log", "--json").stdout)["call"], call.id)
        shown = self.ivr("log", "last").stdout
        for words in ("from      alice", "to        2001", "flow      shop", "digit_heard", '"digit":"1"', "menu", "-> 1"):
            self.assertIn(words, shown)
        self.assertEqual(self.ivr("log", call.id[:20]).stdout, shown)
        self.assertIn("no call 'nobody' in ivr.db", self.ivr("log", "nobody", code=1).stderr)
        self.assertIn("none.db", self.ivr("log", "--db", "none.db", code=1).stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "none.db")))

        self.assertRegex(self.ivr("replay", "last", "--db", "ivr.db").stdout, r"^\d+ steps replayed, every command the same\n$")
        log = os.path.join(self.folder, "call.log")
        with open(log, "w") as f:
            f.write(self.ivr("log", call.id, "--json").stdout)
        self.ivr("replay", log, "--flow", self.flow)
        self.assertIn("which flow?", self.ivr("replay", log, code=2).stderr)
        # Another flow says something else, and that is the first difference.
        other = os.path.join(self.folder, "other.json")
        with open(other, "w") as f:
            f.write(json.dumps(GOOD).replace("Press 1.", "Press one."))
        for arguments in ((log,), (call.id, "--db", "ivr.db")):
            differs = self.ivr("replay", *arguments, "--flow", other, code=1).stdout
            at, logged, replayed = re.fullmatch(r"step (\d+) differs\n  logged   (.*)\n  replayed (.*)\n", differs).groups()
            self.assertIn("Press 1.", logged)
            self.assertIn("Press one.", replayed)
            told = json.loads(self.ivr("replay", *arguments, "--flow", other, "--json", code=1).stdout)
            self.assertEqual((told["same"], told["differs_at"]), (False, int(at)))
            self.assertEqual(told["logged"], json.loads(logged))
        # A log with a hole is no log.
        with open(log) as f:
            lines = f.readlines()
        with open(log, "w") as f:
            f.writelines(lines[:2] + lines[3:])
        self.assertIn("step 2 is missing", self.ivr("replay", log, "--flow", self.flow, code=1).stderr)
        self.assertIn("nobody", self.ivr("replay", "nobody", "--db", "ivr.db", code=1).stderr)

    def test_a_second_server_on_the_same_port_or_database_says_so(self):
        ivr = self.serve().ready()
        options = ("--rtp-ports", "16000-16999", "--flow", "2001=" + self.flow)
        taken = self.ivr("serve", *options, "--port", str(ivr.port), code=1).stderr
        self.assertIn(f"cannot listen on 127.0.0.1:{ivr.port}, UDP: Address already in use", taken)
        shared = self.ivr("serve", *options, "--port", "0", "--db", "ivr.db", code=1).stderr
        self.assertIn("ivr.db.calls", shared)
        self.assertIn(str(ivr.process.pid), shared)
        self.called(ivr, "alice")  # nothing of that has hurt the first one

    def tables(self):
        with sqlite3.connect(f"file:{os.path.join(self.folder, 'ivr.db')}?mode=ro", uri=True) as db:
            tables = {t: db.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall()
                      for t in ("calls", "call_events", "node_visits", "flows")}
        db.close()
        return tables

    def test_s3_26_starting_again_on_the_same_database_changes_nothing(self):
        ivr = self.serve().ready()
        self.called(ivr, "alice")
        self.assertEqual(ivr.stop(), 0)
        before = self.tables()
        self.assertEqual([len(before[t]) for t in ("calls", "flows")], [1, 1])
        for _ in range(2):
            again = self.serve().ready()
            self.assertEqual(again.of("listening")[0]["recovered_calls"], 0)
            self.assertEqual(again.stop(), 0)
            self.assertEqual(self.tables(), before)
        # A call in between: one more of everything but the flow.
        ivr = self.serve().ready()
        self.called(ivr, "bob")
        self.assertEqual(ivr.stop(), 0)
        after = self.tables()
        self.assertEqual([len(after[t]) for t in ("calls", "flows")], [2, 1])
        self.assertEqual(after["flows"], before["flows"])
        for table in ("calls", "call_events", "node_visits"):
            self.assertTrue(set(before[table]) < set(after[table]))

    def test_sigterm_drains_the_call_in_progress(self):
        ivr = self.serve().ready()
        results = []
        caller = threading.Thread(target=lambda: results.append(server.call(
            ivr.uri("2001"), "expect-audio; wait 1s; press 1; listen", "--from", "sip:last@127.0.0.1")))
        caller.start()
        wait_for(lambda: ivr.of("said"), "the prompt")
        ivr.process.terminate()
        self.assertEqual(ivr.process.wait(timeout=60), 0)
        ivr.out.close()
        caller.join()
        self.assertTrue(results[0]["answered"])
        record = ivr.of("call_ended")[0]["record"]
        self.assertEqual((record["status"], record["cause"]), ("completed", "script"))


if __name__ == "__main__":
    unittest.main()
