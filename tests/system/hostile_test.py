"""Strangers, garbage, floods, slow services and secrets, each on live calls that must not notice."""
import concurrent.futures
import glob
import http.server
import json
import os
import random
import re
import shutil
import socket
import subprocess
import threading
import unittest

import phone
import server
from phone import Phone, Stranger
from server import wait_for

SEED = int(os.environ.get("IVR_SEED", "1"))
CALLER_HERTZ, STRANGER_HERTZ, PROMPT_HERTZ = 400, 1500, 1000


def flow(nodes, start, **more):
    return {"ivr": 1, "id": start, "start": start, "on_error": "bye", "nodes": nodes | {"bye": {"type": "hangup"}}, **more}


TONE = {"type": "play", "say": {"file": "tone.wav"}, "loops": 0, "next": "digits"}
FLOWS = {
    # A tone for ever, then what was typed.
    "tone": flow({"tone": TONE, "digits": {"type": "gather", "min": 1, "max": 20, "into": "typed", "next": "bye",
                                           "invalid": "bye", "no_input": "bye"}}, "tone"),
    "message": flow({"message": {"type": "record", "beep": False, "max": "1s", "silence": "0s", "into": "file", "next": "bye"}},
                    "message"),
    "ahead": flow({"ahead": {"type": "wait", "duration": "2s", "next": "digits"},
                   "digits": {"type": "gather", "min": 1, "max": 128, "into": "typed", "next": "after", "invalid": "bye",
                              "no_input": "bye"},
                   "after": {"type": "gather", "min": 1, "max": 128, "into": "rest", "timeout": "500ms", "tries": 1,
                             "next": "bye", "invalid": "bye", "no_input": "bye"}}, "ahead"),
    "slow": flow({"slow": {"type": "api", "url": "{{base}}/slow", "timeout": "3s", "filler": {"file": "tone.wav"},
                           "next": "bye", "on_timeout": "late", "error": "bye"}, "late": {"type": "hangup", "reason": "late"}},
                 "slow", variables={"base": "http://127.0.0.1:1"}),
    "pin": flow({"hello": {"type": "wait", "duration": "2s", "next": "account"},
                 "account": {"type": "gather", "length": 4, "into": "account", "next": "pause", "invalid": "bye",
                             "no_input": "bye"},
                 "pause": {"type": "wait", "duration": "1s", "next": "pin"},
                 "pin": {"type": "gather", "kind": "pin", "length": 6, "into": "pin", "next": "verify", "invalid": "bye",
                         "no_input": "bye"},
                 "verify": {"type": "api", "method": "POST", "url": "{{base}}/verify?pin={{pin}}", "headers": {"X-Pin": "{{pin}}"},
                            "body": {"pin": "{{pin}}"}, "map": {"ok": "/ok"}, "next": "echo", "error": "echo"},
                 "echo": {"type": "play_digits", "prefix": "Your code is", "digits": "{{pin}}", "next": "copy", "error": "copy"},
                 "copy": {"type": "set", "set": {"copy": "code {{pin}}"}, "next": "again"},
                 "again": {"type": "api", "url": "{{nowhere}}/{{pin}}", "next": "bye", "error": "bye"}},
                "hello", variables={"base": "http://127.0.0.1:1", "nowhere": "http://127.0.0.1:1"}),
}


class Web:
    """An HTTP service that keeps what it was asked; /slow never answers."""

    def __init__(self):
        asked, release = [], threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                asked.append(f"{self.requestline} {self.headers.get('X-Pin')} {body}")
                if self.path == "/slow":
                    release.wait(60)
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"ok": true}')
            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass
        self.asked, self.release = asked, release
        self.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.web.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.web.server_address[1]}"
        threading.Thread(target=self.web.serve_forever, daemon=True).start()

    def stop(self):
        self.release.set()
        self.web.shutdown()
        self.web.server_close()


def start(test, limits=None, rtp=None, options=(), silence=60, **variables):
    """A server of its own with all the flows above, each under its name; `test` cleans it away."""
    folder = server.folder()
    test.addCleanup(shutil.rmtree, folder)
    server.write_tone(os.path.join(folder, "tone.wav"), PROMPT_HERTZ, 2.0)
    extensions = {}
    for name, document in FLOWS.items():
        with open(os.path.join(folder, name + ".json"), "w") as f:
            json.dump(document, f)
        extensions[name] = {"flow": name + ".json", "record": name == "tone",
                            "variables": {k: v for k, v in variables.items() if k in document.get("variables", {})}}
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump({"extensions": extensions, "limits": limits or {}, "rtp": {"timeout_s": silence}}, f)
    made = server.Server(folder, "--config", os.path.join(folder, "config.json"), "--prompts", folder, *options,
                         rtp=rtp or "11000-11999").ready()
    test.addCleanup(made.kill)
    return made


def all_at_once(*callables):
    with concurrent.futures.ThreadPoolExecutor(len(callables)) as pool:
        return [f.result() for f in [pool.submit(c) for c in callables]]


def assert_whole(test, packets):
    """The prompt's tone in every packet from its first on, and no packet missing."""
    test.assertGreater(len(packets), 20)
    for one, two in zip(packets, packets[1:]):
        test.assertEqual((two.sequence - one.sequence) & 0xFFFF, 1)
        test.assertEqual((two.timestamp - one.timestamp) & 0xFFFFFFFF, 160)
    loud = [max(abs(phone.LINEAR[b]) for b in p.payload) > 4000 for p in packets]
    test.assertIn(True, loud)
    test.assertTrue(all(loud[loud.index(True):]), "the tone was interrupted")


def a_frame_later(who):
    """Goes on when that telephone's clock has: what is sent meanwhile is paced by the call itself."""
    then = who.timestamp
    wait_for(lambda: who.timestamp != then, f"the next frame of {who.user}")


class Strangers(unittest.TestCase):
    """RTP, RTCP and digits of somebody else, who knows or guesses SSRC, sequence number and payload types."""

    def scene(self, ivr, name, nat, before, strangers):
        caller = Phone(user=name, audio=phone.tone(CALLER_HERTZ), shown_ip="10.99.0.1" if nat else None)
        strangers = [Stranger(ip) for ip in strangers]

        def intrude():
            noise = phone.tone(STRANGER_HERTZ, 12000)
            for s in strangers:
                # Where the call is, and where it will be: ahead of the real packets.
                for ahead in (1, 5):
                    s.send(caller.remote, caller.sequence + ahead, caller.timestamp + 160 * ahead, caller.ssrc, noise)
                s.send(caller.remote, random.getrandbits(16), random.getrandbits(32), random.getrandbits(32), noise)
                s.press(caller.remote, "9", caller.sequence + 1, caller.timestamp, caller.ssrc)
                # Behind NAT the RTCP port is any of the caller's address.
                if not nat or s.ip != "127.0.0.1":
                    s.send_rtcp(caller.remote, caller.ssrc)
        try:
            audio, caller.audio = caller.audio, None if before else caller.audio
            self.assertEqual(caller.call(ivr.uri("tone")), 200)
            if before:
                for _ in range(20):
                    intrude()
                    a_frame_later(caller)
                caller.audio = audio
            wait_for(lambda: len(caller.packets) >= 50, f"audio for {name}")
            heard = len(caller.packets)
            while len(caller.packets) < heard + 75:  # beside 1.5 s of the call
                intrude()
                a_frame_later(caller)
            whole = list(caller.packets)
            caller.press("12#")
            wait_for(lambda: caller.over, f"the end of {name}'s call")
            return caller, strangers, whole, [packet for s in strangers for packet in s.heard()]
        finally:
            caller.close()
            for s in strangers:
                s.close()

    def test_are_neither_heard_nor_counted_nor_answered(self):
        ivr = start(self)
        # Behind NAT whoever speaks first from the signalling's own address is the caller, so there the
        # strangers before him are at another one.
        scenes = {
            "direct": (False, False, ("127.0.0.1", "127.0.0.2")),
            "direct_before": (False, True, ("127.0.0.1", "127.0.0.2")),
            "nat": (True, False, ("127.0.0.1", "127.0.0.2")),
            "nat_before": (True, True, ("127.0.0.2", "127.0.0.3")),
        }
        done = all_at_once(*[lambda n=n, s=s: self.scene(ivr, n, *s) for n, s in scenes.items()])
        for name, (caller, strangers, whole, leaked) in zip(scenes, done):
            with self.subTest(name):
                self.assertEqual(leaked, [], "a stranger was answered")
                assert_whole(self, [p for p in whole if p.type == 0])
                self.assertEqual({p.source for p in caller.packets}, {caller.remote})
                call = ivr.call_by(name)
                call.check(self)
                self.assertEqual((call.pressed, call.record["variables"]["typed"]), ("12#", "12"))
                # What a burst of theirs overran the socket's buffer with is counted by nobody.
                sent = sum(s.sent for s in strangers)
                self.assertTrue(sent / 2 < call.rtp["foreign"] <= sent, (call.rtp, sent))
                left, right = server.read_wav(call.record["recording"])
                seconds = len(left) / 8000
                self.assertEqual(server.share(left, STRANGER_HERTZ), 0)
                self.assertEqual(server.share(right, STRANGER_HERTZ), 0)
                self.assertGreater(server.share(left, CALLER_HERTZ), min(1.5, seconds / 2))
                for i in range(0, len(left) - 800, 800):  # nor mixed in
                    self.assertLess(server.power(left[i:i + 800], STRANGER_HERTZ), 0.01)

    def test_garbage_from_anywhere_and_from_the_peer_itself_disturbs_nobody(self):
        ivr = start(self)
        rng = random.Random(SEED)
        victim, bystander = Phone(user="victim", audio=phone.tone(CALLER_HERTZ)), Phone(user="bystander",
                                                                                     audio=phone.tone(CALLER_HERTZ))
        self.addCleanup(victim.close)
        self.addCleanup(bystander.close)
        all_at_once(lambda: victim.call(ivr.uri("tone")), lambda: bystander.call(ivr.uri("tone")))
        wait_for(lambda: min(len(victim.packets), len(bystander.packets)) > 25, "audio")
        sip = ("127.0.0.1", ivr.port)
        rtp, rtcp = victim.remote, (victim.remote[0], victim.remote[1] + 1)
        stranger = Stranger()
        invite = victim.invite.replace(str(victim.port), str(stranger.rtp.getsockname()[1])).replace(
            str(victim.rtp.getsockname()[1]), "9").replace("sip:victim@", "sip:nobody@").encode()
        self.addCleanup(stranger.close)
        valid_rtp = bytes([0x80, 0]) + bytes(10) + bytes(160)
        valid_rtcp = bytes([0x80, 200, 0, 6]) + bytes(24)

        def mutated(message):
            message = bytearray(message)
            for _ in range(rng.randint(1, 8)):
                message[rng.randrange(len(message))] = rng.getrandbits(8)
            return bytes(message)

        def garbage(valid):
            return (b"", rng.randbytes(rng.randint(1, 40)), rng.randbytes(1400), rng.randbytes(60000), valid + rng.randbytes(65000 - len(valid)),
                    valid[:rng.randrange(len(valid))], mutated(valid))
        # The oversized ones also come from where the call's own packets come.
        for _ in range(40):
            for data in garbage(valid_rtp):
                stranger.rtp.sendto(data, rtp)
            for data in garbage(valid_rtcp):
                stranger.rtcp.sendto(data, rtcp)
                stranger.rtcp.sendto(data, rtp)
            for data in garbage(invite):
                # Its own Call-ID, lest it be the victim's dialog that is spoken of.
                stranger.rtp.sendto(data.replace(victim.call_id.encode(), b"%x" % rng.getrandbits(64)), sip)
            for data in (b"", rng.randbytes(rng.randint(1, 11)), rng.randbytes(60000), valid_rtp + rng.randbytes(60000)):
                victim.rtp.sendto(data if data[:1] != b"\x80" or len(data) > 2000 else b"\x00", rtp)
                victim.rtcp.sendto(data, rtcp)
            a_frame_later(victim)
        before = len(victim.packets), len(bystander.packets)
        wait_for(lambda: len(victim.packets) > before[0] + 25 and len(bystander.packets) > before[1] + 25, "more audio")
        self.assertIsNone(ivr.process.poll())
        for who in (victim, bystander):
            self.assertFalse(who.over)
            assert_whole(self, [p for p in who.packets if p.source == who.remote])
            who.press("7#")
        for who in (victim, bystander):
            wait_for(lambda: who.over, f"the end of {who.user}'s call")
            call = ivr.call_by(who.user)
            call.check(self)
            self.assertEqual(call.pressed, "7#")
        self.assertGreater(ivr.call_by("victim").rtp["malformed"], 100)
        self.assertEqual((ivr.call_by("bystander").rtp["malformed"], ivr.call_by("bystander").rtp["foreign"]), (0, 0))
        # And a new call finds everything in order.
        with Phone(user="late", audio=phone.tone(CALLER_HERTZ)) as late:
            self.assertEqual(late.call(ivr.uri("tone")), 200)
            wait_for(lambda: len(late.packets) > 10, "audio")
            late.hang_up()
        print(f"seed {SEED}")


class Limits(unittest.TestCase):
    def refused(self, who, uri, status, why, retry_after):
        with who:
            self.assertEqual(who.call(uri), status)
            self.assertEqual(who.header("retry-after"), retry_after)
            refusal = next(r for r in who.responses if r[0] == status)
            self.assertIn(why, refusal[1])

    def taken(self, who, uri):
        self.assertEqual(who.call(uri), 200)
        return who

    def test_calls_at_once(self):
        ivr = start(self, options=("--max-calls", "2"))
        with Phone(user="a") as a, Phone(user="b") as b:
            self.taken(a, ivr.uri("tone"))
            self.taken(b, ivr.uri("tone"))
            self.refused(Phone(user="c"), ivr.uri("tone"), 503, "all 2 lines are in use", "5")
            a.hang_up()
            ivr.call_by("a")
            with Phone(user="d") as d:
                self.taken(d, ivr.uri("tone")).hang_up()
            b.hang_up()
        refusal, = ivr.of("call_refused")
        self.assertEqual(refusal["status"], 503)

    def test_calls_a_second(self):
        ivr = start(self, limits={"calls_per_second": 1, "retry_after_s": 3})
        phones = [Phone(user=f"p{i}") for i in range(6)]
        try:
            answers = all_at_once(*[lambda p=p: p.call(ivr.uri("tone")) for p in phones])
            self.assertEqual(set(answers), {200, 503}, answers)
            self.assertGreaterEqual(answers.count(503), 3)
            for p, status in zip(phones, answers):
                if status == 503:
                    self.assertEqual(p.header("retry-after"), "3")

            def after_a_while():
                with Phone(user="again") as again:
                    return again.call(ivr.uri("tone")) == 200
            wait_for(after_a_while, "a call that is taken again")
        finally:
            for p in phones:
                p.close()

    def test_calls_from_one_address(self):
        ivr = start(self, limits={"calls_per_address": 1})
        with Phone(user="a") as a, Phone(user="b", ip="127.0.0.2") as b:
            self.taken(a, ivr.uri("tone"))
            self.refused(Phone(user="c"), ivr.uri("tone"), 486, "1 calls from 127.0.0.1 already", None)
            self.taken(b, ivr.uri("tone"))
            a.hang_up()
            ivr.call_by("a")
            with Phone(user="d") as d:
                self.taken(d, ivr.uri("tone"))

    def test_calls_a_second_from_one_address(self):
        ivr = start(self, limits={"calls_per_second_per_address": 0.01})
        with Phone(user="a") as a, Phone(user="b", ip="127.0.0.2") as b:
            self.taken(a, ivr.uri("tone"))
            self.refused(Phone(user="c"), ivr.uri("tone"), 503, "more than 0.01 calls a second from 127.0.0.1", "5")
            self.taken(b, ivr.uri("tone"))

    # P-42. The filter is the one that docs/ivr-serve.md gives to fail2ban.
    def test_who_is_refused_stands_in_a_line_that_a_filter_finds(self):
        log = os.path.join(self.folder(), "refused.log")
        ivr = start(self, options=("--allow", "127.0.0.0/30", "--allow", "::1", "--refusal-log", log))
        evil = 'x"\\to="2001" refused address=127.0.0.3'
        with Phone(user="a") as a, Phone(user="b", ip="127.0.0.2") as b, Phone(user="c", ip="127.0.0.9") as c:
            self.assertEqual(a.call(ivr.uri("tone")), 200)
            a.hang_up()
            self.assertEqual(b.call(ivr.uri("nobody")), 404)
            self.assertEqual(c.call(ivr.uri("tone")), 403)
        for n, name in enumerate((evil, "y\t\x80\xff%0A%0D", "z" * 3000)):
            self.odd_invite(ivr, f"127.0.0.{20 + n}", name)
        def lines():
            with open(log, encoding="ascii") as f:
                return f.read().splitlines()
        wait_for(lambda: len(lines()) >= 5, "five lines")
        with open(os.path.join(server.SOURCE, "docs", "ivr-serve.md"), encoding="utf-8") as f:
            page = f.read()
        written = re.search(r"^failregex = (.*)$", page, re.M).group(1)
        stamp = re.compile(re.search(r"^datepattern = (.*)$", page, re.M).group(1).replace("%%Y", r"\d{4}")
                           .replace("%%m", r"\d\d").replace("%%d", r"\d\d").replace("%%H", r"\d\d")
                           .replace("%%M", r"\d\d").replace("%%S", r"\d\d"))
        # As fail2ban does it: the time is cut out, <HOST> is an address.
        filter_ = re.compile(written.replace("<HOST>", r"(?P<host>\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)"))
        found = []
        for line in lines():
            self.assertRegex(line, r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ refused address=[0-9a-f.:]+ reason=[a-z-]+ '
                                   r'status=\d{3} method=(INVITE|REGISTER) from="[!-~]*" to="[!-~]*"$')
            self.assertTrue(stamp.match(line))
            match = filter_.search(stamp.sub("", line, count=1))
            self.assertTrue(match, line)
            found.append(match.group("host"))
        self.assertEqual(found[:2], ["127.0.0.2", "127.0.0.9"])
        self.assertEqual(sorted(found[2:]), ["127.0.0.20", "127.0.0.21", "127.0.0.22"][:len(found) - 2])
        self.assertNotIn("127.0.0.3", found)
        self.assertIn("reason=no-extension status=404", lines()[0])
        self.assertIn("reason=not-allowed status=403", lines()[1])
        # What is the server's own doing bars nobody.
        self.assertIsNone(filter_.search(" refused address=127.0.0.1 reason=busy status=503 method=INVITE from=\"\" to=\"\""))

    def folder(self):
        made = server.folder()
        self.addCleanup(shutil.rmtree, made)
        return made

    def odd_invite(self, ivr, ip, display):
        """An INVITE whose From holds what it should not."""
        with phone.udp(ip, 0) as s:
            port = s.getsockname()[1]
            user = "".join(c if c.isascii() and c.isalnum() else "%%%02X" % (ord(c) & 255) for c in display)[:3500]
            s.sendto((f"INVITE {ivr.uri(user)} SIP/2.0\r\nVia: SIP/2.0/UDP {ip}:{port};branch=z9hG4bK{port}\r\n"
                      f"From: <sip:{user}@x>;tag=1\r\nTo: <{ivr.uri('tone')}>\r\nCall-ID: {port}@{ip}\r\nCSeq: 1 INVITE\r\n"
                      f"Contact: <sip:x@{ip}:{port}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n").encode(),
                     ("127.0.0.1", ivr.port))
            s.settimeout(10)
            while True:
                reply = s.recv(65536)
                if reply.startswith(b"SIP/2.0 403"):
                    return
                self.assertTrue(reply.startswith(b"SIP/2.0 100"), reply[:40])

    def free_ports(self, count):
        """A run of free ports, from an even one, where nobody else here looks for any."""
        while True:
            base = random.randrange(6000, 9000, 2)
            sockets = []
            try:
                for i in range(count):
                    sockets.append(phone.udp("127.0.0.1", base + i))
                return base
            except OSError:
                pass
            finally:
                for s in sockets:
                    s.close()

    def test_rtp_ports(self):
        base = self.free_ports(4)
        ivr = start(self, rtp=f"{base}-{base + 3}")
        with Phone(user="a") as a, Phone(user="b") as b:
            self.taken(a, ivr.uri("tone"))
            self.taken(b, ivr.uri("tone"))
            self.assertEqual({a.remote[1], b.remote[1]}, {base, base + 2})
            self.refused(Phone(user="c"), ivr.uri("tone"), 503, "no RTP port pair free", "5")
            a.hang_up()
            ivr.call_by("a")
            with Phone(user="d") as d:
                self.taken(d, ivr.uri("tone"))
                self.assertEqual(d.remote, a.remote)

    def test_s4_43_a_call_that_sends_nothing(self):
        ivr = start(self, limits={"call_length_s": 60}, silence=1)
        with Phone(user="silent") as silent, Phone(user="speaks", audio=phone.tone(CALLER_HERTZ)) as speaks:
            self.taken(speaks, ivr.uri("tone"))
            self.taken(silent, ivr.uri("tone"))
            wait_for(lambda: silent.over, "the end of the silent call")
            self.assertFalse(speaks.over)
            speaks.hang_up()
        self.assertEqual((ivr.call_by("silent").record["status"], ivr.call_by("silent").record["cause"]), ("failed", "media lost"))

    def test_the_length_of_a_recording_and_of_a_call_and_digits_typed_ahead(self):
        ivr = start(self, limits={"call_length_s": 6})
        with Phone(user="speaker", audio=phone.tone(CALLER_HERTZ)) as speaker, Phone(user="patient") as patient, \
                Phone(user="eager") as eager:
            self.taken(speaker, ivr.uri("message"))
            self.taken(patient, ivr.uri("tone"))
            self.taken(eager, ivr.uri("ahead"))
            for i in range(200):  # each a press of its own, told by its end
                eager.keys.append((phone.key_payload(str(i % 10), 320, True), True))
            wait_for(lambda: speaker.over and patient.over and eager.over, "the end of the calls")
        recorded, = ivr.call_by("speaker").of("recorded")
        self.assertEqual(recorded["length_ms"], 1000)
        samples, = server.read_wav(recorded["file"])
        self.assertEqual(len(samples), 8000)
        self.assertEqual(ivr.call_by("speaker").visits[0], ("message", "next"))
        self.assertEqual(ivr.call_by("patient").record["cause"], "call limit")
        call = ivr.call_by("eager")
        call.check(self)
        typed = "".join(str(i % 10) for i in range(128))
        self.assertTrue(call.pressed.startswith(typed), call.pressed)
        self.assertEqual(call.record["variables"]["typed"], typed)


class SlowService(unittest.TestCase):
    def test_holds_up_nobody_else(self):
        web = Web()
        self.addCleanup(web.stop)
        ivr = start(self, base=web.url)
        with Phone(user="listener", audio=phone.tone(CALLER_HERTZ)) as listener:
            self.assertEqual(listener.call(ivr.uri("tone")), 200)
            wait_for(lambda: len(listener.packets) > 25, "audio")
            slow = [Phone(user=f"slow{i}") for i in range(8)]
            try:
                all_at_once(*[lambda p=p: p.call(ivr.uri("slow")) for p in slow])
                wait_for(lambda: all(p.over for p in slow), "the end of the slow calls")
            finally:
                for p in slow:
                    p.close()
            self.assertFalse(listener.over)
            assert_whole(self, [p for p in listener.packets if p.type == 0])
            listener.hang_up()
        self.assertEqual(len([a for a in web.asked if "/slow" in a]), 8)
        for p in slow:
            call = ivr.call_by(p.user)
            call.check(self)
            self.assertEqual(call.visits, [("slow", "timeout"), ("late", "hangup")])
            # The filler was heard while it waited.
            self.assertTrue(any(max(abs(phone.LINEAR[b]) for b in packet.payload) > 4000 for packet in p.packets))
        call = ivr.call_by("listener")
        call.check(self)
        self.assertLess(server.share(server.read_wav(call.record["recording"])[0], PROMPT_HERTZ), 0.2)


class Secrets(unittest.TestCase):
    def test_a_pin_is_written_nowhere(self):
        web = Web()
        self.addCleanup(web.stop)
        nowhere = f"http://127.0.0.1:{server.free_port()}"
        ivr = start(self, base=web.url, nowhere=nowhere, options=("--speech-cache", "cache"))
        pins = {"events": "739146", "ahead": "846257", "inband": "957368", "info": "628475"}

        def by_robot(name, do, *options):
            robot = server.call(ivr.uri("pin"), do, "--from", f"sip:{name}@127.0.0.1", *options)
            self.assertTrue(robot["answered"], robot)

        def by_info(name):
            with Phone(user=name, audio=phone.tone(CALLER_HERTZ, 0)) as p:
                p.call(ivr.uri("pin"))
                for digit in "1001" + pins[name]:
                    p.dialog["cseq"] += 1
                    body = f"Signal={digit}\r\nDuration=100\r\n"
                    p.send(p.request("INFO", body).replace("application/sdp", "application/dtmf-relay"))
                    wait_for(lambda: p.dialog["cseq"] in p.answered, "the answer to INFO")
                wait_for(lambda: p.over, "the end of the call")
        all_at_once(
            lambda: by_robot("events", f"wait 2500ms; press 1001; wait 2s; press {pins['events']}; wait 20s"),
            lambda: by_robot("ahead", f"press 1001{pins['ahead']}; wait 20s"),
            lambda: by_robot("inband", f"press 1001; wait 2500ms; press {pins['inband']}; wait 20s", "--inband"),
            lambda: by_info("info"))
        for name, pin in pins.items():
            with self.subTest(name):
                call = ivr.call_by(name)
                call.check(self)
                self.assertEqual(call.record["variables"]["account"], "1001")
                # What is typed ahead may be for any question, so none of it is shown.
                self.assertEqual(call.pressed, "1001??????" if name == "events" else "??????????")
                self.assertIn(("pin", "next"), call.visits)
                self.assertEqual(len([a for a in web.asked if a.count(pin) == 3]), 1, web.asked)  # URL, header, body
                for more in ("", "--json"):
                    for what in ("log", "replay"):
                        shown = server.run(server.IVR, what, call.id, "--db", ivr.db, *more.split())
                        self.assertNotIn(pin, shown.stdout + shown.stderr)
        self.assertEqual(ivr.stop(), 0)
        files = [f for f in glob.glob(os.path.join(ivr.folder, "**"), recursive=True) if os.path.isfile(f)]
        self.assertTrue(any(f.endswith("ivr.db") for f in files) and any("server-" in f for f in files), files)
        for file in files:
            with open(file, "rb") as f:
                content = f.read()
            for pin in pins.values():
                self.assertNotIn(pin.encode(), content, file)
                self.assertNotIn(" ".join(pin).encode(), content, file)
                self.assertNotIn(b'"' + b'","'.join(c.encode() for c in pin) + b'"', content, file)


if __name__ == "__main__":
    unittest.main()
