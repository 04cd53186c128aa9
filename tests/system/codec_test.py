"""Every codec on a real call: extension 2001 is called, keys are pressed as events and as tones, and audio is heard."""
import concurrent.futures
import json
import os
import shutil
import unittest

import server

CODECS = ("pcmu", "pcma", "g722", "opus", "l16", "l16-16k")


class Codecs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = server.folder()
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        service = server.BalanceService()
        cls.addClassCleanup(service.stop)
        config = os.path.join(cls.folder, "server.json")
        flow = os.path.join(server.FLOWS, "balance_inquiry.json")
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"rtp": {"codecs": ",".join(reversed(CODECS)), "dtx": True},
                       "extensions": {"2001": {"flow": flow, "record": True, "variables": {"balance_url": service.url}}}}, f)
        cls.server = server.Server(cls.folder, "--config", config, rtp="11000-11999").ready()
        cls.addClassCleanup(cls.server.kill)

        def dial(case):
            codec, kind = case
            return server.call(cls.server.uri("2001"), f"expect-audio; press {'1w12345#' if kind == 'tones' else '112345#'}; listen; press 9; listen",
                               "--from", f"sip:{codec}-{kind}@robots", "--codec", codec, "--record", os.path.join(cls.folder, f"{codec}-{kind}"),
                               *(("--inband",) if kind == "tones" else ()))
        cases = [(codec, kind) for codec in CODECS for kind in ("events", "tones")]
        with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
            cls.results = dict(zip(cases, pool.map(dial, cases)))

    def test_every_codec_runs_the_flow_to_its_end(self):
        for (codec, kind), result in self.results.items():
            with self.subTest(codec=codec, keys=kind):
                self.assertTrue(result["answered"], result)
                self.assertTrue(all(step["ok"] for step in result["steps"]), result)
                call = self.server.call_by(f"{codec}-{kind}")
                self.assertEqual(call.pressed, "1" + "12345#" + "9" if kind == "tones" else "112345#9")
                self.assertEqual(call.sources, {"inband" if kind == "tones" else "rtp-event"})
                self.assertEqual(call.rtp["lost"], 0)
                self.assertEqual(call.rtp["malformed"], 0)
                self.assertGreater(result["audio_heard_ms"], 4000)
                call.check(self)

    def test_what_was_heard_is_what_was_said(self):
        # The server's own recording of what it sent, and the caller's of what came, are as loud in every codec.
        for (codec, kind), result in self.results.items():
            with self.subTest(codec=codec, keys=kind):
                heard, _ = server.read_wav(result["recording"])
                loud = [level for level in server.levels(heard) if level > 300]
                self.assertGreater(len(loud) * 0.02, 3.0, "seconds of speech")
                call = self.server.call_by(f"{codec}-{kind}")
                path = os.path.join(self.folder, call.record["recording"])
                _, said = server.read_wav(path)
                spoken = [level for level in server.levels(said) if level > 300]
                self.assertAlmostEqual(len(loud) / len(spoken), 1.0, delta=0.1)
                self.assertAlmostEqual(sum(loud) / len(loud) / (sum(spoken) / len(spoken)), 1.0, delta=0.15)

    def test_a_codec_that_is_not_taken_is_refused(self):
        with open(os.path.join(self.folder, "narrow.json"), "w", encoding="utf-8") as f:
            json.dump({"extensions": {"2001": os.path.join(server.FLOWS, "greeting.json")}}, f)
        own = os.path.join(self.folder, "narrow")
        os.mkdir(own)
        narrow = server.Server(own, "--config", os.path.join(self.folder, "narrow.json"), "--codecs", "pcma,g722", rtp="12000-12099").ready()
        try:
            self.assertFalse(server.call(narrow.uri("2001"), "expect-audio; hangup", "--codec", "opus")["answered"])
            self.assertTrue(server.call(narrow.uri("2001"), "expect-audio; hangup", "--codec", "g722")["answered"])
        finally:
            narrow.kill()

    def test_codecs_that_do_not_exist_are_named(self):
        flow = f"2001={os.path.join(server.FLOWS, 'greeting.json')}"
        done = server.run(server.IVR, "serve", "--flow", flow, "--codecs", "pcmu,gsm", cwd=self.folder)
        self.assertEqual(done.returncode, 2)
        self.assertIn("codec 'gsm': there are pcmu, pcma", done.stderr)
        done = server.run(server.IVR, "serve", "--flow", flow, "--codecs", "pcmu,pcmu", cwd=self.folder)
        self.assertEqual(done.returncode, 2)
        self.assertIn("codec 'pcmu' is named twice", done.stderr)


if __name__ == "__main__":
    unittest.main()
