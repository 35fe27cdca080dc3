#!/usr/bin/env python3
"""Tests of check_effects.py."""

import tempfile
import unittest
from pathlib import Path

import check_effects

DECLARATIONS = """
Type spec() {
  return object({
      field<&Spec::used>("used", string()).doc("Used."),
      field<&Spec::unused>("unused", list(object({field<&Item::used>("used", string()).passive()}))),
      field<&Spec::marked>("marked", string()).ineffective().doc("Not yet."),
      field<&Spec::outer, &Outer::taken>("taken", string()).doc("No.").ineffective(),
      field<&Spec::people>("people", string()).passive(),
      field("checked", string()),
  });
}
"""


class CheckEffects(unittest.TestCase):
    def test_what_is_marked_wrongly_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for path, text in (("src/api/group/kind.cc", DECLARATIONS),
                               ("src/translate/kind.cc", "x = spec.used + spec->taken;"),
                               ("src/translate/kind_test.cc", "spec.unused; spec.marked;")):
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            self.assertEqual(list(check_effects.check(root)), [
                "src/api/group/kind.cc:5: `unused` is bound and read by nobody: mark it `.ineffective()` or "
                "`.passive()`, or read it",
                "src/api/group/kind.cc:7: `taken` is read: take `.ineffective()` off"])

    def test_an_untranslated_kind_needs_no_marks(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "src/api/group/kind.cc"
            file.parent.mkdir(parents=True)
            file.write_text(DECLARATIONS + "Type kind() {\n  return untranslated(\n      resource<Kind>(spec()));\n}\n")
            self.assertEqual(list(check_effects.check(Path(folder))), [])


if __name__ == "__main__":
    unittest.main()
