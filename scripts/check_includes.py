#!/usr/bin/env python3
"""Checks the include directions between the modules of src/, and the form of includes.

The table of directions is the sluice_module() calls of CMakeLists.txt: a module may include itself,
its DEPS, and theirs; its tests its TEST_DEPS too. src/main.cc, test/ and bench/ may include every module.

usage: check_includes.py [ROOT]
"""

import os
import re
import sys

# What no edit of the table may undo: the modules that know nothing but these.
ONLY = {"flow": {"base"}, "picker": {"base"}, "ir": {"base"}, "wasm": {"base"}}
NEVER = [("xds", "api"), ("extproc", "picker")]
# Headers that the build generates.
GENERATED = re.compile(r".*\.pb\.h$|^version\.h$")
EVERYTHING = ("main.cc", "test", "bench")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[>"]')
MODULE = re.compile(r"^sluice_module\(([^)]*)\)", re.MULTILINE)


def modules(root, wanted="DEPS"):
    """The table: module → the set of its DEPS, or TEST_DEPS."""
    with open(os.path.join(root, "CMakeLists.txt")) as file:
        calls = MODULE.findall(file.read())
    table = {}
    for call in calls:
        name, *words = call.split()
        deps, keyword = set(), ""
        for word in words:
            if word.isupper():
                keyword = word
            elif keyword == wanted:
                deps.add(word)
        table[name] = deps
    return table


def closures(table, problems):
    """Module → all it may include, itself excepted. A module may name only those before it."""
    result = {}
    for name, deps in table.items():
        for dep in sorted(deps - result.keys()):
            problems.append(f"CMakeLists.txt: module {name} names {dep}, which is not declared before it")
        deps &= result.keys()
        result[name] = deps.union(*(result[dep] for dep in deps))
    for name, only in ONLY.items():
        for extra in sorted(result.get(name, set()) - only):
            problems.append(f"CMakeLists.txt: module {name} must not depend on {extra}")
    for name, other in NEVER:
        if other in result.get(name, set()):
            problems.append(f"CMakeLists.txt: module {name} must not depend on {other}")
    return result


def owner(path, table):
    """The module of a path below src/: the longest name it begins with."""
    parts = path.split("/")[:-1]
    while parts:
        if "/".join(parts) in table:
            return "/".join(parts)
        parts.pop()
    return None


def own_header(path):
    """Where the header of a source file would be, from src/."""
    return re.sub(r"(_test|_bench|_fuzz)?\.cc$", ".h", path)


def check_file(root, path, table, reach, problems, for_tests):
    with open(os.path.join(root, path)) as file:
        lines = file.read().splitlines()
    top, _, below = path.partition("/")
    module = owner(below, table) if top == "src" else None
    if top == "src" and module is None and below not in EVERYTHING:
        problems.append(f"{path}: its folder is not a sluice_module() of CMakeLists.txt")
        return

    includes = []
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        where = f"{path}:{number}"
        includes.append((where, target))
        if "../" in target or target.startswith("./"):
            problems.append(f"{where}: {target}: include from the root, src/")
            continue
        if GENERATED.match(target):
            continue
        in_src = os.path.exists(os.path.join(root, "src", target))
        if quote == "<" and in_src:
            problems.append(f'{where}: {target}: own headers are included with ""')
        elif quote == '"' and not in_src and owner(target, table) is not None:
            problems.append(f"{where}: {target}: there is no such file in src/")
        elif quote == '"' and module is not None:
            other = owner(target, table)
            allowed = reach[module] | (for_tests[module] if path.endswith("_test.cc") else set())
            if other is not None and other != module and other not in allowed:
                problems.append(f"{where}: {module} must not include {target}: {other} is not among its DEPS")

    if path.endswith(".h"):
        code = [line for line in lines if line.strip() and not line.lstrip().startswith("//")]
        if not code or code[0].strip() != "#pragma once":
            problems.append(f"{path}: a header begins with #pragma once")
    elif top == "src":
        header = own_header(below)
        if os.path.exists(os.path.join(root, "src", header)) and (not includes or includes[0][1] != header):
            where = includes[0][0] if includes else path
            problems.append(f'{where}: the first include is "{header}"')


def check(root):
    problems = []
    table = modules(root)
    reach = closures(table, problems)
    for_tests = modules(root, "TEST_DEPS")
    for top in ("src", "test", "bench"):
        for folder, subfolders, names in os.walk(os.path.join(root, top)):
            subfolders.sort()
            for name in sorted(names):
                if name.endswith((".h", ".cc")):
                    path = os.path.relpath(os.path.join(folder, name), root)
                    check_file(root, path, table, reach, problems, for_tests)
    return problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..")
    problems = check(root)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
