#!/usr/bin/python3
"""What a desk promised is kept though its server is killed again and again: who was told of a call back is called back,
and once. IVR_DESK_KILLS (30) in all, IVR_SEED for another run."""
import collections
import hashlib
import json
import os
import random
import re
import select
import shutil
import sqlite3
import subprocess
import threading
import time
import unittest

import phone
import recount
import server
from phone import Phone
from server import IVR, Server, run, wait_for

KILLS = int(os.environ.get("IVR_DESK_KILLS", "30"))
SEED = int(os.environ.get("IVR_SEED", "1"))
MUSIC_HERTZ, PROMISE_HERTZ = 400, 1500
AGENTS = ["ann", "bob"]


class Customers:
    """The telephones of all who are to be called back, behind one socket: they ring a while, answer, and stay until they are
    hung up on. Each attempt is kept: whom it was for, and how far it came."""

    def __init__(self, rng):
        self.rng = rng
        self.sip = phone.udp()
        self.rtp, self.rtcp = phone.udp_pair()
        self.port = self.sip.getsockname()[1]
        self.attempts = collections.OrderedDict()  # by Call-ID
        self.ring_on = False  # nobody picks up
        self.trap = None  # (state, process, seconds): so soon after the next attempt gets there, that process is killed
        self.running = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def of(self, who):
        return [a for a in list(self.attempts.values()) if a["who"] == who]

    def run(self):
        while self.running:
            if select.select([self.sip], [], [], 0.01)[0]:
                self.receive(*self.sip.recvfrom(65536))
            while select.select([self.rtp], [], [], 0)[0]:
                self.rtp.recv(4096)
            now = time.monotonic()
            for attempt in self.attempts.values():
                if attempt["state"] in ("rings", "picked up") and now >= attempt["due"]:  # the 200 again until its ACK comes
                    attempt.update(state="picked up", due=now + 0.1, said=attempt.get("said", 0) + 1)
                    if attempt["said"] > 20:
                        attempt["state"] = "nobody there"
                    else:
                        self.respond(attempt, "200 OK", self.sdp())

    def spring(self, state):
        """Within milliseconds, which is what it takes the server to write down what it has done."""
        if self.trap and self.trap[0] == state:
            _, process, delay = self.trap
            self.trap = None
            until = time.monotonic() + delay
            while time.monotonic() < until:
                pass
            process.kill()

    def sdp(self):
        return (f"v=0\r\no=c 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=audio {self.rtp.getsockname()[1]} RTP/AVP 0\r\n")

    def respond(self, to, status, body="", method="INVITE"):
        kind = "Content-Type: application/sdp\r\n" if body else ""
        head = "".join(f"{line}\r\n" for line in to["head"][method])
        self.sip.sendto((f"SIP/2.0 {status}\r\n{head}Contact: <sip:c@127.0.0.1:{self.port}>\r\n{kind}"
                         f"Content-Length: {len(body)}\r\n\r\n{body}").encode(), to["source"])

    def receive(self, data, source):
        lines = data.decode(errors="replace").split("\r\n")
        method, uri = lines[0].split()[:2]
        if method == "SIP/2.0":
            return
        head, call_id = [], ""
        for line in lines[1:]:
            name = line.partition(":")[0].lower()
            if name == "call-id":
                call_id = line.partition(":")[2].strip()
            if name in ("via", "from", "call-id", "cseq"):
                head.append(line)
            elif name == "to":
                head.append(line if "tag=" in line else line + ";tag=customer")
        attempt = self.attempts.get(call_id)
        if method == "INVITE" and attempt is None:
            attempt = self.attempts[call_id] = {
                "who": uri.partition(":")[2].partition("@")[0], "state": "rings", "source": source, "head": {"INVITE": head},
                "due": time.monotonic() + (3600.0 if self.ring_on else 0.0 if self.trap else self.rng.uniform(0.0, 0.15)), "acked": False}
            self.respond(attempt, "180 Ringing")
            self.spring("rings")
        elif attempt is None:
            pass
        elif method == "ACK":
            attempt["acked"] = attempt["acked"] or attempt["state"] in ("picked up", "talks")
            if attempt["state"] == "picked up":
                attempt["state"] = "talks"
                self.spring("talks")
        elif method in ("BYE", "CANCEL"):
            attempt["head"][method] = head
            self.respond(attempt, "200 OK", method=method)
            if method == "CANCEL" and attempt["state"] == "rings":
                self.respond(attempt, "487 Request Terminated")
            attempt["state"] = "over"

    def close(self):
        self.running = False
        self.thread.join()
        for s in (self.sip, self.rtp, self.rtcp):
            s.close()


class Desk:
    """A server that can be killed and started again on its database, with robots as agents."""

    def __init__(self, site, flows):
        self.folder = server.folder()
        for name, flow in flows.items():
            with open(os.path.join(self.folder, name + ".json"), "w") as f:
                json.dump(flow, f)
        server.write_tone(os.path.join(self.folder, "music.wav"), MUSIC_HERTZ, 2.0)
        server.write_tone(os.path.join(self.folder, "promise.wav"), PROMISE_HERTZ, 0.4)
        path = os.path.join(self.folder, "site.json")
        with open(path, "w") as f:
            json.dump(site, f)
        self.db = os.path.join(self.folder, "ivr.db")
        loaded = run(IVR, "load", path, "--db", self.db)
        assert loaded.returncode == 0, loaded.stdout + loaded.stderr
        self.users = list(site.get("demo_users", {}))
        self.manner = ("--answer-after", "0.15", "--talk", "0.2", "--say", "")
        self.port = server.free_port()
        self.server = self.robots = self.robots_log = None

    def start(self):
        self.server = Server(self.folder, "--demo-users", "--prompts", self.folder, "--media-threads", "1", "--drain", "0",
                             port=self.port, rtp="24000-27999").ready()
        if self.users:
            self.robots_log = os.path.join(self.folder, f"robots-{time.monotonic_ns()}.log")
            with open(self.robots_log, "wb") as log:
                self.robots = subprocess.Popen([IVR, "agent", *self.users, "--server", f"sip:127.0.0.1:{self.port}", "--json",
                                                *self.manner], stdout=log, stderr=subprocess.STDOUT, env=dict(os.environ, IVR_PASSWORD="pass"))
            wait_for(lambda: self.heard("registered") >= len(self.users), "the agents' registration")

    def heard(self, event):
        with open(self.robots_log, "rb") as f:
            return f.read().count(b'"event":"%s"' % event.encode())

    def end_robots(self):
        if self.robots:
            self.robots.kill()
            self.robots.wait()
            self.robots = None

    def kill(self):
        self.server.kill()
        self.end_robots()

    def stop(self):
        code = self.server.stop()
        self.end_robots()
        return code

    def routed(self, kind):
        return [e["what"] for e in self.server.of("routed") if e["what"]["type"] == kind]

    def rows(self, query):
        db = sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)
        rows = db.execute(query).fetchall()
        db.close()
        return rows

    def close(self):
        if self.server.process.poll() is None:
            self.kill()
        self.end_robots()
        shutil.rmtree(self.folder, ignore_errors=True)


WAIT = {"type": "wait", "duration": "60s", "next": "bye"}  # whoever comes here is not hung up on


def site(port):
    """Two agents who take calls in turn, and a queue that calls back. A promise is a tone of its own."""
    flow = {"ivr": 1, "id": "desk", "start": "desk", "on_error": "stays", "nodes": {
        "desk": {"type": "queue", "queue": "desk", "hold": {"file": "music.wav"}, "keys": {"1": "back"}, "next": "stays"},
        "back": {"type": "callback", "number": "sip:{{call.caller}}@127.0.0.1:%d" % port, "next": "promised", "error": "stays"},
        "promised": {"type": "play", "say": {"file": "promise.wav"}, "next": "stays"},
        "stays": WAIT, "bye": {"type": "hangup"}}}
    return {"site": 1, "agents": {a: {"user": a} for a in AGENTS},
            "queues": {"desk": {"strategy": "round_robin", "members": AGENTS, "retry": "100ms", "ring_limit": "5s"}},
            "demo_users": {a: "pass" for a in AGENTS}, "extensions": {"2001": "desk.json"}}, {"desk": flow}


class Caller(Phone):
    """Waits a moment in the queue, then asks to be called back."""

    def __init__(self, name, desk):
        super().__init__(user=name)
        self.pressed = False
        self.call(desk.server.uri("2001"), wait=False)

    def ask(self):
        if not self.pressed and self.up and self.packets:
            self.pressed = True
            self.press("1")
        return self.pressed

    def told(self):
        return any(p.type == 0 and server.power([phone.LINEAR[b] for b in p.payload], PROMISE_HERTZ) > 0.6 for p in list(self.packets))


class KillNine(unittest.TestCase):
    def test_a_promised_call_back_comes_exactly_once_whenever_the_server_dies(self):
        rng = random.Random(SEED)
        customers = Customers(random.Random(SEED + 1))
        self.addCleanup(customers.close)
        desk = Desk(*site(customers.port))
        names, told, hits = [], set(), collections.Counter()
        callers, before = [], 0  # of this round; attempts of the rounds before

        def attempt(*states):
            return lambda: any(a["state"] in states for a in list(customers.attempts.values())[before:])

        def agent(kind):
            return lambda: any("-callback-" in e["call"] for e in desk.routed(kind))

        moments = {"before it is told": lambda: not any(c.keys for c in callers), "when it is told": lambda: any(c.told() for c in callers),
                   "when the customer is rung": attempt("rings", "picked up", "talks", "over"), "when the customer has answered": attempt("talks", "over"),
                   "while the agent rings": agent("offer"), "while they talk": agent("connect"), "at any moment": lambda: True,
                   "as the customer is rung": None, "as the customer answers": None}
        order = list(moments) + ["as the customer answers"] * 3  # where it is hardest
        traps = {"as the customer is rung": "rings", "as the customer answers": "talks"}
        try:
            for n in range(KILLS):
                moment = order[n % len(order)]
                desk.start()
                before = len(customers.attempts)
                names += [f"c{n}-{k}" for k in range(1 + n % 2)]
                callers = [Caller(name, desk) for name in names if name.startswith(f"c{n}-")]
                try:
                    if moment in traps:
                        customers.trap = (traps[moment], desk.server.process, rng.uniform(0.0, 0.006))
                        moments[moment] = lambda: [c.ask() for c in callers] and desk.server.process.poll() is not None
                    else:
                        wait_for(lambda: all(c.ask() for c in callers), "the callers in the queue", 10)
                    wait_for(moments[moment], moment, 5)
                    until = time.monotonic() + rng.uniform(0.0, 1.0 if moment == "at any moment" else 0.03)
                    wait_for(lambda: time.monotonic() >= until, "the instant that was drawn")
                    hits[moment] += 1
                except AssertionError as missed:  # then it dies at this moment, which is one as good
                    hits[str(missed)] += 1
                finally:
                    customers.trap = None
                    desk.kill()
                    told |= {c.user for c in callers if c.told()}
                    for c in callers:
                        c.close()
            desk.start()
            wait_for(lambda: not self.owed(desk), "the last call back", 90)
            self.assertEqual(desk.stop(), 0)
            connected = {name: [a for a in customers.of(name) if a["acked"]] for name in names}
            picked_up = {name: [a for a in customers.of(name) if a.get("said") and not a["acked"]] for name in names}
            print(f"seed {SEED}, {KILLS} kills {dict(hits)}: {len(names)} callers, {len(told)} were promised, "
                  f"{sum(map(bool, connected.values()))} called back, {len(customers.attempts)} attempts")
            self.assertGreater(len(told), KILLS / 4)
            for name in names:
                self.assertLessEqual(len(connected[name]), 1, f"{name} was called back twice")
                if connected[name]:
                    last = customers.of(name)[-1]
                    self.assertTrue(last["acked"], f"{name} was rung again after the answer")
                if name in told:  # who picked up in the instant of a kill may not have been heard of
                    self.assertTrue(connected[name] or picked_up[name], f"{name} was promised a call and got none")
            self.assertEqual(recount.recount(recount.read(desk.db)), [])
            self.assertEqual(desk.rows("SELECT count(*) FROM calls WHERE ended = 0 OR status = 'in_progress'"), [(0,)])
            self.assertGreater(desk.rows("SELECT count(*) FROM calls WHERE cause = 'system'")[0][0], 0)
            self.assertEqual(desk.rows("PRAGMA integrity_check"), [("ok",)])
        finally:
            desk.close()

    @staticmethod
    def owed(desk):
        """Entries that the log has not seen leave."""
        open_ = set()
        for line in recount.read(desk.db):
            for c in line["commands"]:
                if c["type"] == "joined":
                    open_.add(c["entry"])
                elif c["type"] == "left":
                    open_.discard(c["entry"])
        return open_


class Rung(unittest.TestCase):
    def test_a_call_back_that_was_ringing_when_the_server_died_is_made_again_and_answered_once(self):
        customers = Customers(random.Random(SEED))
        self.addCleanup(customers.close)
        desk = Desk(*site(customers.port))
        self.addCleanup(desk.close)
        agents, desk.users = desk.users, []
        desk.start()  # nobody is there yet
        caller = Caller("c", desk)
        self.addCleanup(caller.close)
        wait_for(caller.ask, "the caller in the queue")
        wait_for(caller.told, "the promise")
        desk.kill()
        desk.users, customers.ring_on = agents, True
        for n in (1, 2, 3):  # callback_tries is 1: an attempt that was cut off is none
            desk.start()
            wait_for(lambda: [a for a in customers.of("c") if a["state"] == "rings"][n - 1:], "the call back rings", 60)
            desk.kill()
        customers.ring_on = False
        desk.start()
        wait_for(lambda: not KillNine.owed(desk), "the end of the call back", 60)
        self.assertEqual(desk.stop(), 0)
        attempts = customers.of("c")
        self.assertEqual([a["acked"] for a in attempts], [False, False, False, True])
        self.assertEqual([a["state"] for a in attempts[:3]], ["rings"] * 3)
        self.assertEqual(len(customers.attempts), 4)
        commands = [c for line in recount.read(desk.db) for c in line["commands"]]
        self.assertEqual([c["exit"] for c in commands if c["type"] == "left"], ["key", "served"])
        self.assertEqual(len([c for c in commands if c["type"] == "connect"]), 1)
        self.assertEqual(desk.rows("SELECT count(*) FROM calls WHERE id LIKE '%-callback-%' AND answered > 0"), [(1,)])
        self.assertEqual(recount.recount(recount.read(desk.db), ended=True), [])


class States(unittest.TestCase):
    """S0-13, S0-22: whose turn it is, and who is on a break, is what it was before the server died."""

    def test_round_robin_goes_on_and_states_stay_and_callers_are_closed_as_system(self):
        turns = ["ann", "bob", "cat"]
        phones = {name: Phone(user=name) for name in turns + ["dan", "eve"]}
        for each in phones.values():
            self.addCleanup(each.close)

        def state(value):
            return {"ivr": 1, "id": value, "start": "set", "on_error": "bye", "variables": {"who": ""}, "nodes": {
                "set": {"type": "agent_status", "agent": "{{who}}", "state": value, "next": "bye", "refused": "bye"}, "bye": {"type": "hangup"}}}
        flow = {"ivr": 1, "id": "desk", "start": "desk", "on_error": "bye", "nodes": {
            "desk": {"type": "queue", "queue": "desk", "next": "bye"}, "bye": {"type": "hangup"}}}
        extensions = {"2001": "desk.json"}
        for name in phones:
            for value in ("available", "on_break", "offline"):
                extensions[f"{value}-{name}"] = {"flow": f"{value}.json", "variables": {"who": name}}
        desk = Desk({"site": 1, "agents": {name: {"uri": each.uri} for name, each in phones.items()},
                     "queues": {"desk": {"strategy": "round_robin", "members": list(phones)}}, "extensions": extensions},
                    {"desk": flow, **{value: state(value) for value in ("available", "on_break", "offline")}})
        self.addCleanup(desk.close)

        def set_state(name, value):
            with Phone(user="boss") as boss:
                self.assertEqual(boss.call(desk.server.uri(f"{value}-{name}")), 200)
                wait_for(lambda: boss.over, "the state is set")
        desk.start()
        for name in phones:
            set_state(name, "available")
        set_state("dan", "on_break")
        set_state("eve", "offline")
        served = []
        for n in range(7):
            with Phone(user=f"c{n}", audio=phone.tone(MUSIC_HERTZ)) as caller:
                self.assertEqual(caller.call(desk.server.uri("2001")), 200)
                agent = wait_for(lambda: desk.routed("connect"), "the talk")[-1]["agent"]
                since = len(phones[agent].packets)  # of this talk, not of one before
                wait_for(lambda: len(phones[agent].packets) >= since + 10 and phones[agent].hears(MUSIC_HERTZ), "the caller's voice")
                served.append(agent)
                why = {c["agent"]: c["why"] for c in desk.routed("decided")[-1]["candidates"]}
                self.assertEqual((why["dan"], why["eve"]), ("paused", "offline"))
                desk.kill()  # while they talk
            phones[agent].forget()
            desk.start()
        self.assertEqual(served, [turns[n % 3] for n in range(7)])
        set_state("dan", "available")
        with Phone(user="last") as caller:
            self.assertEqual(caller.call(desk.server.uri("2001")), 200)
            self.assertEqual(wait_for(lambda: desk.routed("connect"), "the talk")[-1]["agent"], "bob")
            caller.hang_up()
        self.assertEqual(desk.stop(), 0)
        self.assertEqual(desk.rows("SELECT caller, status, cause FROM calls WHERE called = '2001' AND caller <> 'last' ORDER BY started"),
                         [(f"c{n}", "failed", "system") for n in range(7)])
        self.assertEqual(desk.rows("SELECT count(*) FROM calls WHERE ended = 0 OR status = 'in_progress'"), [(0,)])
        left = [c for line in recount.read(desk.db) for c in line["commands"] if c["type"] == "left"]
        self.assertEqual([c["exit"] for c in left], ["system"] * 7 + ["served"])
        self.assertEqual(recount.recount(recount.read(desk.db), ended=True), [])


def register(at, user, password, contact, expires=600):
    """One REGISTER with its digest (RFC 2617), from a socket of its own."""
    made, port = phone.udp(), at.rpartition(":")[2]
    made.connect(("127.0.0.1", int(port)))
    tag, proof = made.getsockname()[1], ""
    for cseq in (1, 2):
        made.send((f"REGISTER {at} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{tag};branch=z9hG4bK{tag}{cseq}\r\n"
                   f"From: <sip:{user}@127.0.0.1>;tag={tag}\r\nTo: <sip:{user}@127.0.0.1>\r\nCall-ID: {tag}@test\r\n"
                   f"CSeq: {cseq} REGISTER\r\nContact: <{contact}>\r\nExpires: {expires}\r\nMax-Forwards: 70\r\n{proof}"
                   f"Content-Length: 0\r\n\r\n").encode())
        assert select.select([made], [], [], 10)[0], "no answer to REGISTER"
        answer = made.recv(65536).decode()
        if answer.startswith("SIP/2.0 200"):
            break
        challenge = next(line for line in answer.split("\r\n") if line.startswith("WWW-Authenticate: Digest") and "SHA" not in line)
        said = dict(re.findall(r'(\w+)="([^"]*)"', challenge))

        def md5(text):
            return hashlib.md5(text.encode()).hexdigest()
        who, what = md5(f"{user}:{said['realm']}:{password}"), md5(f"REGISTER:{at}")
        response = md5(f"{who}:{said['nonce']}:00000001:x:auth:{what}")
        proof = (f'Authorization: Digest username="{user}", realm="{said["realm"]}", nonce="{said["nonce"]}", uri="{at}", '
                 f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="x"\r\n')
    made.close()
    return answer.split()[1]


class Registrations(unittest.TestCase):
    """A telephone that has registered is rung after a crash, though it has not come again; one that has gone is not."""

    def test_a_telephone_is_rung_where_it_was_before_the_server_died(self):
        with Phone(user="ann") as ann:
            desk = Desk({"site": 1, "agents": {"ann": {}}, "queues": {"desk": {"members": ["ann"]}}, "demo_users": {"ann": "pass"},
                         "extensions": {"2001": "desk.json"}},
                        {"desk": {"ivr": 1, "id": "desk", "start": "desk", "on_error": "bye", "nodes": {
                            "desk": {"type": "queue", "queue": "desk", "next": "bye"}, "bye": {"type": "hangup"}}}})
            self.addCleanup(desk.close)
            desk.users = []  # no robots: this telephone registers itself, and once
            desk.start()
            at = f"sip:127.0.0.1:{desk.port}"
            self.assertEqual(register(at, "ann", "pass", ann.uri), "200")
            kept = "SELECT id FROM documents WHERE kind = 'registration'"
            wait_for(lambda: desk.rows(kept) == [("ann",)], "the registration is on disk")
            for _ in range(2):  # the second time of what the first start has taken up
                desk.kill()
                desk.start()
                with Phone(user="c", audio=phone.tone(MUSIC_HERTZ)) as caller:
                    self.assertEqual(caller.call(desk.server.uri("2001")), 200)
                    since = len(ann.packets)
                    wait_for(lambda: len(ann.packets) >= since + 10 and ann.hears(MUSIC_HERTZ), "the caller's voice")
                    caller.hang_up()
                    wait_for(lambda: ann.over, "the end")
                ann.forget()
            self.assertEqual(register(at, "ann", "pass", ann.uri, expires=0), "200")
            wait_for(lambda: desk.rows(kept) == [], "the registration has gone")
            desk.kill()
            desk.start()
            with Phone(user="c") as caller:
                self.assertEqual(caller.call(desk.server.uri("2001")), 200)
                caller.hang_up()
            self.assertEqual(desk.stop(), 0)
            self.assertEqual(len([c for line in recount.read(desk.db) for c in line["commands"] if c["type"] == "connect"]), 2)


if __name__ == "__main__":
    unittest.main()
