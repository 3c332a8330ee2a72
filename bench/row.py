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

    @property
    def reached_text(self):
        return amount(self.reached, self.unit)

    @property
    def target_text(self):
        if self.target is None:
            return "shown"
        return f"at {'most' if self.limit else 'least'} {amount(self.target, self.unit)}"

    def as_dict(self):
        return dataclasses.asdict(self) | {"met": self.met, "reached_text": self.reached_text,
                                           "target_text": self.target_text}


def amount(value, unit):
    """Three digits that count, as a person writes them; a whole number as one."""
    if abs(value) >= 100 or value == int(value):
        number = f"{value:,.0f}"
    else:
        number = f"{value:.{1 if abs(value) >= 10 else 2}f}"
    return f"{number} {unit}".strip()


def print_table(rows):
    """As Markdown, so that it may go into a document as it is."""
    lines = [("figure", "reached", "target", "met", "")]
    lines += [(row.figure, row.reached_text, row.target_text,
               {None: "", True: "yes", False: "**NO**"}[row.met], row.note) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    lines.insert(1, tuple("-" * width for width in widths))
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
