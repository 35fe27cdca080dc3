#!/usr/bin/env python3
"""Tests of check_includes.py."""

import os
import tempfile
import unittest

import check_includes

TABLE = "sluice_module(base LINK fmt::fmt)\nsluice_module(ir DEPS base)\nsluice_module(xds DEPS ir LINK x)\n"


class CheckIncludes(unittest.TestCase):
    def problems(self, files, table=TABLE):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {"CMakeLists.txt": table, **files}.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w") as file:
                    file.write(text)
            return check_includes.check(root)

    HEADER = {"src/base/a.h": "// A.\n#pragma once\n#include <string>\n"}
    XDS = {"src/xds/x.h": '#pragma once\n#include "base/a.h"\n#include "xds/type/v3/range.pb.h"\n'}

    def test_accepts(self):
        files = {
            "src/base/a.cc": '#include "base/a.h"\n\n#include <string>\n',
            "src/base/a_test.cc": '#include "base/a.h"\n',
            "src/base/table.cc": '#include "absl/hash/hash.h"\n',
            "src/main.cc": '#include "version.h"\n#include "xds/x.h"\n',
        }
        self.assertEqual(self.problems({**self.HEADER, **self.XDS, **files}), [])

    def rejects(self, expected, files, table=TABLE):
        self.assertEqual(self.problems({**self.HEADER, **files}, table), [expected])

    def test_direction(self):
        self.rejects(
            "src/base/b.cc:1: base must not include xds/x.h: xds is not among its DEPS",
            {**self.XDS, "src/base/b.cc": '#include "xds/x.h"\n'},
        )

    FOR_TESTS = TABLE + "sluice_module(kube DEPS base TEST_DEPS ir)\n"
    IR = {"src/ir/i.h": "#pragma once\n"}

    def test_of_tests_alone(self):
        self.assertEqual(self.problems({**self.IR, "src/kube/k_test.cc": '#include "ir/i.h"\n'}, self.FOR_TESTS), [])
        self.rejects(
            "src/kube/k.cc:1: kube must not include ir/i.h: ir is not among its DEPS",
            {**self.IR, "src/kube/k.cc": '#include "ir/i.h"\n'},
            self.FOR_TESTS,
        )

    def test_unknown_module(self):
        self.rejects(
            "src/new/n.cc: its folder is not a sluice_module() of CMakeLists.txt",
            {"src/new/n.cc": "int n;\n"},
        )

    def test_own_header_first(self):
        self.rejects(
            'src/base/a.cc:1: the first include is "base/a.h"',
            {"src/base/a.cc": '#include <string>\n#include "base/a.h"\n'},
        )

    def test_pragma_once(self):
        self.rejects("src/base/b.h: a header begins with #pragma once", {"src/base/b.h": "#ifndef B\n#endif\n"})

    def test_from_the_root(self):
        self.rejects(
            "src/base/b.cc:1: ../base/a.h: include from the root, src/", {"src/base/b.cc": '#include "../base/a.h"\n'}
        )

    def test_no_such_file(self):
        self.rejects(
            "src/base/b.cc:1: base/c.h: there is no such file in src/", {"src/base/b.cc": '#include "base/c.h"\n'}
        )

    def test_quotes(self):
        self.rejects(
            'src/base/b.cc:1: base/a.h: own headers are included with ""', {"src/base/b.cc": "#include <base/a.h>\n"}
        )

    def test_order_of_the_table(self):
        self.rejects(
            "CMakeLists.txt: module ir names base, which is not declared before it",
            {},
            "sluice_module(ir DEPS base)\nsluice_module(base)\n",
        )

    def test_what_the_table_must_not_say(self):
        self.rejects(
            "CMakeLists.txt: module xds must not depend on api",
            {},
            "sluice_module(base)\nsluice_module(api DEPS base)\nsluice_module(xds DEPS api)\n",
        )


if __name__ == "__main__":
    unittest.main()
