"""tools/bench_compare with programs whose times are known."""
import json
import os
import stat
import subprocess
import tempfile
import unittest

COMPARE = os.path.join(os.environ["IVR_SOURCE_DIR"], "tools", "bench_compare")


class BenchCompare(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def program(self, name, times, extra=""):
        """Prints the next of `times`, in microseconds, with each run, and notes its options."""
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"""#!/usr/bin/python3
import json, os, sys
state = __file__ + ".runs"
n = len(open(state).readlines()) if os.path.exists(state) else 0
print(" ".join(sys.argv[1:]), file=open(state, "a"))
times = {times!r}
t = times[n % len(times)]
rows = [{{"name": "Step", "run_type": "iteration", "real_time": 2 * t, "cpu_time": t, "time_unit": "us", "calls": 7 + t}},
        {{"name": "Step_mean", "run_type": "aggregate", "real_time": 0, "cpu_time": 0, "time_unit": "us"}}]
{extra}
print(json.dumps({{"benchmarks": rows}}))
""")
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        return path

    def compare(self, *arguments):
        return subprocess.run([COMPARE, *arguments], capture_output=True, text=True, timeout=60)

    def runs(self, path):
        with open(path + ".runs", encoding="utf-8") as file:
            return file.read().splitlines()

    def test_a_ratio_is_that_of_medians_so_one_bad_round_does_not_count(self):
        old, new = self.program("old", [100, 100, 5000]), self.program("new", [50, 9000, 50])
        done = self.compare(old, new, "--rounds", "3", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        self.assertEqual([row["name"] for row in told["benchmarks"]], ["Step"])
        row = told["benchmarks"][0]
        self.assertEqual((row["old"], row["new"], row["ratio"]), (100e3, 50e3, 0.5))
        self.assertGreater(row["old_spread_percent"], 1000)
        self.assertEqual(len(self.runs(old)), 3)
        text = self.compare(old, new, "--rounds", "3").stdout
        self.assertIn("medians of 3 rounds", text)
        self.assertRegex(text, r"Step +100 us +50 us +0\.500 ")

    def test_compares_counters_and_hands_options_on(self):
        old, new = self.program("old", [1]), self.program("new", [9])
        done = self.compare(old, new, "--rounds", "1", "--measure", "calls", "--filter", "St.p", "--json", "--", "--benchmark_min_time=0.01")
        self.assertEqual(json.loads(done.stdout)["benchmarks"][0]["ratio"], 2)
        self.assertEqual(self.runs(new), ["--benchmark_format=json --benchmark_min_time=0.01 --benchmark_filter=St.p"])

    def test_says_what_cannot_be_compared(self):
        good = self.program("good", [1])
        other = self.program("other", [1], "rows[0]['name'] = 'Else'")
        broken = self.program("broken", [1], "sys.exit('no such file')")
        skipped = self.program("skipped", [1], "rows[0].update(error_occurred=True, error_message='media did not start')")
        for arguments, message in (((good, other), "the two have no benchmark in common"),
                                   ((good, broken), "broken ended with 1: no such file"),
                                   ((good, skipped), "Step: media did not start"),
                                   ((good, good, "--measure", "bytes"), "Step has no 'bytes'; it has calls, cpu_time, real_time"),
                                   ((good, good, "--rounds", "0"), "--rounds is 0; at least 1 is needed"),
                                   ((good, os.path.join(self.folder.name, "none")), "none: No such file or directory")):
            done = self.compare(*arguments, *(() if "--rounds" in arguments else ("--rounds", "1")))
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn(message, done.stderr)


if __name__ == "__main__":
    unittest.main()
