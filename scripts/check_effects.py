#!/usr/bin/env python3
"""Every field that is bound is read by somebody, or says that it is not.

A field that is declared with a member and marked `.ineffective()` gives a warning to whoever writes it
(src/schema/effect.h). This holds the marks: a member that nothing outside src/api reads needs one, a member that is read
has none. Kubernetes' own kinds and metadata are passive, and need no marks.

Reading is told by the member's name alone, so a name that two structs share counts for both.
"""
import re
import sys
from pathlib import Path

DECLARED = re.compile(r'field<((?:\s*&\w+::\w+,?)+)>\(\s*"(\w+)"')
PASSIVE = ("src/api/core/", "src/api/meta")


def sources(folder: Path) -> str:
    return "".join(file.read_text() for file in sorted(folder.rglob("*")) if file.suffix in (".cc", ".h")
                   and not file.stem.endswith(("_test", "testing")))


def field_end(text: str, start: int) -> int:
    """The end of the field's expression, with its chained calls: the comma or brace after it."""
    depth = 0
    for at in range(start, len(text)):
        if text[at] in "({[":
            depth += 1
        elif text[at] in ")}]":
            depth -= 1
            if depth < 0:
                return at
        elif text[at] in ",;" and depth == 0:
            return at
    return len(text)


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    readers = "".join(sources(folder) for folder in sorted((root / "src").iterdir())
                      if folder.is_dir() and folder.name not in ("api", "schema"))
    faults = 0
    for file in sorted((root / "src/api").rglob("*.cc")):
        name = str(file.relative_to(root))
        if name.startswith(PASSIVE) or name.endswith("_test.cc"):
            continue
        text = file.read_text()
        for found in DECLARED.finditer(text):
            member = found[1].split("::")[-1].strip()
            call = text.index("(", found.start())
            chain = text[call:field_end(text, call)]
            marked = re.search(r"\.ineffective\(\)\s*(\.\w+\([^()]*\)\s*)*$", chain)
            read = re.search(rf"(\.|->|::){member}\b", readers) is not None
            if bool(marked) == read:
                faults += 1
                line = text.count("\n", 0, found.start()) + 1
                print(f"{name}:{line}: `{found[2]}` is " + ("read: take `.ineffective()` off" if read else
                      "bound and read by nobody: mark it `.ineffective()`, or read it"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
