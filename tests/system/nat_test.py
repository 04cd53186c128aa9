#!/usr/bin/python3
"""A server behind NAT, which asks a STUN server at which address the world sees it (P-49)."""
import json
import os
import shutil
import socket
import struct
import subprocess
import threading
import unittest

import phone
import server
from phone import Phone
from server import IVR, Server, wait_for

COOKIE = 0x2112A442


class Stun:
    """A STUN server on 127.0.0.1 (RFC 8489). It loses the first request, and answers the second with something else."""

    def __init__(self, address):
        self.address = address
        self.requests = 0
        self.socket = phone.udp()
        self.socket.settimeout(0.05)
        self.uri = f"stun:127.0.0.1:{self.socket.getsockname()[1]}"
        self.running = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.running:
            try:
                request, source = self.socket.recvfrom(1500)
            except TimeoutError:
                continue
            kind, length, cookie = struct.unpack_from("!HHI", request)
            assert (kind, length, cookie, len(request)) == (1, 0, COOKIE, 20), request
            self.requests += 1
            if self.requests == 2:
                self.socket.sendto(b"who is there?", source)
            if self.requests > 2:
                seen = struct.unpack("!I", socket.inet_aton(self.address))[0]
                value = struct.pack("!BBHI", 0, 1, 40000 ^ COOKIE >> 16, seen ^ COOKIE)
                self.socket.sendto(struct.pack("!HHI", 0x0101, 12, COOKIE) + request[8:] + struct.pack("!HH", 0x20, 8) + value, source)

    def close(self):
        self.running = False
        self.thread.join()
        self.socket.close()


class Nat(unittest.TestCase):
    def setUp(self):
        self.folder = server.folder()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.stun = Stun("203.0.113.7")
        self.addCleanup(self.stun.close)

    def write(self, name, document):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            json.dump(document, f)
        return path

    def told(self, who):
        """The address in the SDP of the 200."""
        body = next(r[3] for r in who.responses if r[0] == 200)
        return next(line.split()[2] for line in body.splitlines() if line.startswith("c="))

    def test_p49_peers_are_told_the_address_that_the_server_says_and_the_new_one_when_it_changes(self):
        desk = Phone(user="desk")
        self.addCleanup(desk.close)
        server.write_tone(os.path.join(self.folder, "tone.wav"), 600, 5.0)
        self.write("stay.json", {"ivr": 1, "id": "stay", "start": "tone", "on_error": "bye", "nodes": {
            "tone": {"type": "play", "say": {"file": "tone.wav"}, "next": "bye"}, "bye": {"type": "hangup"}}})
        # Its name is far away, and the packets get there all the same.
        far = f"sip:desk@198.51.100.9:{desk.port};maddr=127.0.0.1"
        self.write("far.json", {"ivr": 1, "id": "far", "start": "to", "on_error": "bye", "nodes": {
            "to": {"type": "transfer", "to": far, "next": "bye", "failed": "bye"}, "bye": {"type": "hangup"}}})
        config = self.write("server.json", {
            "sip": {"external_ip": self.stun.uri, "external_ip_refresh_s": 0.2}, "rtp": {"external_ip": self.stun.uri},
            "extensions": {"2001": "stay.json", "2002": "far.json"}})
        ivr = Server(self.folder, "--config", config, "--prompts", self.folder, rtp="13500-13999").ready()
        self.addCleanup(ivr.stop)
        wait_for(lambda: ivr.of("external_ip"), "what the server says")
        self.assertEqual(ivr.of("external_ip")[0]["address"], "203.0.113.7")

        for address in ("203.0.113.7", "203.0.113.8"):
            self.stun.address = address
            wait_for(lambda: ivr.of("external_ip")[-1]["address"] == address, f"the address {address}")
            caller, asking = Phone(user="near"), Phone(user="asking")
            self.addCleanup(caller.close)
            self.addCleanup(asking.close)
            self.assertEqual(caller.call(ivr.uri("2001")), 200)
            self.assertEqual(self.told(caller), address)
            contact = next(r[2]["contact"] for r in caller.responses if r[0] == 200)
            self.assertIn("@127.0.0.1:" if "@" in contact else ":127.0.0.1:", contact, "who is near is told where it is")
            caller.hang_up()

            self.assertEqual(asking.call(ivr.uri("2002")), 200)
            wait_for(lambda: desk.up and not desk.over, "the far desk's call")
            self.assertIn(f"sip:{address}:{ivr.port}", desk.invited["contact"])
            self.assertIn(";rport", desk.invited["via"])
            self.assertEqual(desk.remote[0], address)
            desk.hang_up()
            wait_for(lambda: asking.over, "the end of the transfer")

    def test_p49_without_an_answer_it_does_not_start_and_says_whom_it_asked(self):
        flow = self.write("stay.json", {"ivr": 1, "id": "stay", "start": "bye", "nodes": {"bye": {"type": "hangup"}}})
        gone = phone.udp()
        port = gone.getsockname()[1]
        gone.close()
        for uri, why in ((f"stun:127.0.0.1:{port}", f"external_ip: STUN server 127.0.0.1:{port}: Connection refused"),
                         ("stun:127.0.0.1:0", "external_ip 'stun:127.0.0.1:0': the port is not a number from 1 to 65535")):
            done = subprocess.run([IVR, "serve", "--flow", "2001=" + flow, "--port", "0", "--external-ip", uri], cwd=self.folder,
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn(why, done.stderr)
            self.assertNotIn("listening", done.stdout)


if __name__ == "__main__":
    unittest.main()
