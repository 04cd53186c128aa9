"""A telephone in plain sockets: SIP over UDP, RTP and RTCP, so that a test can say and send whatever it likes."""
import collections
import math
import random
import select
import socket
import struct
import threading
import time

from server import power, wait_for

FRAME = 160  # samples, 20 ms
EVENT_TYPE = 101
KEYS = "0123456789*#ABCD"

Packet = collections.namedtuple("Packet", "source type marker sequence timestamp ssrc payload")


def to_ulaw(sample):
    """G.711, by its segments."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 15) & 0xFF


def from_ulaw(byte):
    byte = ~byte & 0xFF
    magnitude = (((byte & 15) << 3) + 132 << (byte >> 4 & 7)) - 132
    return -magnitude if byte & 0x80 else magnitude


LINEAR = [from_ulaw(byte) for byte in range(256)]


def tone(hertz, amplitude=8000):
    """A frame of it in u-law; a multiple of 50 Hz joins the next frame without a step."""
    return bytes(to_ulaw(int(amplitude * math.sin(2 * math.pi * hertz * i / 8000))) for i in range(FRAME))


def to_alaw(sample):
    """G.711, table 1a: even bits inverted."""
    sign, magnitude = (0x80, sample) if sample >= 0 else (0, -sample - 1)
    magnitude = min(magnitude, 32767) >> 4
    exponent = max(magnitude.bit_length() - 4, 1) if magnitude >= 16 else 0
    mantissa = (magnitude >> (exponent - 1 if exponent else 0)) & 15
    return (sign | exponent << 4 | mantissa) ^ 0x55


def tone_alaw(hertz, amplitude=8000):
    return bytes(to_alaw(int(amplitude * math.sin(2 * math.pi * hertz * i / 8000))) for i in range(FRAME))


def key_payload(key, duration, end):
    return struct.pack("!BBH", KEYS.index(key), 0x80 | 10 if end else 10, duration)


def parse(packet, source):
    first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
    return Packet(source, second & 127, second >> 7 == 1, sequence, timestamp, ssrc, packet[12:])


def udp(ip="127.0.0.1", port=0):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.bind((ip, port))
    return made


def udp_pair(ip="127.0.0.1"):
    """RTP on an even port, RTCP on the next."""
    for _ in range(200):
        rtp = udp(ip)
        port = rtp.getsockname()[1]
        try:
            if port % 2 == 0:
                return rtp, udp(ip, port + 1)
        except OSError:
            pass
        rtp.close()
    raise AssertionError(f"no pair of free ports on {ip}")


class Stranger:
    """Somebody with an RTP and an RTCP socket who was not invited. Whatever reaches him is kept."""

    def __init__(self, ip="127.0.0.1"):
        self.ip = ip
        self.rtp, self.rtcp = udp_pair(ip)
        self.sent = 0

    def send(self, to, sequence, timestamp, ssrc, payload, payload_type=0, marker=False):
        head = struct.pack("!BBHII", 0x80, (128 if marker else 0) | payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
        self.rtp.sendto(head + payload, to)
        self.sent += 1

    def press(self, to, key, sequence, timestamp, ssrc, payload_type=EVENT_TYPE):
        for i in range(4):
            self.send(to, sequence + i, timestamp, ssrc, key_payload(key, 160 * min(i + 1, 3), i >= 2), payload_type, i == 0)

    def send_rtcp(self, to, ssrc):
        """A sender report and a BYE for that source."""
        report = struct.pack("!BBHIIIIII", 0x80, 200, 6, ssrc, int(time.time()) + 2208988800, 0, 0, 9999, 9999)
        bye = struct.pack("!BBHI", 0x81, 203, 1, ssrc)
        for packet in (report + bye, bye):
            self.rtcp.sendto(packet, (to[0], to[1] + 1))
            self.sent += 1

    def heard(self):
        """Everything that anybody has sent here."""
        packets = []
        for s in (self.rtp, self.rtcp):
            while select.select([s], [], [], 0)[0]:
                packets.append(s.recvfrom(4096))
        return packets

    def close(self):
        self.rtp.close()
        self.rtcp.close()


class Phone:
    """One call at a time. A thread of its own answers SIP, keeps what comes by RTP, and sends `audio` each 20 ms.

    As a callee it does what `policy` says: "answer", "ring" (for ever), or a status such as 486. When a call is over it
    takes the next one; `packets` and `requests` go on through all of them.
    """

    def __init__(self, ip="127.0.0.1", user="phone", policy="answer", audio=None, codecs=(0,), shown_ip=None, events=True):
        self.ip, self.user, self.policy, self.audio = ip, user, policy, audio
        self.codecs, self.events, self.shown_ip = codecs, events, shown_ip or ip
        self.sip = udp(ip)
        self.rtp, self.rtcp = udp_pair(ip)
        self.port = self.sip.getsockname()[1]
        self.uri = f"sip:{user}@{ip}:{self.port}"
        self.remote = None            # where its RTP goes
        self.ssrc = random.getrandbits(32)
        self.sequence, self.timestamp = random.getrandbits(16), random.getrandbits(32)
        self.packets = []             # RTP that came
        self.reports = []             # RTCP that came
        self.responses = []           # (status, reason, headers, body) of our INVITE
        self.requests = []            # methods that came
        self.wire = []                # every SIP datagram that came, as it was
        self.progress = []            # statuses of the NOTIFYs that followed our REFER
        self.answered = []            # CSeq of our own requests that have a final response
        self.replies = []             # (method, status) of those responses
        self.referred = None          # headers of a REFER that came
        self.takes_refer = 202        # what is answered to it; how it goes on is the test's to tell, by notify()
        self.version = 0              # of our SDP
        self.invited = None           # headers of the INVITE that came last
        self.up = self.over = False
        self.keys = collections.deque()  # packets (payload, marker, timestamp) of key presses still to be sent
        self.pressed_until = 0
        self.saying = collections.deque()  # frames in place of `audio`
        self.call_id = f"{random.getrandbits(64):x}"
        self.tag = f"{random.getrandbits(32):x}"
        self.peer, self.invite, self.dialog = None, None, None
        self.running = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    # ---------------------------------------------------------------- what a test asks for

    def sdp(self, direction=None):
        names = {0: "PCMU", 8: "PCMA"}
        formats = [str(c) for c in self.codecs] + ([str(EVENT_TYPE)] if self.events else [])
        self.version += 1
        lines = ["v=0", f"o=p 1 {self.version} IN IP4 {self.shown_ip}", "s=-", f"c=IN IP4 {self.shown_ip}", "t=0 0",
                 f"m=audio {self.rtp.getsockname()[1]} RTP/AVP {' '.join(formats)}"]
        lines += [f"a=rtpmap:{c} {names[c]}/8000" for c in self.codecs]
        if self.events:
            lines += [f"a=rtpmap:{EVENT_TYPE} telephone-event/8000", f"a=fmtp:{EVENT_TYPE} 0-15"]
        if direction:
            lines.append(f"a={direction}")
        return "\r\n".join(lines) + "\r\n"

    def call(self, uri, wait=True, headers=""):
        """Invites; with `wait` returns when it is answered or refused: the final status."""
        self.peer = ("127.0.0.1", int(uri.partition("@")[2].partition(":")[2].partition(";")[0]))
        self.dialog = {"to": f"<{uri}>", "from": f"<sip:{self.user}@{self.ip}>;tag={self.tag}", "call-id": self.call_id,
                       "cseq": 1, "uri": uri}
        self.invite = self.request("INVITE", self.sdp(), headers=headers)
        self.resend_at = 0.0
        if wait:
            return wait_for(self.final, f"a final answer to the INVITE of {self.user}")
        return None

    def final(self):
        return next((r[0] for r in list(self.responses) if r[0] >= 200), None)

    def header(self, name):
        """Of the final answer."""
        return next((r[2].get(name) for r in list(self.responses) if r[0] >= 200), None)

    def press(self, keys):
        """Telephone-events, 60 ms each with pauses of 60 ms."""
        for key in keys:
            for i in range(6):
                self.keys.append((key_payload(key, FRAME * min(i + 1, 3), True) if 2 <= i < 5 else
                                  key_payload(key, FRAME * (i + 1), False) if i < 2 else None, i == 0))

    def dial(self, keys):
        """The tones of Q.23 in place of `audio`, 100 ms each with pauses of 100 ms."""
        for key in keys:
            row, column = divmod("123A456B789C*0#D".index(key), 4)
            low, high = (697, 770, 852, 941)[row], (1209, 1336, 1477, 1633)[column]
            sound = [int(4500 * (math.sin(2 * math.pi * low * i / 8000) + math.sin(2 * math.pi * high * i / 8000))) for i in range(5 * FRAME)]
            pcm = bytes(map(to_ulaw, sound)) + bytes([0xFF]) * 5 * FRAME
            self.saying.extend(pcm[i:i + FRAME] for i in range(0, len(pcm), FRAME))

    def ask(self, method, body="", headers=""):
        """A request within the call; the status of its answer."""
        self.dialog["cseq"] += 1
        since = len(self.replies)
        self.send(self.request(method, body, headers=headers))
        return wait_for(lambda: self.replies[since:], f"the answer to the {method} of {self.user}")[0][1]

    def hang_up(self):
        self.ask("BYE")

    def hold(self, on=True):
        return self.ask("INVITE", self.sdp("sendonly" if on else "sendrecv"))

    def refer(self, target):
        """Asks the other side to call somebody else; `progress` tells what becomes of it."""
        return self.ask("REFER", headers=f"Refer-To: <{target}>\r\nReferred-By: <{self.uri}>\r\n")

    def notify(self, *statuses):
        """Tells how it goes what the other side asked for by REFER (RFC 3515, 2.4.4)."""
        for status in statuses:
            state = "active;expires=60" if status < 200 else "terminated;reason=noresource"
            self.ask("NOTIFY", f"SIP/2.0 {status} As it is\r\n",
                     f"Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n")

    def replaces(self):
        """This call's dialog as somebody at the other end of it would name it (RFC 3891)."""
        tag = lambda value: value.partition("tag=")[2].partition(";")[0]
        return f"{self.dialog['call-id']};to-tag={tag(self.dialog['to'])};from-tag={tag(self.dialog['from'])}"

    def hears(self, hertz, of=10):
        """Is that tone most of the last frames that came?"""
        last = [p for p in list(self.packets)[-of:] if p.type in (0, 8)]
        return len(last) == of and all(power([LINEAR[b] for b in p.payload], hertz) > 0.5 for p in last)

    def share_of(self, hertz, of=10):
        """How much of the power of the last frames is that tone, for sounds of several."""
        last = [LINEAR[b] for p in list(self.packets)[-of:] if p.type == 0 for b in p.payload]
        return power(last, hertz) if last else 0.0

    def forget(self):
        """The other side has died: this call is over, and the telephone is free."""
        self.over = True

    def cancel(self):
        cancel = self.invite.replace("INVITE ", "CANCEL ", 1).replace("1 INVITE", "1 CANCEL", 1)
        head = [line for line in cancel.partition("\r\n\r\n")[0].split("\r\n") if not line.startswith("Content-")]
        self.send("\r\n".join(head) + "\r\nContent-Length: 0\r\n\r\n")

    def close(self):
        self.running = False
        self.thread.join()
        for s in (self.sip, self.rtp, self.rtcp):
            s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---------------------------------------------------------------- its thread

    def run(self):
        due = time.monotonic()
        while self.running:
            ready, _, _ = select.select([self.sip, self.rtp, self.rtcp], [], [], max(0.0, min(0.02, due - time.monotonic())))
            if self.sip in ready:
                self.on_sip(*self.sip.recvfrom(65536))
            if self.rtcp in ready:
                self.reports.append(self.rtcp.recvfrom(4096))
            if self.rtp in ready:
                packet, source = self.rtp.recvfrom(4096)
                if len(packet) >= 12:
                    self.packets.append(parse(packet, source))
            now = time.monotonic()
            if self.invite and not self.responses and now >= self.resend_at:
                self.resend_at = now + 0.5
                self.send(self.invite)
            if now >= due:
                due = max(due + 0.02, now - 0.1)
                self.tick()

    def tick(self):
        if not (self.up and self.remote and not self.over):
            return
        payload, kind, stamp, marker = self.saying.popleft() if self.saying else self.audio, self.codecs[0], self.timestamp, False
        if self.keys:
            event, marker = self.keys.popleft()
            if marker:
                self.key_stamp = self.timestamp
            if event:
                payload, kind, stamp = event, EVENT_TYPE, self.key_stamp
        if payload:
            head = struct.pack("!BBHII", 0x80, (128 if marker else 0) | kind, self.sequence, stamp, self.ssrc)
            self.rtp.sendto(head + payload, self.remote)
            self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF

    def send(self, text, to=None):
        self.sip.sendto(text.encode(), to or self.peer)

    def request(self, method, body="", branch=None, headers="", cseq=None):
        d = self.dialog
        branch = branch or f"z9hG4bK{random.getrandbits(64):x}"
        if method == "INVITE":
            self.branch = branch
        kind = "Content-Type: application/sdp\r\n" if body and "Content-Type" not in headers else ""
        return (f"{method} {d['uri']} SIP/2.0\r\nVia: SIP/2.0/UDP {self.ip}:{self.port};rport;branch={branch}\r\n"
                f"Max-Forwards: 70\r\nFrom: {d['from']}\r\nTo: {d['to']}\r\nCall-ID: {d['call-id']}\r\n"
                f"CSeq: {cseq or d['cseq']} {method}\r\nContact: <{self.uri}>\r\n{headers}{kind}"
                f"Content-Length: {len(body)}\r\n\r\n{body}")

    def on_sip(self, datagram, source):
        self.wire.append(datagram)
        head, _, body = datagram.decode(errors="replace").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        headers, vias = {}, []
        for line in lines:
            name, _, value = line.partition(":")
            if name.lower() == "via":
                vias.append(line)
            headers.setdefault(name.lower(), value.strip())
        if first.startswith("SIP/2.0 "):
            self.on_response(int(first.split()[1]), first.partition(" ")[2].partition(" ")[2], headers, body)
        else:
            self.on_request(first.split()[0], headers, vias, body, source)

    def take_sdp(self, body):
        ip = port = None
        for line in body.splitlines():
            if line.startswith("c=IN IP4 "):
                ip = line.split()[2]
            if line.startswith("m=audio "):
                port = int(line.split()[1])
                offered = [int(f) for f in line.split()[3:]]
                # As RFC 3264, 6.1 would have it: what both know, in the offer's order.
                self.codecs = [f for f in offered if f in self.codecs]
        self.remote = (ip, port)

    def on_response(self, status, reason, headers, body):
        if headers.get("call-id") != self.call_id:
            return
        number, method = headers["cseq"].split()
        if status >= 200:
            self.replies.append((method, status))
            self.answered.append(int(number))
        if method == "BYE":
            self.over = True
        if method != "INVITE":
            return
        if self.up:  # of a re-INVITE, or the same 200 again
            if status >= 200:
                self.send(self.request("ACK", branch=None if status < 300 else self.branch, cseq=int(number)))
            return
        new = self.final() is None
        if status >= 200:  # also when it comes again
            self.dialog["to"] = headers["to"]
            if status < 300:
                self.dialog["uri"] = headers["contact"].partition("<")[2].partition(">")[0]
            self.send(self.request("ACK", branch=None if status < 300 else self.branch))
        if new and 200 <= status < 300:
            self.take_sdp(body)
            self.up = True
        if new and status >= 300:
            self.over = True
        self.responses.append((status, reason, headers, body))

    def on_request(self, method, headers, vias, body, source):
        again = self.invited and (headers["call-id"], headers["cseq"]) == (self.invited["call-id"], self.invited["cseq"])
        self.requests.append(method)
        if self.over and not again:  # another call: by another name
            self.tag = f"{random.getrandbits(32):x}"
        to = headers["to"] if "tag=" in headers["to"] else headers["to"] + ";tag=" + self.tag

        def respond(status, text="", of=None, sdp="", via=vias, cseq=headers["cseq"]):
            kind = "Content-Type: application/sdp\r\n" if sdp else ""
            self.send(f"SIP/2.0 {status} {text}\r\n" + "".join(v + "\r\n" for v in via) +
                      f"From: {headers['from']}\r\nTo: {to}\r\nCall-ID: {headers['call-id']}\r\nCSeq: {cseq}\r\n"
                      f"Contact: <{self.uri}>\r\n{kind}Content-Length: {len(sdp)}\r\n\r\n{sdp}", source)

        if method == "INVITE" and again:
            pass
        elif method == "INVITE" and "tag=" in headers["to"]:
            self.invited = headers
            self.take_sdp(body)
            respond(200, "OK", sdp=self.sdp())
        elif method == "INVITE" and self.up and not self.over and "replaces" not in headers:
            respond(486, "Busy Here")
        elif method == "INVITE":
            self.invited = headers
            if self.up and not self.over:  # it takes the place of the call that is (RFC 3891)
                self.dialog["cseq"] += 1
                self.send(self.request("BYE"))
            self.up = self.over = False
            self.call_id = headers["call-id"]
            self.peer, self.respond_invite = source, respond
            self.take_sdp(body)
            contact = headers["contact"].partition("<")[2].partition(">")[0]
            self.dialog = {"to": headers["from"], "from": to, "call-id": headers["call-id"], "cseq": 1, "uri": contact}
            respond(180, "Ringing")
            if self.policy == "answer":
                self.answer()
            elif self.policy != "ring":
                respond(self.policy, "As the test wants")
        elif method == "ACK":
            pass
        elif headers["call-id"] != self.call_id:  # of a call whose place another took
            respond(200 if method == "BYE" else 481, "As it is")
        elif method == "CANCEL":
            respond(200, "OK")
            self.over = True
            self.respond_invite(487, "Request Terminated")
        elif method == "BYE":
            respond(200, "OK")
            self.over = True
        elif method == "REFER":
            self.referred = headers
            respond(self.takes_refer, "As the test wants")
        else:
            if method == "NOTIFY" and body.startswith("SIP/2.0 "):
                self.progress.append(int(body.split()[1]))
            respond(200, "OK")

    def answer(self):
        self.respond_invite(200, "OK", sdp=self.sdp())
        self.up = True
