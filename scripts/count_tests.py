#!/usr/bin/env python3
"""Counts the tests of one stage of test/run.sh: prints "PASSED FAILED SKIPPED".

usage: count_tests.py RESULTS STATUS

RESULTS is the folder that the stage was told to leave its results in, STATUS its exit status. Read
from there, all that is present:

  ctest.xml  what `ctest --output-junit` writes. A test that is a gtest executable counts as the
             tests in it, which it lists in NAME.xml; without that file (it crashed) as one.
  counts     a line "PASSED FAILED SKIPPED", for tests in other languages

A stage that leaves neither counts as one test. One that fails though none of its tests did counts
as one failed test more.
"""

import os
import sys
import xml.etree.ElementTree as ElementTree


def gtest(path):
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None:
            failed += 1
        elif case.get("result") != "completed":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def ctest(results):
    total = (0, 0, 0)
    for case in ElementTree.parse(os.path.join(results, "ctest.xml")).iter("testcase"):
        status = case.get("status")
        counts = (status == "run", status == "fail", status not in ("run", "fail"))
        inside = os.path.join(results, case.get("name") + ".xml")
        if os.path.exists(inside):
            inner = gtest(inside)
            # Failed as a whole only: at exit, or by a sanitizer's report.
            counts = (inner[0], inner[1] + (status == "fail" and inner[1] == 0), inner[2])
        total = tuple(map(sum, zip(total, counts)))
    return total


def count(results, status):
    total, found = (0, 0, 0), False
    if os.path.exists(os.path.join(results, "ctest.xml")):
        total, found = ctest(results), True
    if os.path.exists(os.path.join(results, "counts")):
        with open(os.path.join(results, "counts")) as file:
            total, found = tuple(map(sum, zip(total, map(int, file.read().split())))), True
    if not found:
        return (1, 0, 0) if status == 0 else (0, 1, 0)
    if status != 0 and total[1] == 0 and total[2] == 0:
        total = (total[0], 1, total[2])
    return total


if __name__ == "__main__":
    print(*count(sys.argv[1], int(sys.argv[2])))
