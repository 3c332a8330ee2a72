"""Draws docs/performance.svg from bench/results.json: for each figure that has a target, how far it
goes towards it. `make bench` does so after a whole run; by hand: python3 bench/picture.py."""

import json
from xml.sax.saxutils import escape

import results
from receiver import REPO

FILE = REPO / "docs/performance.svg"
WIDTH, LINE, TOP = 760, 26, 70
BAR_X, BAR_WIDTH, BAR_HEIGHT = 230, 240, 12   # a bar that reaches its target is so wide
MOST = 1.25                                   # of that: what goes further is cut

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.small { font-size: 11px; fill: #59636e }
.met { fill: #2da44e } .missed { fill: #d4702b } .track { fill: #8c959f; fill-opacity: .18 }
.target { stroke: #59636e; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9198a1 } .target { stroke: #9198a1 }
}"""


def text(x, y, words, style="", anchor="start"):
    return f'<text x="{x}" y="{y}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>'


def bar(y, width, style):
    return (f'<rect x="{BAR_X}" y="{y - BAR_HEIGHT + 2}" width="{width:.1f}" height="{BAR_HEIGHT}"'
            f' rx="2" class="{style}"/>')


def line(y, row):
    share = max(0, min(row["reached"] / row["target"], MOST))
    return [text(BAR_X - 12, y, row["figure"], anchor="end"),
            bar(y, BAR_WIDTH * MOST, "track"),
            bar(y, BAR_WIDTH * share, "met" if row["met"] else "missed"),
            text(BAR_X + BAR_WIDTH * MOST + 12, y, row["reached_text"]),
            text(WIDTH - 16, y, row["target_text"], "small", "end")]


def group(y, title, rows):
    """Rows below a title, with the line that is their target. Returns these, and the next y."""
    drawn = [text(16, y, title, "small")]
    top = y + 6
    for row in rows:
        y += LINE
        drawn += line(y, row)
    x = BAR_X + BAR_WIDTH
    drawn.append(f'<line x1="{x}" x2="{x}" y1="{top}" y2="{y + 8}" class="target"/>')
    return drawn, y + 2 * LINE


def machine(found):
    about = found["machine"]
    return (f"{about['cores']} cores of {about['cpu']}, {about['memory_gib']:.0f} GiB, "
            f"{about['disk'].split()[0]}, {about['system']}")


def draw(found):
    rows = [row for row in found["figures"] if row["target"] is not None]
    run = found["run"]
    drawn = [text(16, 26, "Trotline: reached and target", "title"),
             text(16, 46, f"{found['version']}, {found['when'][:10]}; {machine(found)}; "
                          f"median of {run['rounds']} rounds of {run['seconds']} s", "small")]
    y = TOP + 10
    for limit, title in enumerate(["the bar is to reach the line",
                                   "the bar is to stay before the line"]):
        wanted = [row for row in rows if row["limit"] == limit]
        if wanted:
            more, y = group(y, title, wanted)
            drawn += more
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y - LINE}" '
            f'width="{WIDTH}" height="{y - LINE}" role="img" '
            'aria-label="Reached and target of each figure">')
    return "\n".join([head, f"<style>{STYLE}\n</style>", *drawn, "</svg>"]) + "\n"


def main():
    FILE.write_text(draw(json.loads(results.FILE.read_text())))


if __name__ == "__main__":
    main()
