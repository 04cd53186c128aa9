#!/usr/bin/python3
"""Draws what bench/run-load measured: CPU of the server's core and time from a key to the next prompt, against calls at once.

  plot_load.py ROWS OUT.svg      ROWS: a JSON object a line, as run-load keeps them
"""
import json
import sys

W, H, LEFT, TOP, GAP = 380, 260, 60, 46, 90  # of a panel, and around it
COLOURS = {"rfc4733": "#2b6cb0", "inband": "#c05621"}
NAMES = {"rfc4733": "keys by RFC 4733", "inband": "keys as tones"}


def ticks(top):
    """Round values from 0 to at least `top`."""
    step = 1
    while top / step > 6:
        step *= 2.5 if str(step)[0] == "2" else 2
    step = int(step) if step == int(step) else step
    n = 0
    while n * step < top:
        n += 1
    return [i * step for i in range(n + 1)]


def panel(x0, title, unit, calls, lines, limit=None):
    """`lines`: label, colour, dashes, points."""
    xs, ys = ticks(calls), ticks(max(max(y for _, y in points) for *_, points in lines))
    across = lambda x: x0 + W * x / xs[-1]
    up = lambda y: TOP + H - H * y / ys[-1]
    out = [f'<text x="{x0}" y="{TOP - 22}" class="t">{title}</text>']
    for y in ys:
        out.append(f'<line x1="{x0}" y1="{up(y):.1f}" x2="{x0 + W}" y2="{up(y):.1f}" class="g"/>'
                   f'<text x="{x0 - 6}" y="{up(y) + 4:.1f}" class="e">{y:,}{unit}</text>')
    for x in xs:
        out.append(f'<text x="{across(x):.1f}" y="{TOP + H + 18}" class="m">{x:,}</text>')
    out.append(f'<text x="{x0 + W / 2}" y="{TOP + H + 36}" class="m">calls at once</text>')
    if limit is not None and limit <= ys[-1]:
        out.append(f'<line x1="{x0}" y1="{up(limit):.1f}" x2="{x0 + W}" y2="{up(limit):.1f}" class="l"/>')
    for label, colour, dashes, points in lines:
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>')
        out += [f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" fill="{colour}"><title>{label}: {x:,} calls, {y:g}{unit}</title></circle>'
                for x, y in points]
    for i, (label, colour, dashes, _) in enumerate(lines):
        y = TOP + 12 + 17 * i
        out.append(f'<line x1="{x0 + 10}" y1="{y}" x2="{x0 + 34}" y2="{y}" stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"/>'
                   f'<text x="{x0 + 40}" y="{y + 4}">{label}</text>')
    return out


def draw(rows):
    ways = [way for way in NAMES if any(row["keys"] == way for row in rows)]
    of = {way: sorted((row for row in rows if row["keys"] == way), key=lambda row: row["calls"]) for way in ways}
    most = max(row["calls"] for row in rows)
    cpu = [(NAMES[way], COLOURS[way], "none", [(row["calls"], row["cpu"]) for row in of[way]]) for way in ways]
    reaction = [(f"{NAMES[way]}, {name}", COLOURS[way], dashes, [(row["calls"], row[field]) for row in of[way]])
                for way in ways for name, field, dashes in (("median", "p50", "none"), ("99 %", "p99", "4 3"))]
    width, height = LEFT + W + GAP + W + 30, TOP + H + 50
    body = panel(LEFT, "CPU of the server's core", " %", most, cpu, 100)
    body += panel(LEFT + W + GAP, "from a key's onset to the next prompt", " ms", most, reaction)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
            '<style>text{font:12px sans-serif;fill:#222}.t{font-weight:bold;font-size:14px}.e{text-anchor:end}.m{text-anchor:middle}'
            '.g{stroke:#ddd}.l{stroke:#c53030;stroke-dasharray:2 3}</style>'
            f'<rect width="{width}" height="{height}" fill="#fff"/>' + "\n".join(body) + "</svg>\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    with open(sys.argv[1], encoding="utf-8") as file:
        measured = [json.loads(line) for line in file if line.strip()]
    if not measured:
        sys.exit(f"plot_load: {sys.argv[1]} holds no rows")
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(draw(measured))
