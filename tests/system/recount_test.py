"""The recount itself: silent about a day on which all was well, and for each promise a day on which it was broken."""
import copy
import json
import os
import sqlite3
import tempfile
import unittest

from recount import figures, lacks, read, recount

SECOND = 1_000_000
T0 = 1_700_000_000 * SECOND


def agent(name, **options):
    return {"id": name, "uri": f"sip:{name}@127.0.0.1", "skills": [], "capacity": {"voice": 1}} | options


def join(call, **options):
    return {"type": "join", "call": call, "queue": "sales", "channel": "voice", "priority": 0, "required": [],
            "direct": False, "agent": ""} | options


def joined(entry, call, position=1):
    return {"type": "joined", "entry": entry, "call": call, "queue": "sales", "position": position, "resumed": False}


def offer(number, entry, call, who):
    return {"type": "offer", "offer": number, "entry": entry, "call": call, "agent": who, "queue": "sales",
            "ring_limit": 20000}


def withdraw(number, why="answered elsewhere"):
    return {"type": "withdraw", "offer": number, "why": why}


def connect(number, entry, call, who, waited):
    return {"type": "connect", "offer": number, "entry": entry, "call": call, "agent": who, "waited": waited,
            "tried": []}


def left(entry, call, exit, waited, talked=0, who=""):
    return {"type": "left", "entry": entry, "call": call, "queue": "sales", "exit": exit, "agent": who,
            "waited": waited, "talked": talked, "tried": []}


def accepted(number):
    return {"type": "accepted", "offer": number}


def ended(number):
    return {"type": "talk_ended", "offer": number}


def status(who, state="available"):
    return {"type": "agent_status", "agent": who, "state": state, "reason": ""}


class Day:
    """Ann and Ben serve a queue; each step is a second after the one before."""

    def __init__(self, agents=(), **queue):
        self.lines = []
        self.add({"type": "queue_set", "queue": {"id": "sales", "strategy": "longest_idle", "retry": 1000} | queue})
        for one in agents or (agent("ann"), agent("ben")):
            self.add({"type": "agent_set", "agent": one})
            self.add(status(one["id"]))

    def add(self, event, *commands, after=1):
        at = self.lines[-1]["at"] + int(after * SECOND) if self.lines else T0
        self.lines.append({"sequence": len(self.lines), "at": at, "event": event, "commands": list(commands)})
        return self

    def with_callers(self):
        self.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"))
        self.add(join("c2"), joined(2, "c2", 2), offer(2, 2, "c2", "ben"))
        self.add(accepted(1), connect(1, 1, "c1", "ann", 2000))
        self.add(join("c3"), joined(3, "c3", 2))
        self.add(join("c4"), joined(4, "c4", 3))
        self.add({"type": "refused", "offer": 2, "why": "rejected"}, offer(3, 3, "c3", "ben"))
        self.add(ended(1), left(1, "c1", "served", 2000, 4000, "ann"), offer(4, 2, "c2", "ann"))
        self.add(accepted(3), connect(3, 3, "c3", "ben", 4000))
        self.add(accepted(4), connect(4, 2, "c2", "ann", 7000))
        self.add({"type": "leave", "call": "c4", "why": "hung_up"}, left(4, "c4", "abandoned", 5000))
        self.add(ended(3), left(3, "c3", "served", 4000, 3000, "ben"))
        self.add(ended(4), left(2, "c2", "served", 7000, 3000, "ann"))
        return self


class RecountTest(unittest.TestCase):
    def breaks(self, day, *words, ended=False):
        wrong = recount(day.lines, ended)
        self.assertTrue(any(all(word in text for word in words) for text in wrong), f"{words} not in {wrong}")

    def test_a_day_on_which_all_was_well(self):
        day = Day().with_callers()
        self.assertEqual(recount(day.lines, ended=True), [])
        self.assertEqual(recount([json.dumps(line) for line in day.lines], ended=True), [])
        counted = figures(day.lines)
        self.assertEqual(counted["exits"], {"served": 3, "abandoned": 1})
        self.assertEqual(counted["joined"], 4)
        self.assertAlmostEqual(counted["mean_wait_ms"], (2000 + 4000 + 7000) / 3)
        self.assertEqual(counted["served_by"], {"ann": 2, "ben": 1})

    def test_every_line_of_it_matters(self):
        """Whatever command is left out or doubled, somebody is served, freed or gone who should not be."""
        day = Day().with_callers()
        for at, line in enumerate(day.lines):
            for which in range(len(line["commands"])):
                for times in (0, 2):
                    lines = copy.deepcopy(day.lines)
                    lines[at]["commands"][which:which + 1] = [line["commands"][which]] * times
                    self.assertTrue(recount(lines, ended=True), f"{times} times {line['commands'][which]}")

    def test_a_database_is_read(self):
        day = Day().with_callers()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ivr.db")
            with sqlite3.connect(path) as database:
                database.execute("CREATE TABLE router_log (sequence INTEGER, at INTEGER, event TEXT, commands TEXT)")
                database.executemany("INSERT INTO router_log VALUES (?,?,?,?)", [
                    (line["sequence"], line["at"], json.dumps(line["event"]), json.dumps(line["commands"]))
                    for line in reversed(day.lines)])
            database.close()
            self.assertEqual(read(path), day.lines)

    def test_a_gap_and_a_step_back_in_time(self):
        day = Day().with_callers()
        del day.lines[7]
        self.breaks(day, "follows step 6")
        day = Day().with_callers()
        day.lines[9]["at"] -= 2 * SECOND
        self.breaks(day, "back in time")

    def test_an_agent_above_capacity(self):
        day = Day([agent("ann", capacity={"voice": 1})])
        day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"))
        day.add(accepted(1), connect(1, 1, "c1", "ann", 1000))
        day.add(join("c2"), joined(2, "c2"), offer(2, 2, "c2", "ann"))
        self.breaks(day, "entry 2 offered to ann", "capacity")
        day.add(accepted(2), connect(2, 2, "c2", "ann", 1000))
        self.breaks(day, "ann has 2 contacts of 1")

    def test_contacts_that_the_router_did_not_offer_count(self):
        day = Day([agent("ann")])
        day.add({"type": "agent_busy", "agent": "ann", "channel": "voice", "contacts": 1})
        day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"))
        self.breaks(day, "ann", "capacity")

    def test_two_at_a_time(self):
        day = Day()
        day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"), offer(2, 1, "c1", "ben"))
        self.breaks(day, "rings at ann and ben")
        day = Day(strategy="ringall")
        day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"), offer(2, 1, "c1", "ben"))
        day.add(accepted(2), withdraw(1), connect(2, 1, "c1", "ben", 1000))
        day.add(accepted(1))
        self.assertEqual(recount(day.lines), [])
        day.lines[-2]["commands"].pop(0)
        self.breaks(day, "connected while it rings")

    def test_two_who_answer_at_once_are_not_both_connected(self):
        day = Day(strategy="ringall")
        day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"), offer(2, 1, "c1", "ben"))
        day.add(accepted(2), withdraw(1), connect(2, 1, "c1", "ben", 1000))
        day.add(accepted(1), connect(1, 1, "c1", "ann", 1000), after=0)
        self.breaks(day, "offer 1 connected", "does not ring")

    def test_a_connection_that_nobody_accepted_or_of_another_pair(self):
        day = Day()
        day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"))
        day.add({"type": "tick"}, connect(1, 1, "c1", "ann", 1000))
        self.breaks(day, "nobody accepted")
        day.lines[-1]["event"] = accepted(1)
        self.assertEqual(recount(day.lines), [])
        day.lines[-1]["commands"][0]["agent"] = "ben"
        self.breaks(day, "connects c1 and ben")

    def test_agents_who_cannot_be_offered(self):
        plain = {"type": "agent_set", "agent": agent("cem", uri="")}
        cases = [([status("ann", "on_break")], {}, "on_break"),
                 ([status("ann", "offline")], {}, "offline"),
                 ([{"type": "agent_reachable", "agent": "ann", "reachable": False}], {}, "unreachable"),
                 ([plain, status("cem")], {"who": "cem"}, "unreachable"),
                 ([], {"who": "dan"}, "unknown"),
                 ([], {"required": [{"name": "red", "level": 2}]}, "without red"),
                 ([], {"required": "not blue and (red or 'after sales' >= 2)"}, "without not blue"),
                 ([], {"agent": "ben", "direct": True}, "not the one")]
        for events, options, word in cases:
            day = Day()
            for event in events:
                day.add(event)
            who = options.pop("who", "ann")
            day.add(join("c1", **options), joined(1, "c1"), offer(1, 1, "c1", who))
            self.breaks(day, "entry 1 offered to " + who, word)
        day = Day(members=[{"agent": "ben", "penalty": 0, "position": 0}])
        day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"))
        self.breaks(day, "no member")

    def test_an_expression_of_skills_means_what_it_says(self):
        has = {"red": 3, "blue": 0, "it's here": 2}
        for text, met in (("red", True), ("blue", False), ("blue >= 0", True), ("green >= 0", False), ("not blue", True),
                          ("red < 3", False), ("red < 4 and red >= 3", True), ("blue or red", True),
                          ("green or blue and red", False), ("red and (green or blue < 2)", True),
                          ("red and (green or (blue or not red))", False), (r"'it\'s here' >= 2 and not 'and'", True)):
            self.assertEqual(lacks(has, text) is None, met, text)
        self.assertEqual(lacks(has, "red and blue"), "red and blue")
        self.assertEqual(lacks(has, [{"name": "red", "level": 2}, {"name": "blue"}]), "blue")

    def test_wrap_up_and_delays_last_as_long_as_they_should(self):
        for wait, broken in ((4, True), (5, False)):
            day = Day([agent("ann", wrap_up=5000)])
            day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"))
            day.add(accepted(1), connect(1, 1, "c1", "ann", 1000))
            day.add(ended(1), left(1, "c1", "served", 1000, 1000, "ann"))
            day.add(join("c2"), joined(2, "c2"), offer(2, 2, "c2", "ann"), after=wait)
            self.assertEqual(bool(recount(day.lines)), broken, wait)
        for wait, broken in ((2, True), (3, False)):
            day = Day([agent("ann", reject_delay=3000)], retry=500)
            day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"))
            day.add({"type": "refused", "offer": 1, "why": "rejected"})
            day.add({"type": "tick"}, offer(2, 1, "c1", "ann"), after=wait)
            self.assertEqual(bool(recount(day.lines)), broken, wait)

    def test_a_caller_is_not_offered_in_the_pause_after_a_miss(self):
        day = Day(retry=2000)
        day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"))
        day.add({"type": "tick"}, withdraw(1, "time-out"), offer(2, 1, "c1", "ben"))
        self.breaks(day, "us too early")

    def test_nobody_overtakes(self):
        day = Day([agent("ann")])
        day.add({"type": "agent_busy", "agent": "ann", "channel": "voice", "contacts": 1})
        day.add(join("c1"), joined(1, "c1"))
        day.add(join("c2"), joined(2, "c2", 2))
        day.add({"type": "agent_busy", "agent": "ann", "channel": "voice", "contacts": -1}, offer(1, 2, "c2", "ann"))
        self.breaks(day, "entry 2 got ann before entry 1")
        urgent = copy.deepcopy(day)
        urgent.lines[-2]["event"]["priority"] = 1
        self.assertEqual(recount(urgent.lines), [])
        unskilled = copy.deepcopy(day)
        unskilled.lines[-3]["event"]["required"] = [{"name": "red", "level": 1}]
        self.assertEqual(recount(unskilled.lines), [])

    def test_a_step_is_skipped_only_while_nobody_is_there(self):
        away = ["offline", "paused", "unreachable"]
        rings = {"members": [{"agent": "ann", "penalty": 0}, {"agent": "ben", "penalty": 1}],
                 "steps": [{"after": 0, "max_penalty": 0, "skip_if": away}, {"after": 60000, "max_penalty": 1, "skip_if": away}]}
        for ann, right in (("available", "ann"), ("on_break", "ben")):
            for who in ("ann", "ben"):
                day = Day(**rings)
                day.add(status("ann", ann))
                day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", who))
                day.add(accepted(1), connect(1, 1, "c1", who, 1000))
                day.add(ended(1), left(1, "c1", "served", 1000, 1000, who))
                self.assertEqual(bool(recount(day.lines, True)), who != right, (ann, who))
        for ben in ("offline", "available"):
            day = Day(**rings)
            day.add(status("ann", "offline")).add(status("ben", ben))
            day.add(join("c1"), joined(1, "c1"), left(1, "c1", "unavailable", 0))
            self.assertEqual(bool(recount(day.lines, True)), ben == "available", ben)

    def test_an_entry_that_leaves_twice_or_wrongly_or_never(self):
        day = Day().with_callers()
        day.add({"type": "leave", "call": "c4", "why": "hung_up"}, left(4, "c4", "abandoned", 7000))
        self.breaks(day, "entry 4 left twice")
        day = Day().with_callers()
        day.lines[-1]["commands"][0]["exit"] = "abandoned"
        self.breaks(day, "entry 2 left as abandoned")
        day = Day().with_callers()
        del day.lines[-1]
        self.assertEqual(recount(day.lines), [])
        self.breaks(day, "entry 2", "has not left", ended=True)
        day = Day(max_wait=60000)
        day.add(status("ann", "offline")).add(status("ben", "offline"))
        day.add(join("c1"), joined(1, "c1"))
        day.add({"type": "tick"}, left(1, "c1", "timeout", 59000), after=59)
        self.breaks(day, "timed out after 59000000 us of 60000 ms")
        day.lines[-1]["event"] = {"type": "leave", "call": "c1", "why": "timeout"}  # a limit of its own
        self.assertEqual(recount(day.lines), [])
        day.lines[-1]["commands"][0]["exit"] = "moved"
        self.breaks(day, "entry 1 had waited long enough and left as moved")

    def test_times_that_the_clock_does_not_confirm(self):
        day = Day().with_callers()
        day.lines[-1]["commands"][0]["talked"] += 5
        self.breaks(day, "entry 2 talked 3005 ms by its word")

    def test_a_caller_who_waits_while_somebody_is_free(self):
        day = Day()
        day.add(join("c1"), joined(1, "c1"))
        self.breaks(day, "entry 1 waits and ann could be offered")

    def test_a_restart_ends_all_but_callbacks(self):
        day = Day([agent("ann")])
        day.add(join("c1"), joined(1, "c1"), offer(1, 1, "c1", "ann"))
        day.add(join("c2"), joined(2, "c2", 2))
        day.add({"type": "callback_requested", "call": "c2", "number": "+491"})
        day.add({"type": "restarted"}, left(1, "c1", "system", 3000),
                {"type": "dial_callback", "entry": 2, "number": "+491", "queue": "sales", "attempt": 1})
        self.assertEqual(recount(day.lines), [])
        day.lines[-1]["commands"].pop(0)
        self.breaks(day, "entry 1 outlived the restart")

    def test_a_callback_happens_once(self):
        dial = {"type": "dial_callback", "entry": 1, "number": "+491", "queue": "sales", "attempt": 1}
        day = Day()
        day.add(status("ann", "offline")).add(status("ben", "offline"))
        day.add(join("c1"), joined(1, "c1"))
        day.add({"type": "callback_requested", "call": "c1", "number": "+491"})
        day.add(status("ann"), dial)
        self.assertEqual(recount(day.lines), [])
        day.add({"type": "tick"}, dial)
        self.breaks(day, "entry 1 is called back and is not owed")

    def test_more_callers_than_the_queue_holds(self):
        day = Day(max_size=1)
        day.add(status("ann", "offline")).add(status("ben", "offline"))
        day.add(join("c1"), joined(1, "c1"))
        day.add(join("c2"), left(2, "c2", "full", 0))
        self.assertEqual(recount(day.lines), [])
        day.add(join("c3"), joined(3, "c3", 2))
        self.breaks(day, "2 wait in sales, which holds 1")

    def test_a_position_that_is_not_true(self):
        day = Day()
        day.add(status("ann", "offline")).add(status("ben", "offline"))
        day.add(join("c1"), joined(1, "c1"))
        day.add(join("c2"), joined(2, "c2", 2))
        told = {"type": "announce", "entry": 2, "call": "c2", "position": 2, "more_than": False, "message": -1}
        day.add({"type": "tick"}, told)
        self.assertEqual(recount(day.lines), [])
        told["position"] = 1
        self.breaks(day, "entry 2 told position 1, it is 2")


if __name__ == "__main__":
    unittest.main()
