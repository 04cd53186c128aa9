"""Flows made up by chance that the checker takes: for calls that nobody has thought of. The same seed makes the same flow."""
import random

KEYS = "0123456789*#"


def flow(seed, url):
    """A flow document. Whatever waits for the caller may lead anywhere, all else only onwards, so no loop goes on by itself."""
    r = random.Random(seed)
    count = r.randint(6, 24)
    names = [f"n{i}" for i in range(count)]
    waiting = ("menu", "gather")
    kinds = ["menu"] + [r.choice(("menu", "menu", "gather", "gather", "play", "play", "custom", "percent", "variable", "set", "wait", "record", "api", "send"))
                        for _ in range(count - 2)] + ["hangup"]
    nodes = {}
    for i, (name, kind) in enumerate(zip(names, kinds)):
        def onward():
            return names[r.randint(i + 1, min(i + 4, count - 1))]

        def anywhere():
            return r.choice(names) if kind in waiting and r.random() < 0.4 else onward()
        following = names[i + 1] if i + 1 < count else None  # each node leads to the next, so all are reached

        def heard():
            return [{"tone": "beep", "length": f"{r.randint(2, 12) * 20}ms"} if r.random() < 0.7 else {"silence": f"{r.randint(1, 10) * 20}ms"}
                    for _ in range(r.randint(1, 2))]
        if kind == "menu":
            keys = r.sample(KEYS, r.randint(2, 6))
            node = {"type": "menu", "say": heard(), "keys": {keys[0]: following, **{key: anywhere() for key in keys[1:]}}, "tries": r.randint(1, 3),
                    "timeout": f"{r.randint(3, 12) * 100}ms", "into": "last", "carry": r.random() < 0.8, "invalid": onward(), "no_input": onward()}
        elif kind == "gather":
            most = r.randint(1, 5)
            secret = r.random() < 0.3
            node = {"type": "gather", "say": heard(), "into": "secret" if secret else "digits", "min": r.randint(1, most), "max": most, "tries": r.randint(1, 2),
                    "timeout": f"{r.randint(5, 12) * 100}ms", "digit_timeout": "500ms", "terminators": r.choice(("#", "*", "#*")), "sensitive": secret,
                    "next": following, "invalid": anywhere(), "no_input": onward()}
        elif kind == "play":
            node = {"type": "play", "say": heard(), "loops": r.randint(1, 2), "barge_in": r.choice((True, False)), "next": following}
        elif kind == "custom":
            condition = r.choice(("count > 2", "last == '1'", "secret == '12'", "digits > '3'", "answer.n > 50", "now.minute < 30"))
            node = {"type": "decision", "cases": [{"if": condition, "next": onward()}], "else": following}
        elif kind == "percent":
            node = {"type": "decision", "kind": "percent", "cases": [{"percent": r.randint(10, 60), "next": onward()}], "else": following}
        elif kind == "variable":
            node = {"type": "decision", "cases": [{"if": f"last == '{key}'", "next": onward()} for key in r.sample(KEYS, 2)], "else": following}
        elif kind == "set":
            node = {"type": "set", "set": {"count": {"expression": "count + 1"}}, "next": following}
        elif kind == "wait":
            node = {"type": "wait", "duration": f"{r.randint(1, 15) * 20}ms", "next": following}
        elif kind == "record":
            node = {"type": "record", "max": "1s", "silence": "0s", "beep": r.random() < 0.5, "into": "file", "next": following}
        elif kind == "api":
            secret = r.random() < 0.3
            node = {"type": "api", "url": url + "/{{last}}", "timeout": "1s", "retries": r.randint(0, 1), "backoff": "50ms", "into": "answer",
                    "map": {"token": {"from": "token", "secret": True}} if secret else {"name": "name"}, "next": following, "error": onward()}
        elif kind == "send":
            node = {"type": "send_digits", "digits": r.choice(("12", "1w#", "{{last}}")), "tone": "60ms", "gap": "40ms", "next": following}
        else:
            node = {"type": "hangup", "reason": "normal"}
        nodes[name] = node
    return {"ivr": 1, "id": f"random{seed}", "start": "n0", "on_error": names[-1],
            "variables": {"last": "", "digits": "", "secret": "", "count": 0, "file": "", "name": "", "token": "", "answer": {"n": 0}}, "nodes": nodes}
