#!/usr/bin/env python3
"""Every field that is bound is read by somebody, or says that it is not.

A field that is declared with a member and marked `.ineffective()` gives a warning to whoever writes it
(src/schema/effect.h). This holds the marks: a member that nothing outside src/api reads needs one, or is `.passive()`; a
member that is read is not `.ineffective()`. Kubernetes' own kinds and metadata are passive as a whole. A kind that is
`untranslated()` has no effect as a whole: no member of its file needs a mark.

Reading is told by the member's name alone, so a name that two structs share counts for both.

usage: check_effects.py [ROOT]
"""

import re
import sys
from pathlib import Path

DECLARED = re.compile(r'field<((?:\s*&\w+::\w+,?)+)>\(\s*"(\w+)"')
PASSIVE = ("src/api/core/", "src/api/meta")
# Who declares members, and who walks all of them alike.
NO_READERS = ("api", "schema")


def sources(folder):
    return "".join(file.read_text() for file in sorted(folder.rglob("*")) if file.suffix in (".cc", ".h")
                   and not file.stem.endswith(("_test", "testing")))


def declaration(text, start):
    """The calls from the parenthesis at `start` on: the field's own, and those chained to it."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] in "({[":
            depth += 1
        elif text[at] in ")}]":
            depth -= 1
        if depth < 0 or (depth == 0 and text[at] in ",;"):
            return text[start:at]
    return text[start:]


def has_call(chain, name):
    """Whether the field itself has the call, and not one inside its type."""
    depth = 0
    outside = ""
    for character in chain:
        depth -= character in ")}]"
        if depth == 0:
            outside += character
        depth += character in "({["
    return f".{name})" in outside.replace("(", "")


def check(root):
    """The faults, one line each."""
    readers = "".join(sources(folder) for folder in sorted((root / "src").iterdir())
                      if folder.is_dir() and folder.name not in NO_READERS)
    for file in sorted((root / "src/api").rglob("*.cc")):
        name = str(file.relative_to(root))
        if name.startswith(PASSIVE) or name.endswith("_test.cc"):
            continue
        if re.search(r"\buntranslated\(\s*resource<", file.read_text()):
            continue
        text = file.read_text()
        for found in DECLARED.finditer(text):
            member = found[1].split("::")[-1].strip()
            chain = declaration(text, text.index("(", found.start()))
            read = re.search(rf"(\.|->|::){member}\b", readers) is not None
            place = f"{name}:{text.count(chr(10), 0, found.start()) + 1}: `{found[2]}`"
            if read and has_call(chain, "ineffective"):
                yield f"{place} is read: take `.ineffective()` off"
            elif not read and not has_call(chain, "ineffective") and not has_call(chain, "passive"):
                yield f"{place} is bound and read by nobody: mark it `.ineffective()` or `.passive()`, or read it"


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    faults = list(check(root))
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
