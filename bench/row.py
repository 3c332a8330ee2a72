"""A row of the table: a figure, what was reached, and whether that meets its target."""

import dataclasses


@dataclasses.dataclass
class Row:
    figure: str
    reached: float
    unit: str = ""
    target: float | None = None
    limit: bool = False  # the target is the most that is allowed
    note: str = ""

    @property
    def met(self):
        """None when there is no target."""
        if self.target is None:
            return None
        return self.reached <= self.target if self.limit else self.reached >= self.target


def number(value):
    """Three digits that count, as a person writes them."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def amount(value, unit):
    return f"{number(value)} {unit}".strip()


def target(row):
    if row.target is None:
        return "shown"
    return ("at most " if row.limit else "at least ") + amount(row.target, row.unit)


def print_table(rows):
    lines = [("figure", "reached", "target", "met", "")]
    lines += [(row.figure, amount(row.reached, row.unit), target(row),
               {None: "", True: "yes", False: "NO"}[row.met], row.note) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    for line in lines:
        left, *others, note = line
        cells = [left.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:])]
        print("  ".join([*cells, note]).rstrip())
