"""ivr doctor: names each of the seven troubles from captures that are written here, byte by byte; finds nothing in a call
that is well; and survives captures that lie."""
import http.server
import json
import math
import os
import random
import shutil
import socket
import struct
import threading
import unittest

import server
from server import IVR, run

CALLER, IVR_IP, PHONE = "198.51.100.7", "203.0.113.7", "192.168.1.20"
T0 = 1_700_000_000.0


def ulaw(sample):
    """ITU-T G.711."""
    sign, magnitude = (0x80, -sample) if sample < 0 else (0, sample)
    magnitude = min(magnitude, 32635) + 132
    exponent = max(0, magnitude.bit_length() - 8)
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 15) & 0xFF


def checksummed(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def udp(source, destination, payload):
    return 17, struct.pack(">HHHH", source, destination, 8 + len(payload), 0) + payload


def tcp(source, destination, payload, sequence=1):
    return 6, struct.pack(">HHIIBBHHH", source, destination, sequence, 0, 5 << 4, 0x18, 65535, 0, 0) + payload


def ip(source, destination, protocol, body, fragment=0, more=False):
    if ":" in source:
        return struct.pack(">IHBB", 6 << 28, len(body), protocol, 64) + socket.inet_pton(socket.AF_INET6, source) + \
            socket.inet_pton(socket.AF_INET6, destination) + body
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 7, fragment // 8 | (0x2000 if more else 0), 64, protocol, 0,
                         socket.inet_aton(source), socket.inet_aton(destination))
    return header[:10] + struct.pack(">H", checksummed(header)) + header[12:] + body


ETHER = bytes(12)
# What comes before an IPv4 packet, by link type.
LINKS = {1: ETHER + b"\x08\x00", 101: b"", 228: b"", 0: struct.pack("<I", 2), 108: struct.pack(">I", 2), 113: bytes(14) + b"\x08\x00",
         276: b"\x08\x00" + bytes(18)}


class Pcap:
    def __init__(self, link=1, order="<", nanoseconds=False, before=None):
        self.order, self.scale = order, 1_000_000_000 if nanoseconds else 1_000_000
        magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
        self.head = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)
        self.before = LINKS[link] if before is None else before
        self.records = []

    def frame(self, at, packet):
        self.records.append((at, self.before + packet))

    def datagram(self, at, source, destination, payload):
        protocol, body = udp(source[1], destination[1], payload)
        self.frame(at, ip(source[0], destination[0], protocol, body))

    def segment(self, at, source, destination, payload, sequence=1):
        protocol, body = tcp(source[1], destination[1], payload, sequence)
        self.frame(at, ip(source[0], destination[0], protocol, body))

    def bytes(self):
        out = [self.head]
        for at, frame in sorted(self.records, key=lambda r: r[0]):
            whole = math.floor(at)
            out.append(struct.pack(self.order + "IIII", int(T0) + whole, round((at - whole) * self.scale) % self.scale, len(frame),
                                   len(frame)))
            out.append(frame)
        return b"".join(out)


def sdp(address, port, events=101, direction="sendrecv", family="IP4"):
    lines = ["v=0", f"o=- 1 1 IN {family} {address}", "s=-", f"c=IN {family} {address}", "t=0 0",
             f"m=audio {port} RTP/AVP 0" + (f" {events}" if events else ""), "a=rtpmap:0 PCMU/8000"]
    if events:
        lines += [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-15"]
    return "\r\n".join(lines + [f"a={direction}", ""])


class Call:
    """One call of CALLER to the IVR, as a capture at the IVR shows it."""

    def __init__(self, pcap, call_id="call-1@example.com", caller=CALLER, ivr=IVR_IP, sip=(5060, 5060), rtp=(40000, 10000), transport=None):
        self.pcap, self.id = pcap, call_id
        self.caller, self.ivr = (caller, sip[0]), (ivr, sip[1])
        self.caller_rtp, self.ivr_rtp = (caller, rtp[0]), (ivr, rtp[1])
        self.transport = transport or pcap.datagram

    def send(self, at, from_caller, first, cseq, method, body="", own=True, headers=(), user="alice", to_tag=True):
        """`own`: the sender's request, or an answer to the other's."""
        source, destination = (self.caller, self.ivr) if from_caller else (self.ivr, self.caller)
        caller_asks = from_caller == (not first.startswith("SIP/"))
        alice, robot = f"<sip:{user}@example.com>;tag=a1", "<sip:2001@example.com>" + (";tag=b1" if to_tag else "")
        lines = [first, "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK" + str(cseq),
                 "From: " + (alice if caller_asks else robot), "To: " + (robot if caller_asks else alice), "Call-ID: " + self.id,
                 f"CSeq: {cseq} {method}", *headers]
        if body:
            lines.append("Content-Type: application/sdp" if body.startswith("v=0") else "Content-Type: application/dtmf-relay")
        lines += [f"Content-Length: {len(body)}", "", body]
        self.transport(at, source, destination, "\r\n".join(lines).encode())

    def invite(self, offer=None, at=0.0, **options):
        self.send(at, True, "INVITE sip:2001@example.com SIP/2.0", 1, "INVITE",
                  offer if offer is not None else sdp(*self.caller_rtp), to_tag=False, **options)

    def ok(self, answer=None, at=0.2, headers=("Contact: <sip:2001@203.0.113.7:5060>",)):
        self.send(at, False, "SIP/2.0 200 OK", 1, "INVITE", answer if answer is not None else sdp(*self.ivr_rtp), headers=headers)

    def ack(self, at=0.25):
        self.send(at, True, "ACK sip:2001@203.0.113.7:5060 SIP/2.0", 1, "ACK")

    def bye(self, at, from_caller=True, **options):
        self.send(at, from_caller, "BYE sip:x@example.com SIP/2.0", 9, "BYE", **options)
        self.send(at + 0.02, not from_caller, "SIP/2.0 200 OK", 9, "BYE")

    def audio(self, begin, end, from_caller=True, source=None, destination=None, payload=None, every=0.02):
        frm, to = (self.caller_rtp, self.ivr_rtp) if from_caller else (self.ivr_rtp, self.caller_rtp)
        for i in range(int((end - begin) / every)):
            body = payload(i) if payload else b"\xFF" * 160
            self.pcap.datagram(begin + i * every, source or frm, destination or to,
                               struct.pack(">BBHII", 0x80, 0, i, i * 160, 0xA if from_caller else 0xB) + body)

    def key(self, at, event=5, payload_type=101):
        for i in range(8):
            end = i >= 5
            self.pcap.datagram(at + i * 0.02, self.caller_rtp, self.ivr_rtp,
                               struct.pack(">BBHII", 0x80, payload_type | (0x80 if i == 0 else 0), 900 + i, 77777, 0xA) +
                               struct.pack(">BBH", event, 10 | (0x80 if end else 0), 160 * min(i + 1, 6)))


def healthy(pcap, **options):
    call = Call(pcap, **options)
    call.invite()
    call.ok()
    call.ack()
    call.audio(0.3, 4.0)
    call.audio(0.3, 4.0, from_caller=False)
    call.key(2.0)
    call.bye(4.1)
    return call


def tones(i):
    """160 samples of key 5, on for 100 ms and off for 100 ms."""
    out = bytearray()
    for n in range(i * 160, i * 160 + 160):
        on = (n // 800) % 2 == 1
        out.append(ulaw(int(6000 * (math.sin(2 * math.pi * 770 * n / 8000) + math.sin(2 * math.pi * 1336 * n / 8000))) if on else 0))
    return bytes(out)


class Doctor(unittest.TestCase):
    def setUp(self):
        self.folder = server.folder()
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    def doctor(self, *arguments):
        done = run(IVR, "doctor", "--json", *arguments, cwd=self.folder)
        self.assertIn(done.returncode, (0, 1), (done.stdout, done.stderr))
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 1 if report["findings"] else 0)
        for f in report["findings"]:
            for field in ("where", "seen", "why", "mend", "clause"):
                self.assertTrue(f[field], f)
            self.assertIn("RFC ", f["clause"])
        return report

    def finds(self, pcap, *causes):
        report = self.doctor(self.write("call.pcap", pcap.bytes()))
        self.assertEqual([f["cause"] for f in report["findings"]], list(causes), json.dumps(report, indent=1))
        return report["findings"][0] if causes else report

    # ------------------------------------------------------------------------------------------------ well

    def test_a_healthy_call_has_no_finding_in_every_kind_of_capture(self):
        for link in LINKS:
            for order in "<>":
                for nanoseconds in (False, True):
                    pcap = Pcap(link, order, nanoseconds)
                    healthy(pcap)
                    report = self.finds(pcap)
                    self.assertEqual(report["notes"], [])
                    self.assertEqual(report["capture"]["calls"], 1)
                    self.assertEqual((report["capture"]["damaged"], report["capture"]["end_error"]), (0, ""))
        for tags in (b"\x81\x00\x00\x05", b"\x88\xA8\x00\x05\x81\x00\x00\x06"):
            pcap = Pcap(before=ETHER + tags + b"\x08\x00")
            healthy(pcap)
            self.assertEqual(self.finds(pcap)["capture"]["rtp"], 378)

    def test_ipv6_and_tcp_and_fragments_are_followed(self):
        pcap = Pcap(before=ETHER + b"\x86\xDD")
        call = Call(pcap, caller="2001:db8::7", ivr="2001:db8::1")
        call.invite(sdp("2001:db8::7", 40000, family="IP6"))
        call.ok(sdp("2001:db8::1", 10000, family="IP6"))
        call.ack()
        call.audio(0.3, 3)
        call.audio(0.3, 3, from_caller=False)
        call.bye(3)
        self.assertEqual(self.finds(pcap)["capture"]["calls"], 1)

        pcap, sent = Pcap(), {}

        def in_segments(at, source, destination, payload):
            """Cut in two, the halves in the wrong order, the first one twice."""
            begin = sent.get(source, 1000)
            sent[source] = begin + len(payload)
            first, second = payload[:100], payload[100:]
            if begin != 1000:
                pcap.segment(at, source, destination, second, begin + 100)
            pcap.segment(at + 0.001, source, destination, first, begin)
            pcap.segment(at + 0.002, source, destination, first, begin)
            pcap.segment(at + 0.003, source, destination, second, begin + 100)

        healthy(pcap, transport=in_segments)
        report = self.finds(pcap)
        self.assertEqual((report["capture"]["calls"], report["capture"]["sip"]), (1, 5))

        pcap = Pcap()
        call = Call(pcap, transport=lambda at, s, d, payload: self.in_fragments(pcap, at, s, d, payload))
        call.invite(sdp("0.0.0.0", 40000))
        self.finds(pcap, "wrong-ip-in-sdp")

    @staticmethod
    def in_fragments(pcap, at, source, destination, payload):
        protocol, body = udp(source[1], destination[1], payload)
        pcap.frame(at, ip(source[0], destination[0], protocol, body[200:], fragment=200))
        pcap.frame(at, ip(source[0], destination[0], protocol, body[:200], more=True))

    def test_hold_info_and_a_refreshed_session_are_well(self):
        pcap = Pcap()
        call = Call(pcap)
        call.invite(sdp(CALLER, 40000, events=0))
        call.ok(sdp(IVR_IP, 10000, events=0), headers=("Contact: <sip:2001@203.0.113.7>", "Session-Expires: 90;refresher=uac"))
        call.ack()
        call.audio(0.3, 3)
        call.audio(0.3, 3, from_caller=False)
        call.send(1, True, "INFO sip:2001@203.0.113.7 SIP/2.0", 2, "INFO", "Signal=5\r\nDuration=100\r\n")
        call.send(1.1, False, "SIP/2.0 200 OK", 2, "INFO")
        call.send(45, True, "UPDATE sip:2001@203.0.113.7 SIP/2.0", 3, "UPDATE")
        call.send(45.1, False, "SIP/2.0 200 OK", 3, "UPDATE", headers=("Session-Expires: 90;refresher=uac",))
        call.send(50, True, "INVITE sip:2001@203.0.113.7 SIP/2.0", 4, "INVITE", sdp("0.0.0.0", 40000, events=0, direction="sendonly"))
        call.send(50.1, False, "SIP/2.0 200 OK", 4, "INVITE", sdp(IVR_IP, 10000, events=0, direction="recvonly"),
                  headers=("Session-Expires: 90;refresher=uac",))
        call.send(50.2, True, "ACK sip:2001@203.0.113.7 SIP/2.0", 4, "ACK")
        call.bye(90.1)  # an interval after the answer, but not after the last refresh
        self.finds(pcap)

    # ---------------------------------------------------------------------------------------------- the seven

    def test_1_wrong_ip_in_sdp(self):
        pcap = Pcap()
        call = Call(pcap)  # the phone behind NAT offers its private address
        call.invite(sdp(PHONE, 40000))
        call.ok()
        call.ack()
        call.audio(0.3, 3)
        call.audio(0.3, 3, from_caller=False, destination=(PHONE, 40000))
        call.key(1)
        call.bye(3.1)
        finding = self.finds(pcap, "wrong-ip-in-sdp")
        self.assertTrue(finding["certain"])
        self.assertEqual(finding["where"], call.id)
        self.assertEqual(finding["time"], "2023-11-14 22:13:20.000 UTC")
        for words in (PHONE, "INVITE", CALLER, "a private address"):
            self.assertIn(words, finding["seen"])
        for wrong in ("127.0.0.1", "0.0.0.0", "10.1.2.3"):  # and of the IVR itself
            pcap = Pcap()
            call = Call(pcap)
            call.invite()
            call.ok(sdp(wrong, 10000))
            call.ack()
            self.assertIn("callee", self.finds(pcap, "wrong-ip-in-sdp")["seen"])
        pcap = Pcap()  # a container's address, offered from the machine around it
        call = Call(pcap, caller="192.168.1.5", ivr="192.168.1.9")
        call.invite(sdp("172.17.0.2", 40000))
        call.ok()
        call.ack()
        finding = self.finds(pcap, "wrong-ip-in-sdp")
        self.assertFalse(finding["certain"])
        self.assertIn("another private network", finding["why"])
        pcap = Pcap()  # seen within the NAT, which lets the answer in: well
        healthy(pcap, caller=PHONE)
        self.finds(pcap)
        pcap = Pcap()  # a public one, but all packets come from elsewhere
        call = Call(pcap)
        call.invite(sdp("198.51.100.99", 40000))
        call.ok()
        call.ack()
        call.audio(0.3, 3)
        call.audio(0.3, 3, from_caller=False, destination=("198.51.100.99", 40000))
        call.bye(3.1)
        self.assertIn("come from " + CALLER, self.finds(pcap, "wrong-ip-in-sdp")["seen"])

    def test_2_no_dtmf(self):
        for offered, answered, says in ((0, 101, "answer has telephone-event, the offer has not"), (101, 0, "offer has"), (0, 0, "Neither side")):
            pcap = Pcap()
            call = Call(pcap)
            call.invite(sdp(CALLER, 40000, offered))
            call.ok(sdp(IVR_IP, 10000, answered))
            call.ack()
            call.audio(0.3, 3)
            call.audio(0.3, 3, from_caller=False)
            call.bye(3.1)
            self.assertIn(says, self.finds(pcap, "no-dtmf")["seen"])
        for agreed in (True, False):  # tones: the cause where events were agreed, the way where they were not
            pcap = Pcap()
            call = Call(pcap)
            call.invite(sdp(CALLER, 40000, 101 if agreed else 0))
            call.ok(sdp(IVR_IP, 10000, 101 if agreed else 0))
            call.ack()
            call.audio(0.3, 3, payload=tones)
            call.audio(0.3, 3, from_caller=False)
            call.bye(3.1)
            if agreed:
                self.assertIn("keys are heard as tones", self.finds(pcap, "no-dtmf")["seen"])
            else:
                self.assertIn("keys come as tones", self.finds(pcap)["notes"][0])
        pcap = Pcap()  # events of a type that nobody agreed on
        call = Call(pcap)
        call.invite()
        call.ok()
        call.ack()
        call.audio(0.3, 3)
        call.audio(0.3, 3, from_caller=False)
        call.key(1, payload_type=96)
        call.bye(3.1)
        self.assertIn("payload type 96", self.finds(pcap, "no-dtmf")["seen"])
        pcap = Pcap()  # INFO that is refused
        call = Call(pcap)
        call.invite(sdp(CALLER, 40000, 0))
        call.ok(sdp(IVR_IP, 10000, 0))
        call.ack()
        call.send(1, True, "INFO sip:2001@203.0.113.7 SIP/2.0", 2, "INFO", "Signal=5\r\n")
        call.send(1.1, False, "SIP/2.0 415 Unsupported Media Type", 2, "INFO")
        self.assertIn("415", self.finds(pcap, "no-dtmf")["seen"])

    def test_3_hang_up_after_32_seconds(self):
        times, gap = [0.2], 0.5
        while times[-1] + gap < 32:
            times.append(times[-1] + gap)
            gap = min(2 * gap, 4)
        pcap = Pcap()
        call = Call(pcap)
        call.invite()
        for at in times:
            call.ok(at=at, headers=("Contact: <sip:2001@10.0.0.5:5060>",))
        call.audio(0.3, 3)
        call.audio(0.3, 3, from_caller=False)
        call.bye(32.2, from_caller=False)
        finding = self.finds(pcap, "hangup-32s")
        self.assertTrue(finding["certain"])
        for words in (f"sent {len(times)} times", "no ACK came", "hung up 32.0 s"):
            self.assertIn(words, finding["seen"])
        self.assertIn("Contact of the 200, and that says 10.0.0.5", finding["why"])
        call.ack()  # it is in the capture, but the 200 goes on
        self.assertIn("did not reach", self.finds(pcap, "hangup-32s")["seen"])

    def test_4_403_by_broad_match(self):
        for method in ("INVITE", "REGISTER"):
            pcap = Pcap()
            call = Call(pcap)
            call.send(0, True, f"{method} sip:2001@example.com SIP/2.0", 1, method, to_tag=False)
            call.send(0.1, False, "SIP/2.0 403 Forbidden", 1, method)
            finding = self.finds(pcap, "403-broad-match")
            self.assertFalse(finding["certain"])
            self.assertIn("sip:alice@example.com", finding["seen"])
            self.assertIn("without 401 or 407", finding["seen"])
        other = Call(pcap, call_id="call-2@example.com")  # it does ask others
        other.send(1, True, "REGISTER sip:example.com SIP/2.0", 1, "REGISTER", user="bob", to_tag=False)
        other.send(1.1, False, "SIP/2.0 401 Unauthorized", 1, "REGISTER", user="bob")
        finding = self.finds(pcap, "403-broad-match")
        self.assertTrue(finding["certain"])
        self.assertIn("it does ask sip:bob@example.com", finding["seen"])
        pcap = Pcap()  # after a challenge it is something else
        call = Call(pcap)
        call.send(0, True, "INVITE sip:2001@example.com SIP/2.0", 1, "INVITE", to_tag=False)
        call.send(0.1, False, "SIP/2.0 407 Proxy Authentication Required", 1, "INVITE")
        call.send(0.2, True, "INVITE sip:2001@example.com SIP/2.0", 2, "INVITE", to_tag=False, headers=("Proxy-Authorization: Digest",))
        call.send(0.3, False, "SIP/2.0 403 Forbidden", 2, "INVITE")
        self.assertIn("after credentials", self.finds(pcap)["notes"][0])

    def test_5_one_way_audio(self):
        for from_caller in (True, False):
            pcap = Pcap()
            call = Call(pcap)
            call.invite()
            call.ok()
            call.ack()
            call.audio(0.3, 4, from_caller=from_caller)
            call.bye(4.1)
            talks, silent = ("caller", "callee") if from_caller else ("callee", "caller")
            seen = self.finds(pcap, "one-way-audio")["seen"]
            self.assertIn(f"185 RTP packets from the {talks}", seen)
            self.assertIn(f"none from the {silent}", seen)

    def test_6_timer_hang_up(self):
        for at, who in ((90.2, False), (60.2, False), (1800.2, False), (1768.2, False), (1200.2, False)):
            interval = 90 if at < 100 else 1800
            pcap = Pcap()
            call = Call(pcap)
            call.invite()
            call.ok(headers=("Contact: <sip:2001@203.0.113.7>", f"Session-Expires: {interval};refresher=uac"))
            call.ack()
            call.audio(0.3, 3)
            call.audio(0.3, 3, from_caller=False)
            call.bye(at, from_caller=who)
            finding = self.finds(pcap, "timer-hangup")
            self.assertTrue(finding["certain"])
            self.assertIn(f"Session-Expires: {interval}", finding["seen"])
            self.assertIn("the callee sent BYE", finding["seen"])
            self.assertIn("nobody sent", finding["seen"])
        pcap = Pcap()  # a refresh that is refused
        call = Call(pcap)
        call.invite()
        call.ok(headers=("Contact: <sip:2001@203.0.113.7>", "x: 90;refresher=uas"))
        call.ack()
        call.send(45, False, "UPDATE sip:alice@198.51.100.7 SIP/2.0", 1, "UPDATE")
        call.send(45.1, True, "SIP/2.0 408 Request Timeout", 1, "UPDATE")
        call.bye(45.2, from_caller=False)
        self.assertIn("UPDATE that was to refresh it got 408", self.finds(pcap, "timer-hangup")["seen"])

    def http(self, pcap, at, target, status, port):
        client, service = ("127.0.0.1", port), ("127.0.0.1", 3000)
        pcap.segment(at, client, service, f"GET {target} HTTP/1.1\r\nHost: bank.example:3000\r\n\r\n".encode())
        pcap.segment(at + 0.01, service, client, f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\n{{}}".encode())

    def test_7_404_path_or_query(self):
        path, query = "/balance/1001", "/balance?account=1001"
        for missed, found in ((path, query), (query, path)):
            pcap = Pcap()
            self.http(pcap, 0, missed, 404, 50000)
            finding = self.finds(pcap, "404-path-or-query")
            self.assertFalse(finding["certain"])
            self.assertIn("http://bank.example:3000" + missed, finding["where"])
            self.assertIn(found, finding["mend"])
            self.http(pcap, 1, found, 200, 50001)
            finding = self.finds(pcap, "404-path-or-query")
            self.assertTrue(finding["certain"])
            self.assertIn(f"'{found}' got 200", finding["seen"])
            self.http(pcap, 2, missed.replace("1001", "1002"), 200, 50002)
            self.finds(pcap)  # this form is known: that account is not

    # ------------------------------------------------------------------------------------------- configuration

    def config(self, **sections):
        self.write("hello.json", {"ivr": 1, "id": "hello", "start": "bye", "nodes": {"bye": {"type": "hangup"}}})
        return self.write("server.json", {"extensions": {"2001": "hello.json"}, **sections})

    def test_a_configuration_alone(self):
        good = {"sip": {"listen": "192.0.2.10:5060"}, "rtp": {"ports": "10000-20000"}, "limits": {"calls": 1000}}
        self.assertEqual(self.doctor("--config", self.config(**good))["findings"], [])
        for section, key, value, *causes in (
                ("sip", "listen", "10.0.0.5:5060", "wrong-ip-in-sdp", "hangup-32s"), ("sip", "external_ip", "127.0.0.1", "hangup-32s"),
                ("rtp", "external_ip", "0.0.0.0", "wrong-ip-in-sdp"), ("rtp", "ports", "10001-20000", "rtp-ports"),
                ("rtp", "ports", "10000-10099", "rtp-ports"), ("rtp", "inband_dtmf", False, "no-dtmf"),
                ("sip", "session_expires_s", 30, "timer-hangup", "timer-hangup"), ("sip", "min_se_s", 20, "timer-hangup"),
                ("rtp", "timeout_s", 3, "timer-hangup")):
            bad = json.loads(json.dumps(good))
            bad[section][key] = value
            found = self.doctor("--config", self.config(**bad))["findings"]
            self.assertEqual([f["cause"] for f in found], causes, (section, key, found))
            self.assertIn("server.json /", found[0]["where"])
        nat = {"sip": {"listen": "10.0.0.5", "external_ip": IVR_IP}, "rtp": {"external_ip": IVR_IP, "symmetric": False}}
        self.assertEqual([f["cause"] for f in self.doctor("--config", self.config(**nat))["findings"]], ["one-way-audio"])

        self.write("refuse.json", {"ivr": 1, "id": "refuse", "start": "no", "nodes": {"no": {"type": "hangup", "status": 403}}})
        found = self.doctor("--config", self.config(**good, extensions={"2*": "refuse.json", "2001": "hello.json"}))["findings"]
        self.assertEqual([f["cause"] for f in found], ["403-broad-match"])
        self.write("ask.json", {"ivr": 1, "id": "ask", "start": "ask", "variables": {"base": "http://127.0.0.1:3000/"}, "nodes": {
            "ask": {"type": "api", "url": "{{base}}/balance/{{caller}}", "next": "bye", "error": "bye"}, "bye": {"type": "hangup"}}})
        found = self.doctor("--config", self.config(**good, extensions={"1": "ask.json"}))["findings"]
        self.assertEqual([f["cause"] for f in found], ["404-path-or-query"])
        self.assertIn("http://127.0.0.1:3000//balance/", found[0]["seen"])

    def test_an_api_node_that_got_404_each_time_is_found_in_the_database(self):
        class NotThere(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_error(404)

            def log_message(self, *_):
                pass

        service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NotThere)
        threading.Thread(target=service.serve_forever, daemon=True).start()
        self.addCleanup(service.server_close)
        self.addCleanup(service.shutdown)
        flow = self.write("ask.json", {"ivr": 1, "id": "ask", "start": "lookup", "variables": {"account": "1001"}, "nodes": {
            "lookup": {"type": "api", "url": f"http://127.0.0.1:{service.server_address[1]}/balance/{{{{account}}}}", "next": "bye",
                       "error": "bye"}, "bye": {"type": "hangup"}}})
        ivr = server.Server(self.folder, "--flow", "2001=" + flow, rtp="27000-27999")
        self.addCleanup(lambda: ivr.process.poll() is None and ivr.kill())
        ivr.ready()
        server.call(ivr.uri("2001"), "listen", "--from", "sip:1001@127.0.0.1")
        ivr.call_by("1001")
        self.assertEqual(ivr.stop(), 0)
        found = self.doctor("--config", self.config(database="ivr.db"))["findings"]
        self.assertEqual([f["cause"] for f in found if f["cause"] != "rtp-ports"], ["404-path-or-query"])
        self.assertIn("ivr.db (flow ask, node lookup)", found[-1]["where"])

    # ------------------------------------------------------------------------------------------------ hostile

    def test_text_is_for_people_and_steers_no_terminal(self):
        pcap = Pcap()
        call = Call(pcap, call_id="evil\x1b[2J")
        call.invite(sdp(PHONE, 40000))
        done = run(IVR, "doctor", self.write("call.pcap", pcap.bytes()))
        self.assertEqual(done.returncode, 1)
        for words in ("wrong IP in SDP\n", "where   evil?[2J", "seen ", "why ", "mend ", "clause  RFC 3264", "1 finding\n"):
            self.assertIn(words, done.stdout)
        self.assertNotIn("\x1b", done.stdout)

    def test_what_cannot_be_read_is_said(self):
        good = Pcap()
        healthy(good)
        for name, content, says in (("a", b"", "fewer than 4 bytes"), ("b", b"hello world", "not a capture"), ("c", good.head[:20], "header is cut"),
                                    ("d", b"\x0a\x0d\x0d\x0a" + bytes(40), "pcapng"), ("e", good.head[:20] + struct.pack("<I", 147), "link type 147")):
            done = run(IVR, "doctor", self.write(name, content))
            self.assertEqual(done.returncode, 2)
            self.assertIn(says, done.stderr)
        for arguments in (("nothing.pcap",), (self.folder,), ("--config", "nothing.json"), (), ("--no-such-option",)):
            self.assertEqual(run(IVR, "doctor", *arguments, cwd=self.folder).returncode, 2, arguments)
        report = self.doctor(self.write("cut.pcap", good.bytes()[:-10]))
        self.assertIn("cut: ", report["capture"]["end_error"])
        lie = good.bytes()[:-10] + struct.pack("<IIII", 0, 0, 0xFFFFFFF0, 4) + bytes(100)
        self.doctor(self.write("lie.pcap", lie))

    def test_two_hundred_damaged_captures(self):
        pcap = Pcap()
        call = healthy(pcap)
        self.http(pcap, 3, "/balance/1001", 404, 50000)
        call.transport = lambda at, s, d, payload: pcap.segment(at, s, d, payload, int(at * 1000))
        call.id = "call-over-tcp"
        call.invite(at=3.5)
        call.transport = lambda at, s, d, payload: self.in_fragments(pcap, at, s, d, payload)
        call.id = "call-in-fragments"
        call.invite(at=3.6)
        del pcap.records[60:300]  # little audio: most damage meets something that is parsed
        whole = pcap.bytes()
        chance = random.Random(20260101)
        for i in range(200):
            damaged = bytearray(whole)
            if i % 4 == 0:
                del damaged[chance.randrange(len(damaged)):]
            for _ in range(chance.choice((0, 1, 8, 64, 512)) if i % 4 == 0 else chance.choice((1, 8, 64, 512))):
                if damaged:
                    # Now and then within the file header, else anywhere behind it.
                    at = chance.randrange(len(damaged)) if chance.random() < 0.1 or len(damaged) <= 24 else chance.randrange(24, len(damaged))
                    damaged[at] ^= 1 << chance.randrange(8)
            done = run(IVR, "doctor", "--json", self.write("damaged.pcap", bytes(damaged)))
            self.assertIn(done.returncode, (0, 1, 2), (i, done.stderr))
            if done.returncode < 2:
                json.loads(done.stdout)
            else:
                self.assertIn("ivr doctor: ", done.stderr)


if __name__ == "__main__":
    unittest.main()
