"""ivr load, report and why: what a desk is set up with, what it did in a day, and how it chose."""
import csv
import datetime
import json
import os
import random
import shutil
import sqlite3
import unittest
import zoneinfo

import server
from server import IVR, SOURCE, run

DESK = os.path.join(SOURCE, "examples", "support_desk", "site.json")
ZONE = zoneinfo.ZoneInfo("Asia/Riyadh")
DAY = datetime.datetime(2026, 11, 20, tzinfo=ZONE)
SINCE = int(DAY.timestamp()) * 1_000_000
UNTIL = SINCE + 24 * 3600 * 1_000_000
HOSTILE = ["=cmd|' /C calc'!A0", "+966500000000", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "a\",\"b", "line\r\nline", "عميل",
           "plain", "", "a;b"]


def neutral(text):
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def seconds(ms):
    return f"{ms // 1000}.{ms % 1000:03d}"


class DeskTools(unittest.TestCase):
    def setUp(self):
        self.folder = server.folder()
        self.addCleanup(shutil.rmtree, self.folder)
        self.db = os.path.join(self.folder, "ivr.db")

    def ivr(self, *arguments, code=0):
        done = run(IVR, *arguments, cwd=self.folder)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def load(self, site, **options):
        return json.loads(self.ivr("load", site, "--db", self.db, "--json", **options).stdout)

    def desk(self):
        """A copy of the support desk that may be changed."""
        shutil.copytree(os.path.join(SOURCE, "examples", "flows"), os.path.join(self.folder, "flows"))
        os.mkdir(os.path.join(self.folder, "desk"))
        path = os.path.join(self.folder, "desk", "site.json")
        with open(DESK, encoding="utf-8") as f:
            return path, json.load(f)

    def write(self, path, site):
        with open(path, "w", encoding="utf-8") as f:
            f.write(site if isinstance(site, str) else json.dumps(site, ensure_ascii=False))

    # S0-41..43
    def test_the_support_desk_loads_once_and_then_nothing_changes(self):
        first = self.load(DESK)
        self.assertEqual((first["agents"], first["queues"], first["flows"]), (4, 2, 2))
        for name in ("agent tech1", "queue tech", "calendar support", "extension 2001", "flow ../flows/support_desk.json"):
            self.assertIn(name, first["new"])
        dump = sqlite3.connect(self.db).execute("SELECT kind, id, json FROM documents ORDER BY 1, 2").fetchall()
        second = self.ivr("load", DESK, "--db", self.db).stdout
        self.assertIn("nothing changed", second)
        db = sqlite3.connect(self.db)
        self.assertEqual(db.execute("SELECT kind, id, json FROM documents ORDER BY 1, 2").fetchall(), dump)
        self.assertEqual(db.execute("SELECT count(*) FROM flows WHERE id = 'support_desk'").fetchone(), (1,))

    def test_a_changed_site_says_what_is_new_changed_and_removed(self):
        path, site = self.desk()
        self.write(path, site)
        self.load(path)
        site["agents"]["tech1"]["capacity"] = 4
        site["agents"]["night"] = {"name": "Night"}
        del site["agents"]["general"]
        site["queues"]["general"]["members"] = ["night"]
        self.write(path, site)
        refused = self.ivr("load", path, "--db", self.db, code=1).stderr  # the flow names the agent
        self.assertIn("general", refused)
        site["agents"]["general"] = {}
        del site["demo_users"]["1001"]
        self.write(path, site)
        changes = self.load(path)
        self.assertEqual(changes["new"], ["agent night"])
        self.assertEqual(sorted(changes["changed"]), ["agent general", "agent tech1", "queue general"])
        self.assertEqual(changes["removed"], ["demo_user 1001"])
        self.assertGreater(changes["unchanged"], 10)

    def test_what_is_wrong_is_refused_with_its_place_and_stores_nothing(self):
        path, site = self.desk()
        self.write(path, site)
        self.load(path)
        before = sqlite3.connect(self.db).execute("SELECT kind, id, json FROM documents").fetchall()
        for change, words in (
                (lambda s: s["queues"]["tech"].update(strategy="best"), "/queues/tech"),
                (lambda s: s["queues"]["tech"].update(max_sise=3), "did you mean 'max_size'?"),
                (lambda s: s["queues"]["tech"]["members"].append("tehc2"), "did you mean 'tech2'?"),
                (lambda s: s["calendars"]["support"].update(time_zone="Asia/Riyad"), "no time zone 'Asia/Riyad'"),
                (lambda s: s["extensions"].update({"2002": "nowhere.json"}), "nowhere.json"),
                (lambda s: s["queues"].pop("tech"), "tech")):
            with open(DESK, encoding="utf-8") as f:
                bad = json.load(f)
            change(bad)
            self.write(path, bad)
            self.assertIn(words, self.ivr("load", path, "--db", self.db, code=1).stderr)
        self.assertEqual(sqlite3.connect(self.db).execute("SELECT kind, id, json FROM documents").fetchall(), before)
        self.write(path, "{")
        self.assertIn("line 1", self.ivr("load", path, "--db", self.db, code=1).stderr)
        self.ivr("load", code=2)
        self.ivr("load", "no-such-file.json", "--db", self.db, code=1)
        self.assertIn("no defect", self.ivr("load", DESK, "--check", "--db", "unused.db").stdout)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "unused.db")))

    # ------------------------------------------------------------------------------------------ report

    def made_up_days(self, seed, calls=400):
        """Three days of a desk, around DAY, as a router would have logged them."""
        draw = random.Random(seed)
        steps = []

        def step(at, event, *commands, of=()):
            steps.append((at, event, list(commands), of))

        def change(at, agent, state):
            step(at, {"type": "tick"}, {"type": "agent_changed", "agent": agent, "state": state,
                                        "contacts": int(state == "on_call"), "reason": ""})

        records, entry, offer = [], 0, 0
        for agent in ("billing", "tech1", "tech2", "general"):
            at = SINCE - 20 * 3600 * 1_000_000
            while at < UNTIL + 3600 * 1_000_000:
                change(at, agent, draw.choice(["available", "available", "on_call", "wrap_up", "on_break", "offline"]))
                at += draw.randrange(1, 2 * 3600 * 1_000_000)
        for n in range(calls):
            call = f"call-{n}"
            start = SINCE + draw.randrange(-3 * 3600, 27 * 3600) * 1_000_000 + draw.randrange(1_000_000)
            status = draw.choice(["completed", "completed", "failed", "abandoned"])
            answered = start + draw.randrange(3_000_000) if status != "failed" or draw.random() < 0.5 else None
            ended = start + draw.randrange(4_000_000, 900_000_000)
            records.append((call, start, answered, ended, status, draw.choice(HOSTILE)))
            if answered is None:
                continue
            at, queue = answered + 5_000_000, draw.choice(["tech", "general"])
            entry += 1
            joined = at
            step(at, {"type": "join", "call": call, "queue": queue},
                 {"type": "joined", "entry": entry, "call": call, "queue": queue, "position": 1, "resumed": False}, of=[call])
            if draw.random() < 0.5:
                at += draw.randrange(1_000_000)
                step(at, {"type": "tick"}, {"type": "announce", "entry": entry, "call": call, "position": 1,
                                            "more_than": False, "wait": draw.randrange(90_000), "message": -1}, of=[call])
            exit_ = draw.choice(["served", "served", "served", "abandoned", "timeout", "key", "callback", "system"])
            agent = ""
            for _ in range(draw.randrange(3) if exit_ != "served" else draw.randrange(1, 4)):
                offer += 1
                agent = draw.choice(["tech1", "tech2", "general"])
                at += draw.randrange(20_000_000)
                step(at, {"type": "tick"}, {"type": "offer", "offer": offer, "entry": entry, "call": call,
                                            "agent": agent, "queue": queue, "ring_limit": 30_000}, of=[call])
                at += draw.randrange(15_000_000)
                last_offer = offer
                if draw.random() < 0.5:
                    step(at, {"type": "refused", "offer": offer, "why": draw.choice(["no_answer", "busy", "rejected"])}, of=[call])
                    last_offer = None
            if exit_ == "served":
                if last_offer is None:
                    offer += 1
                    last_offer = offer
                    step(at, {"type": "tick"}, {"type": "offer", "offer": offer, "entry": entry, "call": call,
                                                "agent": agent, "queue": queue, "ring_limit": 30_000}, of=[call])
                    at += 2_000_000
                connected = at
                step(at, {"type": "accepted", "offer": last_offer},
                     {"type": "connect", "offer": last_offer, "entry": entry, "call": call, "agent": agent,
                      "waited": (at - joined) // 1000, "tried": []}, of=[call])
                at += draw.randrange(400_000_000)
                step(at, {"type": "talk_ended", "offer": last_offer},
                     {"type": "left", "entry": entry, "call": call, "queue": queue, "exit": "served", "agent": agent,
                      "waited": (connected - joined) // 1000, "talked": (at - connected) // 1000, "tried": []}, of=[call])
            else:
                at += draw.choice([0, 1_000_000, 60_000_000])
                step(at, {"type": "leave", "call": call, "why": "hung_up"},
                     {"type": "left", "entry": entry, "call": call, "queue": queue, "exit": exit_, "agent": "",
                      "waited": (at - joined) // 1000, "talked": 0, "tried": []}, of=[call])
        steps.sort(key=lambda s: s[0])
        for gone in sorted(draw.sample(range(1, len(steps)), 6), reverse=True):  # and nothing ran before the next step
            steps.insert(gone, (steps[gone][0], {"type": "restarted"}, [], []))
        db = sqlite3.connect(self.db)
        with db:
            for n, (at, event, commands, of) in enumerate(steps):
                db.execute("INSERT INTO router_log VALUES (?,?,?,?)", (n, at, json.dumps(event), json.dumps(commands)))
                db.executemany("INSERT INTO router_calls VALUES (?,?)", [(call, n) for call in of])
            for call, start, answered, ended, status, caller in records:
                db.execute("INSERT INTO calls (id, sip_call_id, sip_from_tag, direction, caller, called, flow, flow_digest,"
                           " started, answered, ended, status, cause, language, variables, recording)"
                           " VALUES (?,?,'','inbound',?,'2001','support_desk','',?,?,?,?,'caller','en','{}','')",
                           (call, call, caller, start, answered, ended, status))
        db.close()

    def report(self):
        folder = os.path.join(self.folder, "csv")
        self.ivr("report", "--db", self.db, "--day", "2026-11-20", "--csv", folder)
        tables = {}
        for name in ("calls", "queues", "agents", "service_level"):
            with open(os.path.join(folder, name + ".csv"), encoding="utf-8", newline="") as f:
                tables[name] = list(csv.DictReader(f))
        return tables

    # The CSV of a day is what a recount of the database finds.
    def test_the_report_of_a_day_equals_a_recount(self):
        for seed in (1, 2, 3):
            if os.path.exists(self.db):
                os.remove(self.db)
            self.load(DESK)
            self.made_up_days(seed)
            tables = self.report()
            db = sqlite3.connect(self.db)
            log = [(at, json.loads(event), json.loads(commands))
                   for at, event, commands in db.execute("SELECT at, event, commands FROM router_log ORDER BY sequence")]
            self.recount_queues(tables, log)
            self.recount_agents(tables["agents"], log)
            self.recount_calls(tables["calls"], db, log)
            as_json = json.loads(self.ivr("report", "--db", self.db, "--day", "2026-11-20", "--json").stdout)
            self.assertEqual(len(as_json["calls"]), len(tables["calls"]))
            self.assertEqual(sum(q["served"] for q in as_json["queues"]), sum(int(q["served"]) for q in tables["queues"]))

    def recount_queues(self, tables, log):
        day = [(at, c) for at, _, commands in log for c in commands if SINCE <= at < UNTIL]
        queue_of = {c["entry"]: c["queue"] for _, _, commands in log for c in commands if c["type"] == "joined"}
        connects = [(at, c) for at, c in day if c["type"] == "connect"]
        self.assertGreater(len(connects), 50)
        for row in tables["queues"]:
            mine = [c for _, c in day if c["type"] == "left" and c["queue"] == row["queue"] and not c["agent"]]
            talks = [c for _, c in day if c["type"] == "left" and c["queue"] == row["queue"] and c["agent"]]
            served = [c for _, c in connects if queue_of[c["entry"]] == row["queue"]]
            in_time = [c for c in served if c["waited"] <= 20_000]
            abandoned = [c for c in mine if c["exit"] == "abandoned" and c["waited"] >= 5_000]
            short = [c for c in mine if c["exit"] == "abandoned" and c["waited"] < 5_000]
            self.assertEqual(int(row["joined"]), sum(1 for at, _, commands in log for c in commands
                                                     if c["type"] == "joined" and c["queue"] == row["queue"] and SINCE <= at < UNTIL))
            self.assertEqual(int(row["served"]), len(served))
            self.assertEqual(int(row["served_in_time"]), len(in_time))
            self.assertEqual(int(row["abandoned"]), len(abandoned))
            self.assertEqual(int(row["short_abandoned"]), len(short))
            for column, exit_ in (("timed_out", "timeout"), ("key", "key"), ("callback", "callback"), ("system", "system")):
                self.assertEqual(int(row[column]), sum(c["exit"] == exit_ for c in mine), column)
            self.assertEqual(row["average_wait_s"], seconds(sum(c["waited"] for c in served) // len(served)))
            self.assertEqual(row["longest_wait_s"], seconds(max(c["waited"] for c in mine + served)))
            self.assertEqual(row["talked_s"], seconds(sum(c["talked"] for c in talks)))
            timed_out = sum(c["exit"] == "timeout" for c in mine)
            self.assertEqual(row["service_level"], f"{len(in_time) / len(served):.4f}")
            self.assertEqual(row["service_level_2"], f"{len(in_time) / (len(served) + len(abandoned) + timed_out):.4f}")
            errors = []
            for connected, c in connects:
                if queue_of[c["entry"]] == row["queue"]:
                    errors += [abs((connected - at) // 1000 - d["wait"]) for at, _, commands in log for d in commands
                               if d["type"] == "announce" and d["entry"] == c["entry"]]
            self.assertEqual(int(row["estimates"]), len(errors))
            self.assertEqual(row["average_estimate_error_s"], seconds(sum(errors) // len(errors)))
        for row in tables["service_level"]:
            begin = datetime.datetime.strptime(row["from"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=ZONE).timestamp() * 1e6
            mine = [c for at, c in connects if queue_of[c["entry"]] == row["queue"] and begin <= at < begin + 3600e6]
            self.assertEqual(int(row["served"]), len(mine))
            self.assertEqual(int(row["served_in_time"]), sum(c["waited"] <= 20_000 for c in mine))
        self.assertEqual(sum(int(row["served"]) for row in tables["service_level"]),
                         sum(int(row["served"]) for row in tables["queues"]))

    def recount_agents(self, rows, log):
        offers = {c["offer"]: (at, c["agent"]) for at, _, commands in log for c in commands if c["type"] == "offer"}
        self.assertEqual({row["agent"] for row in rows}, {"billing", "tech1", "tech2", "general"})
        for row in rows:
            agent = row["agent"]
            changes = [(at, c["state"]) for at, _, commands in log for c in commands
                       if c["type"] == "agent_changed" and c["agent"] == agent]
            spent = dict.fromkeys(("available", "on_call", "wrap_up", "on_break", "offline"), 0)
            down = [(before, at) for (before, _, _), (at, event, _) in zip(log, log[1:]) if event["type"] == "restarted"]
            for (at, state), (until, _) in zip(changes, changes[1:] + [(1 << 62, "")]):
                spent[state] += max(0, min(until, UNTIL) - max(at, SINCE))
                for since, again in down:
                    spent[state] -= max(0, min(again, until, UNTIL) - max(since, at, SINCE))
            for state in ("available", "on_call", "wrap_up", "on_break"):
                self.assertEqual(row[state + "_s"], seconds(spent[state] // 1000), (agent, state))
            busy = spent["on_call"] + spent["wrap_up"]
            self.assertEqual(row["occupancy"], f"{busy / (busy + spent['available']):.4f}")
            self.assertEqual(int(row["offered"]), sum(a == agent and SINCE <= at < UNTIL for at, a in offers.values()))
            for column, why in (("missed", "no_answer"), ("busy", "busy"), ("rejected", "rejected")):
                self.assertEqual(int(row[column]), sum(
                    SINCE <= at < UNTIL and e["type"] == "refused" and e["why"] == why and offers[e["offer"]][1] == agent
                    for at, e, _ in log))
            day = [c for at, _, commands in log for c in commands if SINCE <= at < UNTIL and c.get("agent") == agent]
            self.assertEqual(int(row["served"]), sum(c["type"] == "connect" for c in day))
            self.assertEqual(row["talked_s"], seconds(sum(c["talked"] for c in day if c["type"] == "left")))

    def recount_calls(self, rows, db, log):
        records = db.execute("SELECT id, caller, started, answered, ended, status FROM calls"
                             " WHERE started >= ? AND started < ? ORDER BY started, id", (SINCE, UNTIL)).fetchall()
        self.assertEqual([row["call"] for row in rows], [r[0] for r in records])
        names = set()
        for row, (call, caller, started, answered, ended, status) in zip(rows, records):
            self.assertEqual(row["caller"], neutral(caller))
            names.add(caller)
            self.assertEqual(row["status"], status)
            local = datetime.datetime.fromtimestamp(started // 1_000_000, ZONE)
            self.assertEqual(row["started"], local.strftime("%Y-%m-%d %H:%M:%S.") + f"{started % 1_000_000 // 1000:03d}")
            self.assertEqual(row["duration_s"], seconds((ended - answered) // 1000) if answered else "")
            mine = [(at, e, c) for at, e, commands in log for c in commands if c.get("call") == call and at < UNTIL]
            left = [c for _, _, c in mine if c["type"] == "left"]
            self.assertEqual(row["exit"], left[-1]["exit"] if left else "")
            self.assertEqual(row["tried"], " ".join(c["agent"] for _, _, c in mine if c["type"] == "offer"))
            if left:
                self.assertEqual(row["waited_s"], seconds(left[-1]["waited"]))
                self.assertEqual(row["talked_s"], seconds(left[-1]["talked"]))
                self.assertEqual(row["agent"], left[-1]["agent"])
        self.assertEqual(names, set(HOSTILE))

    # S0-90
    def test_a_user_sees_the_calls_of_its_numbers_only(self):
        path, site = self.desk()
        site["access"] = {"boss": ["*"], "sales": ["3*"]}
        self.write(path, site)
        self.load(path)
        self.made_up_days(4, calls=50)
        def calls(*options):
            return len(json.loads(self.ivr("report", "--db", self.db, "--day", "2026-11-20", "--json", *options).stdout)["calls"])
        self.assertGreater(calls(), 10)
        self.assertEqual(calls("--user", "boss"), calls())
        self.assertEqual(calls("--user", "sales"), 0)
        self.assertEqual(calls("--user", "nobody"), 0)
        # Three calls of the sales number: these, and nothing else, in every command.
        db = sqlite3.connect(self.db)
        served = [json.loads(c)[0]["call"] for c, in db.execute("SELECT commands FROM router_log WHERE commands LIKE '%\"connect\"%'")]
        own, other = sorted(served[:3]), served[4]
        with db:
            db.execute("UPDATE calls SET called = '3001' WHERE id IN (?,?,?)", own)
        db.close()
        for user, mine in (("boss", served), ("sales", own), ("nobody", [])):
            report = json.loads(self.ivr("report", "--db", self.db, "--day", "2026-11-20", "--json", "--user", user).stdout)
            day = [c["call"] for at, text in sqlite3.connect(self.db).execute("SELECT at, commands FROM router_log")
                   for c in json.loads(text) if SINCE <= at < UNTIL and c["type"] == "connect" and c["call"] in mine]
            self.assertEqual(sum(q["served"] for q in report["queues"]), len(day), user)
            self.assertEqual(sum(a["served"] for a in report["agents"]), len(day), user)
            if not mine:
                self.assertEqual({(q["joined"], q["abandoned"], q["timed_out"]) for q in report["queues"]}, {(0, 0, 0)})
                self.assertEqual({a["offered"] for a in report["agents"]}, {0})
        listed = [json.loads(line) for line in self.ivr("log", "--db", self.db, "--json", "--user", "sales").stdout.splitlines()]
        self.assertEqual(sorted(r["call"] for r in listed), own)
        self.assertEqual(len(self.ivr("log", "--db", self.db, "--json", "--user", "sales", "--limit", "2").stdout.splitlines()), 2)
        self.assertEqual(self.ivr("log", "--db", self.db, "--json", "--user", "nobody").stdout, "")
        for call in (other, other[:-1], "last"):
            shown = self.ivr("log", call, "--db", self.db, "--user", "nobody", code=1)
            self.assertEqual(shown.stderr, self.ivr("log", "no-such-call", "--db", self.db, code=1).stderr.replace("no-such-call", call))
        self.ivr("log", own[0], "--db", self.db, "--user", "sales")
        self.assertIn(own[0], self.ivr("log", own[0], "--db", self.db).stdout)
        self.assertIn(self.ivr("log", "last", "--db", self.db, "--user", "sales").stdout.split()[1], own)
        hidden = self.ivr("why", other, "--db", self.db, "--user", "sales", code=1).stderr
        self.assertEqual(hidden, self.ivr("why", "no-such-call", "--db", self.db, code=1).stderr.replace("no-such-call", other))
        lines = [line.split("|") for day in ("2026-11-19", "2026-11-20", "2026-11-21") for line in
                 self.ivr("report", "--db", self.db, "--day", day, "--queue-log", "-", "--user", "sales").stdout.splitlines()]
        self.assertEqual({line[1] for line in lines}, set(own))
        self.assertEqual(self.ivr("report", "--db", self.db, "--day", "2026-11-20", "--queue-log", "-", "--user", "nobody").stdout, "")

    # P-69: the queue log of a day is what a recount of the database finds.
    def test_the_queue_log_of_a_day_equals_a_recount(self):
        self.load(DESK)
        self.made_up_days(5)
        path = os.path.join(self.folder, "queue_log")
        self.ivr("report", "--db", self.db, "--day", "2026-11-20", "--queue-log", path)
        with open(path, encoding="utf-8") as f:
            lines = [line.split("|") for line in f.read().splitlines()]
        self.assertGreater(len(lines), 500)
        self.assertTrue(all(SINCE <= int(line[0]) * 1_000_000 < UNTIL for line in lines))
        db = sqlite3.connect(self.db)
        log = [(at, json.loads(event), json.loads(commands))
               for at, event, commands in db.execute("SELECT at, event, commands FROM router_log ORDER BY sequence")]
        day = [(at, e, c) for at, e, commands in log for c in commands if SINCE <= at < UNTIL]

        def of(*verbs):
            return sorted(line for line in lines if line[4] in verbs)
        joined = {c["entry"]: (at, c) for at, _, commands in log for c in commands if c["type"] == "joined"}
        self.assertEqual(of("ENTERQUEUE"), sorted(
            [str(at // 1_000_000), c["call"], c["queue"], "NONE", "ENTERQUEUE", "", "", "1"]
            for at, _, c in day if c["type"] == "joined"))
        offers = {c["offer"]: at for at, _, commands in log for c in commands if c["type"] == "offer"}
        self.assertEqual(of("CONNECT"), sorted(
            [str(at // 1_000_000), c["call"], joined[c["entry"]][1]["queue"], c["agent"], "CONNECT", str(c["waited"] // 1000), "",
             str((at - offers[c["offer"]]) // 1_000_000)] for at, _, c in day if c["type"] == "connect"))
        left = [(at, c) for at, _, c in day if c["type"] == "left"]
        self.assertEqual(of("COMPLETECALLER"), sorted(
            [str(at // 1_000_000), c["call"], c["queue"], c["agent"], "COMPLETECALLER", str(c["waited"] // 1000),
             str(c["talked"] // 1000), "1"] for at, c in left if c["exit"] == "served"))
        for verb, exit_ in (("ABANDON", "abandoned"), ("EXITWITHTIMEOUT", "timeout"), ("EXITWITHKEY", "key"),
                            ("CALLBACKFAILED", "callback"), ("SYSTEM", "system")):
            found = of(verb)
            self.assertEqual(sorted((line[1], line[2], line[-1]) for line in found),
                             sorted((c["call"], c["queue"], str(c["waited"] // 1000)) for _, c in left if c["exit"] == exit_), verb)
        self.assertEqual(len(of("RINGNOANSWER")), sum(SINCE <= at < UNTIL and e["type"] == "refused" for at, e, _ in log))
        # Over all days each call that entered has exactly one line that closes it.
        closing = {"ABANDON", "COMPLETECALLER", "EXITWITHTIMEOUT", "EXITWITHKEY", "CALLBACKFAILED", "SYSTEM"}
        ends = {}
        for name in ("2026-11-19", "2026-11-20", "2026-11-21"):
            for line in self.ivr("report", "--db", self.db, "--day", name, "--queue-log", "-").stdout.splitlines():
                call, verb = line.split("|")[1], line.split("|")[4]
                if verb in closing:
                    ends[call] = ends.get(call, 0) + 1
        self.assertEqual(ends, {c["call"]: 1 for at, _, commands in log for c in commands if c["type"] == "joined"})

    # P-29
    def test_why_says_that_a_step_was_skipped(self):
        self.load(DESK)
        away = ["offline", "paused", "unreachable"]
        agents = [{"type": "agent_set", "agent": {"id": a, "uri": f"sip:{a}@127.0.0.1"}} for a in ("ann", "bob")]
        queue = {"id": "q", "members": [{"agent": "ann"}, {"agent": "bob", "penalty": 1}],
                 "steps": [{"after": 0, "max_penalty": 0, "skip_if": away}, {"after": 30000, "max_penalty": 1, "skip_if": away}]}
        join = {"type": "join", "call": "c1", "queue": "q"}
        events = agents + [{"type": "queue_set", "queue": queue}, {"type": "agent_status", "agent": "bob", "state": "available"}]
        for extra, words in (([], "by step 2 of the queue before its time"),
                             ([{"type": "agent_status", "agent": "bob", "state": "on_break"}], "all steps of the queue that were left are skipped")):
            steps = events + extra + [join]
            with sqlite3.connect(self.db) as db:
                db.execute("DELETE FROM router_log")
                db.execute("DELETE FROM router_calls")
                db.executemany("INSERT INTO router_log (sequence, at, event, commands) VALUES (?,?,?,'[]')",
                               [(n, SINCE + n, json.dumps(e)) for n, e in enumerate(steps)])
                db.execute("INSERT INTO router_calls (call, sequence) VALUES ('c1', ?)", (len(steps) - 1,))
            said = self.ivr("why", "c1", "--db", self.db, code=1).stdout  # not what was logged: put that in its place
            again = said.split("re-executed  [")[1].strip()
            with sqlite3.connect(self.db) as db:
                db.execute("UPDATE router_log SET commands = ? WHERE sequence = ?", ("[" + again, len(steps) - 1))
            said = self.ivr("why", "c1", "--db", self.db).stdout
            self.assertIn(words, said)
            self.assertIn("ann", said)
            self.assertIn("logged out", said)

    def test_a_report_says_what_it_cannot_do(self):
        self.assertIn("ivr.db", self.ivr("report", "--db", self.db, code=1).stderr)
        self.load(DESK)
        self.assertIn("no day", self.ivr("report", "--db", self.db, "--day", "yesterday", code=2).stderr)
        self.assertIn("Nowhere", self.ivr("report", "--db", self.db, "--time-zone", "Nowhere/X", code=2).stderr)
        self.assertIn("0 calls", self.ivr("report", "--db", self.db).stdout)
        self.assertIn("was in no queue", self.ivr("why", "c1", "--db", self.db, code=1).stderr)
        self.ivr("why", code=2)


if __name__ == "__main__":
    unittest.main(verbosity=1)
