"""ivr simulate and ivr test: calls that nobody makes."""
import html.parser
import json
import os
import shutil
import unittest

import server
from server import IVR, run

EXAMPLES = os.path.join(os.environ["IVR_SOURCE_DIR"], "examples")
FLOWS = os.path.join(EXAMPLES, "flows")
SITES = {"support_desk": "support_desk", "feature_codes": "support_desk", "front_desk": "front_desk"}


def arguments_for(flow):
    site = SITES.get(flow)
    return [os.path.join(FLOWS, flow + ".json")] + (
        ["--site", os.path.join(EXAMPLES, site, "site.json")] if site else [])


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]


class Program(unittest.TestCase):
    def setUp(self):
        self.folder = server.folder()
        self.addCleanup(shutil.rmtree, self.folder)

    def ivr(self, *arguments, code=0):
        done = run(IVR, *arguments, cwd=self.folder)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def file(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(content, f)
        return path


class Simulations(Program):
    def simulate(self, *arguments):
        return json.loads(self.ivr("simulate", *arguments, "--json").stdout)

    def test_one_thread_and_two_give_the_same_and_another_seed_does_not(self):
        desk = arguments_for("support_desk") + ["--calls", "1500", "--rate", "20"]
        one, two = self.simulate(*desk, "--threads", "1"), self.simulate(*desk, "--threads", "2")
        self.assertEqual(one, two)
        self.assertEqual((one["calls"], one["days"]), (1500, 4))
        self.assertEqual(sum(end["count"] for end in one["outcomes"].values()), 1500)
        self.assertNotEqual(one["hash"], self.simulate(*desk, "--seed", "2")["hash"])

    def test_the_page_is_whole_in_itself(self):
        text = self.ivr("simulate", *arguments_for("support_desk"), "--calls", "300", "--html", "page.html").stdout
        self.assertIn("How calls ended", text)
        with open(os.path.join(self.folder, "page.html"), encoding="utf-8") as f:
            page = Page()
            page.feed(f.read())
        self.assertIn("svg", page.tags)
        self.assertNotIn("script", page.tags)
        self.assertEqual(page.links, [])

    def test_the_callers_file_decides(self):
        callers = self.file("callers.json", {
            "arrivals": {"per_hour": 100}, "goals": ["balance"],
            "callers": {"answers": {"welcome": {"1": 1}, "account": {"1001#": 1}, "what_next": {"9": 1}}},
            "api": [{"url": "*/balance/1001", "body": {"balance": 7}}]})
        result = self.simulate(*arguments_for("balance_inquiry"), "--callers", callers, "--calls", "50")
        self.assertEqual(result["goals"]["share"], 1)
        self.assertEqual(result["unanswered"], {})
        self.assertEqual(result["outcomes"]["normal"]["count"], 50)

    def test_the_same_callers_with_another_desk(self):
        site = os.path.join(EXAMPLES, "support_desk", "site.json")
        with open(site, encoding="utf-8") as f:
            other = json.load(f)
        del other["agents"]["tech2"]
        other["queues"]["tech"]["members"] = ["tech1"]
        other["agents"]["tech1"]["capacity"] = 1
        with open(os.path.join(FLOWS, "support_desk.json"), encoding="utf-8") as f:
            flow = json.load(f)
        flow["nodes"]["direct"]["agents"].remove("tech2")
        path = self.file("support_desk.json", flow)
        arrivals = self.file("calls.json", {"arrivals": [
            {"at": f"2026-03-16T10:{m:02}:00+03:00", "caller": "1001", "talk": "5m", "patience": "1h",
             "answers": [["welcome", "1"], ["menu", "2"]]} for m in range(0, 60, 2)]})
        both = self.simulate(path, "--site", site, "--arrivals", arrivals, "--against", self.file("other.json", other))
        before, after = both["before"]["queues"]["tech"], both["after"]["queues"]["tech"]
        self.assertEqual((before["joined"], after["joined"]), (30, 30))
        self.assertGreater(after["wait"]["mean_s"], 10 * before["wait"]["mean_s"])
        text = self.ivr("simulate", path, "--site", site, "--arrivals", arrivals, "--against", "other.json").stdout
        self.assertRegex(text, r"mean wait +[\d.]+ s +\d+:\d+ min")

    def test_what_is_wrong_is_named(self):
        wrong = self.file("wrong.json", {"callers": {"wrong": 7}})
        done = self.ivr("simulate", *arguments_for("greeting"), "--callers", wrong, code=1)
        self.assertIn("/callers/wrong", done.stderr)
        self.assertIn("nowhere.json: cannot be read", self.ivr("simulate", "nowhere.json", code=2).stderr)
        self.assertIn("no node", self.ivr("simulate", *arguments_for("greeting"), "--goal", "x", code=1).stderr)
        self.ivr("simulate", code=2)


class Scenarios(Program):
    def test_every_shipped_flow_does_what_its_scenarios_say(self):
        for name in sorted(os.listdir(FLOWS)):
            flow = os.path.splitext(name)[0]
            with self.subTest(flow):
                scenarios = os.path.join(EXAMPLES, "scenarios", name)
                done = self.ivr("test", *arguments_for(flow), scenarios)
                self.assertIn("\nok 1 - ", done.stdout)
                self.assertNotIn("not ok", done.stdout)

    def test_a_changed_flow_fails_and_the_call_is_shown(self):
        with open(os.path.join(FLOWS, "survey.json"), encoding="utf-8") as f:
            flow = json.load(f)
        flow["nodes"]["friendliness"]["next"] = "waiting"
        del flow["nodes"]["answer"]
        flow["nodes"]["store"]["set"]["average"]["expression"] = "rating_1"
        path = self.file("survey.json", flow)
        scenarios = os.path.join(EXAMPLES, "scenarios", "survey.json")
        text = self.ivr("test", path, scenarios, code=1).stdout
        self.assertIn("not ok 1 - five answers", text)
        self.assertIn("average must be 4.2, and is ", text)
        self.assertIn("hears: Thank you for taking part", text)
        report = json.loads(self.ivr("test", path, scenarios, "--json", code=1).stdout)
        self.assertGreaterEqual(report["failed"], 1)
        self.assertFalse(report["scenarios"][0]["ok"])
        self.ivr("test", path, scenarios, "--only", "silence")
        wrong = self.file("wrong.json", {"scenarios": [{"name": "x", "caller": ["z"], "expect": {"reason": "y"}}]})
        self.assertIn("'z' is no key", self.ivr("test", path, wrong, code=1).stderr)


if __name__ == "__main__":
    unittest.main()
