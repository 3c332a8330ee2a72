"""Adds up the results of all test runs: prints `N passed, N failed`, and fails when anything did, when
a test was skipped, when a file is missing (its run crashed) or when nothing ran."""

import sys
import xml.etree.ElementTree as ElementTree


def count(path):
    """(passed, failed) of one JUnit or Criterion file; a skipped test has not passed."""
    total = failed = 0
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        total += int(suite.get("tests", 0))
        failed += sum(int(suite.get(key) or 0) for key in ("failures", "errors", "skipped"))
    return total - failed, failed


def main(paths):
    passed = failed = 0
    for path in paths:
        try:
            good, bad = count(path)
        except (OSError, ElementTree.ParseError) as fault:
            print(f"{path}: no results: {fault}")
            good, bad = 0, 1
        passed += good
        failed += bad
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
