#!/usr/bin/python3
"""Recounts what a router promised from its log alone, without its code.

A line is {"sequence": n, "at": microseconds, "event": {...}, "commands": [...]}, as the table router_log of a
server's database has it. recount(lines) gives the list of what was broken, empty when all is well; figures(lines)
the numbers of the day. From a shell: recount.py FILE, a database or a file with one line of JSON each.

What is checked, event by event:
  - numbers: the log has no gap and no step back in time; entries, offers and decisions are numbered upwards;
  - an agent never holds more contacts of a channel than its capacity, and rings for one caller at a time;
  - a caller rings at one agent at a time (ringall and ring_progressively apart), and only while waiting;
  - only agents are offered who are logged in, reachable, members with the skills, and not in wrap-up;
  - an offer ends in one way: connected after it was accepted, refused, or withdrawn; a connection binds the pair
    that was offered, when the caller's other offers were withdrawn;
  - an entry leaves once, in one way, its times agreeing with the clock; served exactly if it talked;
  - who comes first is served first: nobody overtakes who could have been offered the same agent;
  - a callback is dialled only while it is owed, one at a time;
  - at the end nobody who could be served was left waiting (with ended=True: nobody is left at all).
"""

import collections
import json
import re
import sqlite3
import sys

MANY = {"ringall", "ring-all", "ring_all", "ring_progressively", "ring-progressively"}


def read(path):
    """The lines of a log: of a database, or of a file with one JSON object a line."""
    with open(path, "rb") as file:
        database = file.read(16) == b"SQLite format 3\0"
    if not database:
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT sequence, at, event, commands FROM router_log ORDER BY sequence")
        return [{"sequence": sequence, "at": at, "event": json.loads(event), "commands": json.loads(commands)}
                for sequence, at, event, commands in rows]


class Agent:
    def __init__(self):
        self.options = {}
        self.asked = "offline"
        self.reachable = False
        self.wrapping = {}  # until when, by queue
        self.delayed = 0
        self.misses = 0


class Entry:
    def __init__(self, line, asked):
        self.call, self.queue = line["call"], line["queue"]
        self.asked = asked
        self.joined = self.in_queue = self.age_from = 0
        self.talking = self.left = self.absent = self.dialling = self.called_back = self.fuzzy = False
        self.connected = 0
        self.paused = 0
        self.tried = []

    def waits(self):
        return not self.left and not self.talking


class Offer:
    def __init__(self, line, channel, at):
        self.entry, self.agent, self.queue = line["entry"], line["agent"], line["queue"]
        self.channel, self.made = channel, at
        self.talking = False


def levels(skills):
    return {skill["name"]: skill.get("level", 1) for skill in skills}


def lacks(has, required):
    """What is asked for and not there; None when all is. A list of skills, or the text of an expression in its one form."""
    if not isinstance(required, str):
        return next((need["name"] for need in required if has.get(need["name"], -1) < need.get("level", 1)), None)
    words = re.findall(r"""\(|\)|>=|<|'(?:[^'\\]|\\.)*'|[^\s()<>=']+""", required)

    def one():
        word = words.pop(0)
        if word == "(":
            met = either()
            words.pop(0)
            return met
        if word == "not":
            return not one()
        level = has.get(re.sub(r"\\(.)", r"\1", word[1:-1]) if word[0] == "'" else word, -1)
        sign = words.pop(0) if words and words[0] in (">=", "<") else None
        least = int(words.pop(0)) if sign else 1
        return level < least if sign == "<" else level >= least

    def joined(part, word, join):
        met = [part()]
        while words and words[0] == word:
            words.pop(0)
            met.append(part())
        return join(met)

    def either():
        return joined(lambda: joined(one, "and", all), "or", any)

    return None if either() else required


class Recount:
    def __init__(self):
        self.wrong = []
        self.where = ""
        self.agents, self.queues, self.wrap_up = {}, {}, {}
        self.elsewhere = collections.Counter()
        self.entries, self.offers = {}, {}
        self.at = 0
        self.last = {"entry": 0, "offer": 0, "decision": 0}
        self.joining = {}
        self.accepted = self.gave_up = None
        self.exits = collections.Counter()
        self.waits, self.talks = [], []
        self.served_by = collections.Counter()

    def fault(self, text):
        self.wrong.append(f"{self.where}: {text}")

    # --- the log ---------------------------------------------------------------------------------------------

    def step(self, line, before):
        self.where = f"step {line.get('sequence', '?')}"
        at = line["at"]
        if before is not None:
            if "sequence" in line and line["sequence"] != before["sequence"] + 1:
                self.fault(f"follows step {before['sequence']}")
            if at < before["at"]:
                self.fault(f"{before['at'] - at} us back in time")
        self.at = at
        event = line["event"]
        self.accepted = self.gave_up = None
        self.moved = event["type"] == "move"
        getattr(self, "on_" + event["type"])(event)
        for command in line["commands"]:
            getattr(self, "do_" + command["type"])(command)
        if event["type"] == "restarted":
            for number, entry in self.entries.items():
                if not entry.left and not entry.absent:
                    self.fault(f"entry {number} outlived the restart")

    # --- what happened ---------------------------------------------------------------------------------------

    def on_agent_set(self, event):
        options = event["agent"]
        agent = self.agents.get(options["id"])
        uri = options.get("uri", "")
        if agent is None:
            agent = self.agents[options["id"]] = Agent()
            agent.reachable = bool(uri)
        elif uri and uri != agent.options.get("uri"):
            agent.reachable = True
        agent.options = options

    def on_agent_removed(self, event):
        self.agents.pop(event["agent"], None)

    def on_queue_set(self, event):
        self.queues[event["queue"]["id"]] = event["queue"]
        self.wrap_up[event["queue"]["id"]] = event["queue"].get("wrap_up", 0)
        for entry in self.entries.values():  # what the order was before is no rule for it any more
            if entry.queue == event["queue"]["id"]:
                entry.fuzzy = True

    def on_queue_removed(self, event):
        self.queues.pop(event["queue"], None)

    def on_agent_status(self, event):
        agent = self.agents.get(event["agent"])
        if agent is None or event["state"] == "on_call":
            return
        agent.asked = event["state"]
        if agent.asked == "available":
            agent.wrapping, agent.delayed, agent.misses = {}, 0, 0

    def on_agent_reachable(self, event):
        if event["agent"] in self.agents:
            self.agents[event["agent"]].reachable = event["reachable"]

    def on_agent_busy(self, event):
        if event["agent"] in self.agents:
            key = event["agent"], event["channel"]
            self.elsewhere[key] = max(0, self.elsewhere[key] + event["contacts"])

    def on_join(self, event):
        self.joining[event["call"]] = event

    def on_leave(self, event):
        self.gave_up = event["call"] if event["why"] == "timeout" else None

    def on_tick(self, event):
        pass

    on_move = on_ringing = on_tick

    def on_callback_requested(self, event):
        for entry in self.entries.values():
            if entry.waits() and not entry.absent and entry.call == event["call"]:
                entry.absent, entry.paused = True, self.at
                return
        self.joining[event["call"]] = dict(self.joining.get(event["call"], {}), back=True)

    def on_callback_dialled(self, event):
        entry = self.entries.get(event["entry"])
        if entry is None or entry.left or not entry.dialling:
            return
        entry.dialling = False
        if event["answered"]:
            entry.absent, entry.called_back = False, True
            entry.call, entry.in_queue = event["call"], self.at
        else:
            entry.paused = self.at + 1000 * self.queues.get(entry.queue, {}).get("callback_retry", 0)

    def on_accepted(self, event):
        self.accepted = event["offer"]

    def on_refused(self, event):
        offer = self.offers.get(event["offer"])
        if offer is not None and not offer.talking:
            self.missed(event["offer"], event["why"])

    def on_talk_ended(self, event):
        offer = self.offers.get(event["offer"])
        if offer is None or not offer.talking:
            return
        del self.offers[event["offer"]]
        agent = self.agents.get(offer.agent)
        if agent is None:
            return
        wrap = agent.options.get("wrap_up")
        until = self.at + 1000 * (self.wrap_up.get(offer.queue, 0) if wrap is None else wrap)
        agent.wrapping[offer.queue] = max(until, agent.wrapping.get(offer.queue, 0))

    def on_restarted(self, event):
        self.offers.clear()
        self.elsewhere.clear()
        for agent in self.agents.values():
            if agent.options.get("standby"):
                agent.reachable = False
        for entry in self.entries.values():
            entry.dialling = False

    def missed(self, number, why):
        offer = self.offers.pop(number)
        entry = self.entries[offer.entry]
        self.came_to_nothing(offer, entry)
        if not self.ringing(offer.entry):
            entry.paused = self.at + 1000 * self.queues.get(offer.queue, {}).get("retry", 0)
        agent = self.agents.get(offer.agent)
        if agent is None:
            return
        options = agent.options
        delay = {"busy": "busy_delay", "rejected": "reject_delay"}.get(why, "no_answer_delay")
        agent.delayed = max(agent.delayed, self.at + 1000 * options.get(delay, 0))
        if delay == "no_answer_delay":
            agent.misses += 1
            if agent.misses == options.get("max_misses", 0):
                agent.asked = options.get("after_misses", "on_break")

    def came_to_nothing(self, offer, entry):
        if offer.agent not in entry.tried:
            entry.tried.append(offer.agent)
        entry.paused = self.at

    # --- what the router did ---------------------------------------------------------------------------------

    def number(self, kind, value):
        if value <= self.last[kind]:
            self.fault(f"{kind} {value} comes after {self.last[kind]}")
        self.last[kind] = max(value, self.last[kind])

    def do_joined(self, line):
        entry = self.entries.get(line["entry"])
        if entry is not None:
            if entry.left or entry.queue == line["queue"]:
                self.fault(f"entry {line['entry']} joined again")
            entry.queue, entry.in_queue, entry.paused = line["queue"], self.at, self.at
            entry.fuzzy = True
        else:
            self.number("entry", line["entry"])
            asked = self.joining.get(line["call"], {})
            entry = self.entries[line["entry"]] = Entry(line, asked)
            entry.joined = entry.in_queue = entry.age_from = self.at
            entry.fuzzy = line["resumed"] or bool(self.queues[line["queue"]].get("age_from_system"))
            entry.absent = bool(asked.get("back"))
        size = self.queues[line["queue"]].get("max_size", 0)
        waiting = sum(1 for e in self.entries.values() if e.waits() and e.queue == line["queue"])
        if size and waiting > size:
            self.fault(f"{waiting} wait in {line['queue']}, which holds {size}")
        if not 1 <= line["position"] <= waiting:
            self.fault(f"entry {line['entry']} joined at position {line['position']} of {waiting}")

    def do_offer(self, line):
        self.number("offer", line["offer"])
        entry = self.entries.get(line["entry"])
        if entry is None or not entry.waits():
            self.fault(f"offer {line['offer']} of entry {line['entry']}, which does not wait")
            return
        if (entry.call, entry.queue) != (line["call"], line["queue"]):
            self.fault(f"offer {line['offer']} names {line['call']} in {line['queue']}")
        queue = self.queues.get(line["queue"], {})
        for other in self.ringing(line["entry"]):
            if queue.get("strategy") not in MANY:
                self.fault(f"entry {line['entry']} rings at {self.offers[other].agent} and {line['agent']}")
            elif self.offers[other].agent == line["agent"]:
                self.fault(f"entry {line['entry']} rings at {line['agent']} twice")
        why = self.unavailable(line["agent"], entry)
        if why:
            self.fault(f"entry {line['entry']} offered to {line['agent']}: {why}")
        if self.at < entry.paused:
            self.fault(f"entry {line['entry']} offered {entry.paused - self.at} us too early")
        self.overtaken(line, entry)
        self.offers[line["offer"]] = Offer(line, self.channel(entry), self.at)

    def do_withdraw(self, line):
        offer = self.offers.get(line["offer"])
        if offer is None or offer.talking:
            self.fault(f"offer {line['offer']} withdrawn, which does not ring")
        elif line["why"] == "time-out":
            self.missed(line["offer"], "no_answer")
        else:
            del self.offers[line["offer"]]
            if line["why"] == "agent away":
                self.came_to_nothing(offer, self.entries[offer.entry])

    def do_connect(self, line):
        offer, entry = self.offers.get(line["offer"]), self.entries.get(line["entry"])
        if line["offer"] != self.accepted:
            self.fault(f"offer {line['offer']} connected, which nobody accepted now")
        if offer is None or offer.talking or entry is None or not entry.waits():
            self.fault(f"offer {line['offer']} connected, which does not ring")
            return
        if (offer.entry, offer.agent, entry.call) != (line["entry"], line["agent"], line["call"]):
            self.fault(f"offer {line['offer']} connects {line['call']} and {line['agent']}, "
                       f"offered were {entry.call} and {offer.agent}")
        if len(self.ringing(line["entry"])) > 1:
            self.fault(f"entry {line['entry']} connected while it rings elsewhere")
        offer.talking = entry.talking = True
        entry.connected = self.at
        used, capacity = self.used(offer.agent, offer.channel), self.capacity(offer.agent, offer.channel)
        if offer.agent in self.agents and used > capacity:
            self.fault(f"{offer.agent} has {used} contacts of {capacity}")
        if offer.agent in self.agents:
            self.agents[offer.agent].misses = 0
        self.close(line["waited"], self.at - entry.joined, f"entry {line['entry']} waited")
        self.served_by[offer.agent] += 1

    def do_left(self, line):
        entry = self.entries.get(line["entry"])
        self.exits[line["exit"]] += 1
        if entry is None:  # refused at the door
            self.number("entry", line["entry"])
            if line["exit"] not in ("full", "unavailable", "system"):
                self.fault(f"entry {line['entry']} left as {line['exit']} and had never joined")
            return
        if entry.left:
            self.fault(f"entry {line['entry']} left twice")
            return
        if any(offer.entry == line["entry"] for offer in self.offers.values()):
            self.fault(f"entry {line['entry']} left while an offer of it is out")
        if entry.talking and line["exit"] not in ("served", "system") or \
                line["exit"] == "served" and not entry.talking:
            self.fault(f"entry {line['entry']} left as {line['exit']}, it {'talked' if entry.talking else 'waited'}")
        if line["call"] == self.gave_up:  # by a limit of its own
            if line["exit"] != "timeout":
                self.fault(f"entry {line['entry']} had waited long enough and left as {line['exit']}")
        elif line["exit"] == "timeout":
            limit = self.queues.get(line["queue"], {}).get("max_wait", 0)
            if not limit or self.at - entry.in_queue < 1000 * limit:
                self.fault(f"entry {line['entry']} timed out after {self.at - entry.in_queue} us of {limit} ms")
        elif line["exit"] == "unavailable" and entry.queue in self.queues:
            queue = self.queues[entry.queue]
            tiers = queue.get("tiers", {}).get("apply") or queue.get("leave_empty") or queue.get("once")
            if queue.get("steps") and not tiers and not entry.asked.get("direct") and not self.moved and (
                    self.steps_of(entry) <= len(queue["steps"])):
                self.fault(f"entry {line['entry']} was sent away though a step is left for it")
        if entry.talking:
            self.close(line["talked"], self.at - entry.connected, f"entry {line['entry']} talked")
            self.close(line["waited"], entry.connected - entry.joined, f"entry {line['entry']} waited")
            self.waits.append(entry.connected - entry.joined)
            self.talks.append(self.at - entry.connected)
        else:
            self.close(line["waited"], self.at - entry.joined, f"entry {line['entry']} waited")
        entry.left = True

    def do_announce(self, line):
        entry = self.entries.get(line["entry"])
        if entry is None or not entry.waits():
            self.fault(f"entry {line['entry']} was told something and does not wait")
        elif line["message"] < 0 and not line["more_than"]:
            order = self.line(entry.queue)
            if order is not None and order.index(line["entry"]) + 1 != line["position"]:
                self.fault(f"entry {line['entry']} told position {line['position']}, "
                           f"it is {order.index(line['entry']) + 1}")

    def do_dial_callback(self, line):
        entry = self.entries.get(line["entry"])
        if entry is None or entry.left or not entry.absent or entry.dialling:
            self.fault(f"entry {line['entry']} is called back and is not owed that")
            return
        entry.dialling = True

    def do_agent_changed(self, line):
        pass

    def do_decided(self, line):
        self.number("decision", line["decision"])

    # --- the rules -------------------------------------------------------------------------------------------

    def close(self, told_ms, true_us, what):
        if abs(told_ms - true_us / 1000) > 1:
            self.fault(f"{what} {told_ms} ms by its word, {true_us / 1000:.1f} ms by the clock")

    @staticmethod
    def channel(entry):
        return entry.asked.get("channel", "voice")

    def ringing(self, entry):
        return [n for n, offer in self.offers.items() if offer.entry == entry and not offer.talking]

    def used(self, agent, channel):
        return self.elsewhere[agent, channel] + sum(
            1 for o in self.offers.values() if o.talking and o.agent == agent and o.channel == channel)

    def capacity(self, agent, channel):
        known = self.agents.get(agent)
        return known.options.get("capacity", {"voice": 1}).get(channel, 0) if known else 0

    def unavailable(self, name, entry):
        """Why an agent cannot be offered to a caller now; None when it can."""
        queue, agent = self.queues.get(entry.queue), self.agents.get(name)
        if queue is None or agent is None:
            return "unknown"
        channel = self.channel(entry)
        if agent.asked != "available":
            return agent.asked
        if not agent.reachable:
            return "unreachable"
        if any(o.agent == name and not o.talking for o in self.offers.values()):
            return "rings"
        if self.used(name, channel) >= self.capacity(name, channel):
            return "at its capacity"
        if any(self.at < until and (queue.get("shared_last_call", True) or of == entry.queue)
               for of, until in agent.wrapping.items()):
            return "in wrap-up"
        if self.at < agent.delayed:
            return "delayed"
        if queue.get("once") and name in entry.tried:
            return "tried"
        if entry.asked.get("direct"):
            return None if name == entry.asked["agent"] else "not the one asked for"
        return self.kept_out(name, entry, self.steps_of(entry))

    def steps_of(self, entry):
        """How many of the queue's steps count: those that are due, and, while nobody is there for the last of them, more. One
        more than there are: all are skipped."""
        steps = self.queues[entry.queue].get("steps", [])
        step = sum(self.at - entry.in_queue >= 1000 * rule["after"] for rule in steps)
        while 0 < step <= len(steps) and steps[step - 1].get("skip_if"):
            if any(self.kept_out(name, entry, step) is None and not set(self.states(name, entry)) & set(steps[step - 1]["skip_if"])
                   for name in self.agents if self.capacity(name, self.channel(entry))):
                break
            step += 1
        return step

    def states(self, name, entry):
        """Of an agent, in the words of skip_if; several may be true."""
        agent, queue = self.agents[name], self.queues[entry.queue]
        yield {"on_break": "paused"}.get(agent.asked, agent.asked)
        if not agent.reachable:
            yield "unreachable"
        if any(o.agent == name and not o.talking for o in self.offers.values()):
            yield "ringing"
        if self.used(name, self.channel(entry)) >= self.capacity(name, self.channel(entry)):
            yield "in_use"
        if any(self.at < until and (queue.get("shared_last_call", True) or of == entry.queue) for of, until in agent.wrapping.items()):
            yield "wrap_up"
        if self.at < agent.delayed:
            yield "delayed"

    def kept_out(self, name, entry, step):
        """Why so many steps of the queue do not let an agent in; None when they do."""
        queue, agent = self.queues[entry.queue], self.agents[name]
        member = next((m for m in queue.get("members", []) if m["agent"] == name), None)
        if queue.get("members"):
            if member is None:
                return "no member"
        elif queue.get("department") and queue["department"] != agent.options.get("department"):
            return "of another department"
        required, low, high, raised = queue.get("required", []), None, None, None
        for rule in queue.get("steps", [])[:step]:
            required = required if rule.get("required") is None else rule["required"]
            low = low if rule.get("min_penalty") is None else rule["min_penalty"]
            high = high if rule.get("max_penalty") is None else rule["max_penalty"]
            raised = raised if rule.get("raise_penalty") is None else rule["raise_penalty"]
        has = levels(agent.options.get("skills", []))
        for asked in required, entry.asked.get("required", []):
            if lacks(has, asked) is not None:
                return f"without {lacks(has, asked)}"
        penalty = member.get("penalty", 0) if member else 0
        penalty = max(penalty, penalty if raised is None else raised)
        if low is not None and penalty < low or high is not None and penalty > high:
            return f"of penalty {penalty}"
        return None

    def key(self, number):
        entry = self.entries[number]
        age = self.queues[entry.queue].get("age_score", 1)
        score = entry.asked.get("priority", 0) * 1e9 - age * entry.age_from
        return (not entry.called_back, 0 if entry.called_back else -score, number)

    def line(self, queue):
        """Who waits in a queue, in the order of service; None when a rule that is not kept here moved them."""
        waiting = [n for n, e in self.entries.items() if e.waits() and e.queue == queue]
        if queue not in self.queues or any(self.entries[n].fuzzy for n in waiting):
            return None
        return sorted(waiting, key=self.key)

    def servable(self, number):
        entry = self.entries[number]
        return (entry.waits() and not entry.dialling and self.at >= entry.paused and not self.ringing(number) and
                entry.queue in self.queues and not self.queues[entry.queue].get("sticky") and
                not self.queues[entry.queue].get("tiers", {}).get("apply"))

    def overtaken(self, line, entry):
        order = self.line(entry.queue)
        if order is None:
            return
        for number in order[:order.index(line["entry"])]:
            if self.servable(number) and self.unavailable(line["agent"], self.entries[number]) is None:
                self.fault(f"entry {line['entry']} got {line['agent']} before entry {number}, who comes first")

    def end(self, ended):
        self.where = "at the end"
        for number, entry in self.entries.items():
            if ended and not entry.left:
                self.fault(f"entry {number} ({entry.call}) has not left")
            if self.servable(number) and self.queues[entry.queue].get("autofill", True):
                for agent in self.agents:
                    if self.unavailable(agent, entry) is None:
                        self.fault(f"entry {number} waits and {agent} could be offered to it")


def _count(lines, ended):
    count, before = Recount(), None
    for line in lines:
        if isinstance(line, str):
            line = json.loads(line)
        count.step(line, before)
        before = line
    count.end(ended)
    return count


def recount(lines, ended=False):
    """What was broken, one sentence each. `lines` are objects or strings of JSON; ended: nobody may be left."""
    return _count(lines, ended).wrong


def figures(lines):
    """Joined, exits, and mean wait and talk of those served, in milliseconds."""
    count = _count(lines, False)
    mean = lambda values: sum(values) / len(values) / 1000 if values else 0.0
    return {"joined": len(count.entries), "exits": dict(count.exits), "mean_wait_ms": mean(count.waits),
            "mean_talk_ms": mean(count.talks), "served_by": dict(count.served_by)}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: recount.py FILE")
    steps = read(sys.argv[1])
    print(json.dumps(figures(steps)))
    broken = recount(steps)
    print("\n".join(broken) if broken else f"{len(steps)} steps, nothing broken")
    sys.exit(1 if broken else 0)
