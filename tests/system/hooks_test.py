#!/usr/bin/python3
"""What a flow does before the answer and after the end of a call."""
import http.server
import json
import threading
import unittest

import phone
from driven import BACK, CALLER, MUSIC, Driven
from phone import Phone
from server import wait_for


class Hooks(unittest.TestCase):
    """P-85: what a flow does before the answer and after the end."""

    @classmethod
    def setUpClass(cls):
        cls.told = []

        class Crm(http.server.BaseHTTPRequestHandler):
            def answer(self):
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length)
                cls.told.append((self.path, json.loads(body) if body else None))
                reply = json.dumps({"welcome": "blocked" not in self.path}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)
            do_GET = do_POST = answer

            def log_message(self, *_):
                pass
        cls.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Crm)
        threading.Thread(target=cls.http.serve_forever, daemon=True).start()
        cls.addClassCleanup(cls.http.server_close)
        cls.addClassCleanup(cls.http.shutdown)
        url = f"http://127.0.0.1:{cls.http.server_port}"
        flow = {"start": "screen", "answer": "later", "on_hangup": "report", "on_error": "refuse",
                "variables": {"welcome": False, "rating": None}, "nodes": {
                    "screen": {"type": "api", "url": url + "/who/{{call.caller}}", "map": {"welcome": "/welcome"}, "next": "decide"},
                    "decide": {"type": "decision", "cases": [{"if": "welcome", "next": "ring"}], "else": "refuse"},
                    "ring": {"type": "play", "say": {"file": "music.wav"}, "next": "take"},
                    "take": {"type": "answer", "next": "ask"},
                    "ask": {"type": "gather", "say": {"file": "back.wav"}, "length": 1, "into": "rating", "timeout": "20s", "next": "bye",
                            "invalid": "bye", "no_input": "bye"},
                    "refuse": {"type": "hangup", "status": 603, "reason": "not welcome"}, "bye": {"type": "hangup"},
                    "report": {"type": "api", "method": "POST", "url": url + "/ended",
                               "body": {"caller": "{{call.caller}}", "rating": "{{rating}}", "by": "{{hangup.by}}"}, "next": "over", "error": "over"},
                    "over": {"type": "hangup"}}}
        cls.desk = Driven({"extensions": {"3001": "hooks.json"}}, {"hooks": flow}, rtp="17000-17999")
        cls.addClassCleanup(cls.desk.close)

    def caller(self, name):
        made = Phone(user=name, audio=phone.tone(CALLER))
        self.addCleanup(made.close)
        return made

    def reported(self, name):
        return wait_for(lambda: [b for path, b in self.told if path == "/ended" and b["caller"] == name], f"the report of {name}")[0]

    def test_who_is_screened_hears_early_media_is_answered_and_reported(self):
        caller = self.caller("friend")
        caller.call(self.desk.server.uri("3001"), wait=False)
        wait_for(lambda: caller.hears(MUSIC), "music before the answer")
        self.assertFalse(caller.up)
        self.assertEqual({r[0] for r in caller.responses if r[0] > 100}, {183})
        wait_for(lambda: caller.up, "the answer")
        wait_for(lambda: caller.hears(BACK), "the question")
        caller.press("4")
        wait_for(lambda: caller.over, "the end")
        self.assertEqual(self.reported("friend"), {"caller": "friend", "rating": "4", "by": "script"})

    def test_who_hangs_up_is_reported_too(self):
        caller = self.caller("hasty")
        self.assertEqual(caller.call(self.desk.server.uri("3001")), 200)
        caller.hang_up()
        self.assertEqual(self.reported("hasty")["by"], "caller")

    def test_who_is_not_welcome_is_refused_before_the_answer(self):
        caller = self.caller("blocked")
        self.assertEqual(caller.call(self.desk.server.uri("3001")), 603)
        self.assertEqual(self.reported("blocked")["by"], "script")
        self.assertFalse(caller.up)


if __name__ == "__main__":
    unittest.main()
