"""Every flow that ships answers scripted calls: what was said, pressed, visited, kept, and that a replay agrees."""
import concurrent.futures
import datetime
import json
import os
import shutil
import subprocess
import sys
import unittest
import zoneinfo

import server

SPOKEN_SECONDS = 2.0


def edited(folder, name, new_name, edit):
    """A shipped flow with one thing changed, beside the server."""
    with open(os.path.join(server.FLOWS, name + ".json"), encoding="utf-8") as f:
        flow = json.load(f)
    edit(flow)
    with open(os.path.join(folder, new_name + ".json"), "w", encoding="utf-8") as f:
        json.dump(flow, f, ensure_ascii=False)
    return os.path.join(folder, new_name + ".json")


class ShippedFlows(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = server.folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        services = {"both": (), "query": ("--forms", "query"), "slow": ("--delay", "2.5"), "stuck": ("--delay", "60")}
        urls = {}
        for name, options in services.items():
            service = server.BalanceService(*options)
            cls.addClassCleanup(service.stop)
            urls[name] = service.url
        urls["dead"] = f"http://127.0.0.1:{server.free_port()}"
        subprocess.run([sys.executable, os.path.join(server.SOURCE, "bench", "harness", "gen_prompts.py"), cls.folder], check=True)

        def closed(flow):
            flow["calendars"]["desk"]["override"] = "closed"

        def opened(flow):
            flow["calendars"]["desk"]["override"] = "open"

        def shipped(name):
            return os.path.join(server.FLOWS, name + ".json")
        extensions = {f"2001-{name}": {"flow": shipped("balance_inquiry"), "variables": {"balance_url": url}}
                      for name, url in urls.items()}
        extensions |= {
            "voicemail": shipped("voicemail"),
            "closed": edited(cls.folder, "voicemail", "closed", closed),
            "open": {"flow": edited(cls.folder, "voicemail", "open", opened),
                     "variables": {"desk_uri": f"sip:desk@127.0.0.1:{server.free_port()}"}},
            "2020": shipped("survey"), "tones": shipped("tone_toggle"), "greeting": shipped("greeting")}
        config = os.path.join(cls.folder, "server.json")
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"extensions": extensions}, f)
        cls.server = server.Server(cls.folder, "--config", config, "--prompts", cls.folder, rtp="10000-10999").ready()
        cls.addClassCleanup(cls.server.kill)
        cls.message = server.write_tone(os.path.join(cls.folder, "message.wav"), 500, SPOKEN_SECONDS)

        # All callers at once: a call takes the time that it takes, and the server is there for many.
        calls = {
            "english": ("2001-both", "expect-audio; press 11001#; listen; press 9; listen"),
            "arabic": ("2001-both", "expect-audio; press 24321#; listen; press 9; listen"),
            "inband": ("2001-both", "expect-audio; press 1w12345#; listen; press 9; listen", "--inband"),
            "pcma_tcp": ("2001-both;transport=tcp", "expect-audio; press 1123456#; listen; press 9; listen", "--codec", "pcma"),
            "by_query": ("2001-query", "expect-audio; press 12001#; listen; press 9; listen"),
            "unknown": ("2001-both", "expect-audio; press 19999#; listen; wait 1500ms; press 1001#; listen; press 9; listen"),
            "slow": ("2001-slow", "expect-audio; press 21001#; wait 3s; listen; press 9; listen"),
            "stuck": ("2001-stuck", "expect-audio; press 11001#; wait 11500ms; listen; press 9; listen"),
            "dead": ("2001-dead", "expect-audio; press 11001#; wait 700ms; listen; press 9; listen"),
            "message": ("2001-both", f"expect-audio; press 11001#; listen; press 2; wait 6s; say {cls.message}; press #; listen"),
            "closed": ("closed", f"expect-audio; press 0; wait 7s; say {cls.message}; press #; listen"),
            "closed_inband": ("closed", f"expect-audio; press 0; wait 7s; say {cls.message}; wait 300ms; press #; listen",
                              "--inband", "--codec", "pcma"),
            "open": ("open", "expect-audio; wait 3s; press 0; wait 5500ms; press #; listen"),
            "by_clock": ("voicemail", "expect-audio; hangup"),
            "survey": ("2020", "expect-audio; wait 9s; press 57; wait 300ms; press 4321; listen"),
            "survey_inband": ("2020", "expect-audio; wait 9s; press 5w5w5w5w4; listen", "--inband"),
            "tones": ("tones", "expect-audio; wait 1s; press 1; wait 1s; press 2; wait 1s; hangup"),
            "tones_inband": ("tones", "expect-audio; wait 1s; press 1; wait 1s; press 2; wait 1s; hangup", "--inband"),
            "greeting": ("greeting", "wait 20s", "--codec", "pcma"),
            "greeting_l16": ("greeting;transport=tcp", "wait 20s", "--codec", "l16"),
        }

        def dial(name):
            extension, do, *options = calls[name]
            extension, semicolon, parameter = extension.partition(";")
            return server.call(cls.server.uri(extension, semicolon + parameter), do, "--from", f"sip:{name}@127.0.0.1",
                               "--record", os.path.join(cls.folder, "robots"), *options)
        with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
            cls.robots = dict(zip(calls, pool.map(dial, calls)))

    def dialled(self, caller):
        """The robot's own result and the server's view of its call, with what holds for every call checked."""
        robot = self.robots[caller]
        self.assertTrue(robot["answered"], robot)
        heard = self.server.call_by(caller)
        heard.check(self)
        self.assertEqual(heard.record["status"], "completed")
        self.assertEqual((heard.rtp["foreign"], heard.rtp["malformed"]), (0, 0))
        return robot, heard

    def balance(self, caller, path, *said, language="en", source="rtp-event"):
        robot, heard = self.dialled(caller)
        self.assertEqual(heard.path, path)
        for text in said:
            self.assertTrue(any(text in s for s in heard.said), (text, heard.said))
        self.assertEqual(heard.record["language"], language)
        self.assertEqual(heard.sources, {source})
        self.assertEqual(heard.pressed, robot["digits_sent"])
        self.assertGreater(robot["audio_heard_ms"], 2000)
        return heard

    def test_balance_is_said_in_english(self):
        heard = self.balance("english", ["welcome", "account", "lookup", "balance", "what_next", "goodbye"],
                             "one thousand two hundred thirty four dollars and fifty cents", "Goodbye")
        self.assertEqual(heard.record["variables"]["account"], "1001")
        self.assertEqual(heard.record["variables"]["amount"], 1234.5)
        self.assertEqual(heard.record["variables"]["currency"], "USD")

    def test_balance_is_said_in_arabic(self):
        self.balance("arabic", ["welcome", "account", "lookup", "balance", "what_next", "goodbye"],
                     "رصيدك هو", "عشرون ألف", "مع السلامة", language="ar")

    def test_balance_by_tones_in_the_audio(self):
        self.balance("inband", ["welcome", "account", "lookup", "balance", "what_next", "goodbye"],
                     "two hundred fifty dollars and seventy five cents", source="inband")

    def test_balance_with_a_law_over_tcp(self):
        self.balance("pcma_tcp", ["welcome", "account", "lookup", "balance", "what_next", "goodbye"], "one million")

    def test_balance_from_a_service_that_wants_the_account_as_a_query(self):
        heard = self.balance("by_query", ["welcome", "account", "lookup", "lookup_by_query", "balance", "what_next", "goodbye"],
                             "fifteen euros and seven cents")
        self.assertIn(("lookup", "status:404"), heard.visits)

    def test_an_unknown_account_is_read_back_and_asked_again(self):
        self.balance("unknown", ["welcome", "account", "lookup", "lookup_by_query", "unknown_account", "account", "lookup",
                                 "balance", "what_next", "goodbye"], "There is no account nine nine nine nine")

    def test_a_slow_service_is_bridged_by_a_filler(self):
        self.balance("slow", ["welcome", "account", "lookup", "balance", "what_next", "goodbye"], "لحظة من فضلك", language="ar")

    def test_a_stuck_service_is_left_by_its_time_out(self):
        heard = self.balance("stuck", ["welcome", "account", "lookup", "unavailable", "what_next", "goodbye"],
                             "One moment, please.", "cannot be looked up")
        self.assertIn(("lookup", "timeout"), heard.visits)

    def test_a_dead_service_is_told(self):
        heard = self.balance("dead", ["welcome", "account", "lookup", "unavailable", "what_next", "goodbye"], "cannot be looked up")
        self.assertIn(("lookup", "error"), heard.visits)

    def message_of(self, caller, node):
        robot, heard = self.dialled(caller)
        self.assertEqual(heard.visits[-2:], [(node, "next"), (heard.path[-1], "hangup")])
        recorded, = heard.of("recorded")
        self.assertEqual(recorded["file"], heard.record["variables"]["message_file"])
        samples, = server.read_wav(recorded["file"])
        self.assertAlmostEqual(len(samples) / 8, recorded["length_ms"], delta=20)
        return robot, heard, samples

    def spoken(self, samples):
        return sum(0.02 for level in server.levels(samples) if level > 500)

    def test_a_message_is_kept_whole(self):
        for caller, node in (("message", "message"), ("closed", "voicemail")):
            with self.subTest(caller):
                _, heard, samples = self.message_of(caller, node)
                self.assertAlmostEqual(self.spoken(samples), SPOKEN_SECONDS, delta=0.1)
                self.assertAlmostEqual(server.share(samples, 500), SPOKEN_SECONDS, delta=0.3)
                # '#' ended it, not the silence afterwards.
                self.assertLess(len(server.levels(samples)) * 0.02 - SPOKEN_SECONDS, 5.0)

    def test_a_message_ended_by_a_tone_is_kept(self):
        _, heard, samples = self.message_of("closed_inband", "voicemail")
        self.assertEqual(heard.sources, {"inband"})
        self.assertAlmostEqual(server.share(samples, 500), SPOKEN_SECONDS, delta=0.3)

    def test_after_hours_the_caller_comes_to_the_voicemail(self):
        _, heard = self.dialled("closed")
        self.assertEqual(heard.visits, [("hours", "closed"), ("closed", "next"), ("voicemail", "next"), ("thanks", "hangup")])

    def test_a_desk_that_is_not_there_leads_to_the_voicemail(self):
        _, heard, samples = self.message_of("open", "voicemail")
        self.assertEqual(heard.path, ["hours", "desk", "nobody", "voicemail", "thanks"])
        self.assertNotEqual(dict(heard.visits)["desk"], "next")
        self.assertEqual(self.spoken(samples), 0)

    def test_the_voicemail_goes_by_the_desks_calendar(self):
        _, heard = self.dialled("by_clock")
        start = datetime.datetime.fromtimestamp(heard.record["answered_ms"] / 1000, zoneinfo.ZoneInfo("Europe/London"))
        holiday = (start.month, start.day) in ((1, 1), (12, 25), (12, 26))
        is_open = start.weekday() < 5 and (9, 0) <= (start.hour, start.minute) < (17, 30) and not holiday
        self.assertEqual(heard.visits[0], ("hours", "open" if is_open else "closed"))

    def test_a_survey_keeps_five_ratings_and_asks_a_wrong_one_again(self):
        _, heard = self.dialled("survey")
        self.assertEqual(heard.visits, [
            ("intro", "next"), ("satisfaction", "next"), ("friendliness", "retry"), ("friendliness", "next"), ("answer", "next"),
            ("waiting", "next"), ("recommendation", "next"), ("store", "next"), ("thanks", "hangup")])
        self.assertTrue(any("Please press a key from 1 to 5." in s for s in heard.said), heard.said)
        self.assertEqual(heard.record["variables"], {"rating_1": "5", "rating_2": "4", "rating_3": "3", "rating_4": "2",
                                                     "rating_5": "1", "average": 3})
        self.assertTrue(any("three" in s for s in heard.said), heard.said)

    def test_a_survey_by_tones(self):
        _, heard = self.dialled("survey_inband")
        self.assertEqual(heard.pressed, "55554")
        self.assertEqual(heard.record["variables"]["average"], 4.8)

    def test_a_key_switches_the_tone_at_once(self):
        for caller, source in (("tones", "rtp-event"), ("tones_inband", "inband")):
            with self.subTest(caller):
                robot, heard = self.dialled(caller)
                self.assertEqual((heard.pressed, heard.sources), ("12", {source}))
                self.assertEqual(heard.path[:5], ["tone_a", "choose_from_a", "tone_b", "choose_from_b", "tone_a"])
                left, right = server.read_wav(robot["recording"])
                kinds, changes = "", []  # A is quiet and B loud; a packet that holds both is neither
                for i, level in enumerate(server.levels(left)):
                    kind = "A" if 700 < level < 1300 else "B" if level > 6000 else ""
                    if kind and kinds[-1:] != kind:
                        kinds += kind
                        changes.append(i)
                self.assertEqual(kinds, "ABA")
                # Nothing is heard between two tones but the tones.
                neither = sum(0.02 for level in server.levels(left) if level < 100)
                self.assertLess(neither, 0.3)
                # In the robot's own recording, from the key's tone until the other tone is heard.
                if source == "inband":
                    keys = [i for i, level in enumerate(server.levels(right)) if level > 500]
                    onsets = [i for i in keys if i - 1 not in keys]
                    self.assertEqual(len(onsets), 2)
                    for onset, change in zip(onsets, changes[1:]):
                        self.assertLess((change - onset) * 0.02, 0.5)

    def test_the_greeting_hangs_up_by_itself(self):
        for caller in ("greeting", "greeting_l16"):
            with self.subTest(caller):
                robot, heard = self.dialled(caller)
                self.assertEqual(heard.visits, [("hello", "next"), ("bye", "hangup")])
                self.assertEqual((robot["ended_by"], heard.record["cause"]), ("peer", "script"))
                self.assertGreater(robot["audio_heard_ms"], 2000)


if __name__ == "__main__":
    unittest.main()
