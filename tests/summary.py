"""Adds up the results of all test runs: prints `N passed, N failed`, and fails when anything did, when
a test was skipped, when a file is missing (its run crashed) or when nothing ran. Beside NAME.xml there
may be NAME.again.xml, with what had failed and was run once more: that result counts, and is told.
FILE@GLOB is of a run that was asked for those suites alone, and Criterion calls all others skipped."""

import fnmatch
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

BAD = {"failure", "error", "skipped"}


def results(path, suites="*"):
    """{test: passed} of one JUnit or Criterion file; a skipped test has not passed."""
    found = {}
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        if not fnmatch.fnmatchcase(suite.get("name") or "", suites):
            continue
        for case in suite.iter("testcase"):
            name = f"{case.get('classname') or suite.get('name')}.{case.get('name')}"
            passed = not any(child.tag in BAD for child in case)
            found[name] = found.get(name, True) and passed
    return found


def run_again(path):
    again = pathlib.Path(path).with_suffix(".again.xml")
    return results(again) if again.exists() else {}


def count(path):
    path, _, suites = path.partition("@")
    first = results(path, suites or "*")
    second = run_again(path)
    for name, passed in second.items():
        if passed and not first.get(name, True):
            print(f"passed only when run again: {name}")
    all_of_them = first | second
    return sum(all_of_them.values()), sum(not passed for passed in all_of_them.values())


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
