#include "source/file_set.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "source/testing.h"

namespace sluice::source {
namespace {

constexpr std::string_view kGone = "(gone)";
const std::string kSyntaxError = "a: 1\na: 2\n";

void set(FileSet& files, const std::string& file, const std::string& text) {
  if (text == kGone) {
    files.remove(file);
  } else {
    files.put(file, std::make_shared<const std::string>(text), read_manifest(text, file));
  }
}

std::string join(const std::vector<std::string>& documents) {
  std::string text;
  for (const std::string& document : documents) text += (text.empty() ? "" : "---\n") + document;
  return text;
}

// One batch: some files get a new text; then these objects are there, with these problems.
struct Turn {
  std::vector<std::pair<std::string, std::string>> files;
  std::string objects;
  std::string places;
  // How many objects were handed out and taken back.
  std::size_t upserted;
  std::size_t deleted;
};

struct Story {
  std::string name;
  std::vector<Turn> turns;
};

class FileSetTest : public testing::TestWithParam<Story> {};

TEST_P(FileSetTest, Story) {
  FileSet files;
  World world;
  for (std::size_t i = 0; i < GetParam().turns.size(); ++i) {
    SCOPED_TRACE(i);
    const Turn& turn = GetParam().turns[i];
    for (const auto& [file, text] : turn.files) set(files, file, text);
    const Batch batch = files.take().value_or(Batch{.problems = world.problems()});
    world.apply(batch);
    EXPECT_EQ(world.objects(), turn.objects);
    EXPECT_EQ(world.places(), turn.places);
    EXPECT_EQ(batch.upserted.size(), turn.upserted);
    EXPECT_EQ(batch.deleted.size(), turn.deleted);
    EXPECT_EQ(files.take(), std::nullopt);
  }
}

const std::string kListOfTwo =
    "apiVersion: v1\nkind: List\nitems:\n"
    "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n  data: {value: \"1\"}\n"
    "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: b}\n  data: {value: []}\n";

INSTANTIATE_TEST_SUITE_P(
    , FileSetTest,
    testing::Values(
        Story{"ChangesOnly",
              {{{{"f", join({config_map("a"), config_map("b")})}}, "a=1 b=1", "", 2, 0},
               {{{"f", join({config_map("a"), config_map("b", "2")})}}, "a=1 b=2", "", 1, 0},
               // A comment, and another order, change no object.
               {{{"f", "# x\n" + join({config_map("b", "2"), config_map("a")})}}, "a=1 b=2", "", 0, 0},
               {{{"f", config_map("b", "2")}}, "b=2", "", 0, 1},
               {{{"f", std::string(kGone)}}, "", "", 0, 1}}},
        Story{"BetweenFiles",
              {{{{"f", config_map("a")}}, "a=1", "", 1, 0},
               // Moving it to another file in one batch is no change.
               {{{"f", std::string(kGone)}, {"g", config_map("a")}}, "a=1", "", 0, 0},
               {{{"g", ""}, {"f", config_map("a", "2")}}, "a=2", "", 1, 0}}},
        Story{"SyntaxError",
              {{{{"f", kSyntaxError}}, "", "syntax/duplicate-key f:2:1\n", 0, 0},
               {{{"f", join({config_map("a"), config_map("b")})}}, "a=1 b=1", "", 2, 0},
               {{{"f", kSyntaxError}}, "a=1 b=1", "syntax/duplicate-key f:2:1\n", 0, 0},
               // What can be read counts, what cannot be seen stays.
               {{{"f", join({config_map("b", "2"), kSyntaxError})}},
                "a=1 b=2",
                "syntax/duplicate-key f:9:1\n",
                1,
                0},
               {{{"f", join({kSyntaxError, config_map("c")})}},
                "a=1 b=2 c=1",
                "syntax/duplicate-key f:2:1\n",
                1,
                0},
               {{{"f", config_map("c")}}, "c=1", "", 0, 2}}},
        Story{"SyntaxErrorThenGone",
              {{{{"f", config_map("a")}}, "a=1", "", 1, 0},
               {{{"f", kSyntaxError}}, "a=1", "syntax/duplicate-key f:2:1\n", 0, 0},
               {{{"f", std::string(kGone)}}, "", "", 0, 1}}},
        Story{"SyntaxErrorInFileThatNamesItTwice",
              {{{{"f", join({config_map("a"), config_map("a", "2")})}},
                "a=1",
                "conflict/duplicate f:8:1\n",
                1,
                0},
               {{{"f", kSyntaxError}}, "a=1", "syntax/duplicate-key f:2:1\n", 0, 0},
               {{{"f", kSyntaxError + "# x"}}, "a=1", "syntax/duplicate-key f:2:1\n", 0, 0},
               {{{"f", config_map("a", "3")}}, "a=3", "", 1, 0}}},
        Story{"SchemaError",
              {{{{"f", join({config_map("a"), bad_config_map("b")})}},
                "a=1",
                "schema/wrong-type f:13:10\n",
                1,
                0},
               {{{"f", join({bad_config_map("a"), config_map("b")})}},
                "a=1 b=1",
                "schema/wrong-type f:6:10\n",
                1,
                0},
               {{{"f", join({config_map("a", "2"), config_map("b")})}}, "a=2 b=1", "", 1, 0},
               {{{"f", join({bad_config_map("a")})}}, "a=2", "schema/wrong-type f:6:10\n", 0, 1},
               // The last good version also survives a move.
               {{{"f", std::string(kGone)}, {"g", bad_config_map("a")}},
                "a=2",
                "schema/wrong-type g:6:10\n",
                0,
                0},
               {{{"g", ""}}, "", "", 0, 1},
               {{{"g", bad_config_map("a")}}, "", "schema/wrong-type g:6:10\n", 0, 0}}},
        Story{"Duplicates",
              {{{{"g", config_map("a", "2")}}, "a=2", "", 1, 0},
               {{{"f", config_map("a")}}, "a=1", "conflict/duplicate g:1:1\n", 1, 0},
               {{{"g", join({config_map("a"), config_map("a")})}},
                "a=1",
                "conflict/duplicate g:1:1\nconflict/duplicate g:8:1\n",
                0,
                0},
               {{{"f", ""}}, "a=1", "conflict/duplicate g:8:1\n", 0, 0},
               {{{"g", config_map("a")}}, "a=1", "", 0, 0},
               // The first wins, also where it is refused.
               {{{"f", bad_config_map("a")}},
                "a=1",
                "schema/wrong-type f:6:10\nconflict/duplicate g:1:1\n",
                0,
                0},
               {{{"f", std::string(kGone)}, {"g", std::string(kGone)}}, "", "", 0, 1},
               {{{"f", bad_config_map("a")}, {"g", config_map("a")}},
                "",
                "schema/wrong-type f:6:10\nconflict/duplicate g:1:1\n",
                0,
                0}}},
        Story{
            "Lists",
            {{{{"f", kListOfTwo}}, "a=1", "schema/wrong-type f:11:17\n", 1, 0},
             {{{"f", "apiVersion: v1\nkind: List\nitems: []\n"}}, "", "", 0, 1},
             {{{"f",
                "apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: c}\n  data: {value: x}\n"}},
              "c=x",
              "",
              1,
              0},
             {{{"f",
                "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": "
                "\"ConfigMapList\", \"items\": [{\"metadata\": {\"name\": \"d\"}, \"data\": {\"value\": "
                "\"y\"}}]}]}"}},
              "d=y",
              "",
              1,
              1}}}),
    [](const auto& story) { return story.param.name; });

TEST(FileSet, DuplicateNamesBothPlaces) {
  FileSet files;
  set(files, "b.yaml", "# later\n" + config_map("a"));
  set(files, "a.yaml", "\n" + config_map("a"));
  const Batch batch = files.take().value();
  ASSERT_EQ(batch.problems.size(), 1U);
  EXPECT_EQ(batch.problems[0],
            (Problem{.code = "conflict/duplicate",
                     .where = {"b.yaml", 2, 1},
                     .object = config_map_key("a"),
                     .message = "ConfigMap default/a is defined twice, and a.yaml:2 comes first",
                     .suggestion = "remove one of the two, or give it another name",
                     .also = {{.where = {"a.yaml", 2, 1},
                               .object = config_map_key("a"),
                               .path = "",
                               .message = "the first is here"}}}));
}

TEST(FileSet, DuplicatesOfManyAreNamedInPart) {
  FileSet files;
  std::string text;
  for (int i = 0; i < 1'000; ++i) text += "---\n" + config_map("a");
  set(files, "a.yaml", text);
  const Batch batch = files.take().value();
  EXPECT_EQ(batch.problems.size(), 99U);
  EXPECT_EQ(batch.upserted.size(), 1U);
}

TEST(FileSet, PathProblemsAreTold) {
  FileSet files;
  files.set_path_problems({{.code = "syntax/no-such-file", .where = {"x", 0, 0}}}, true);
  EXPECT_EQ(files.take().value().problems.size(), 1U);
  EXPECT_EQ(files.take(), std::nullopt);
  files.set_path_problems({}, false);
  EXPECT_EQ(files.take().value().problems.size(), 0U);
}

Where located(FileSet& files, const std::string& object, const std::string& path) {
  Problem problem{.object = config_map_key(object), .path = path};
  files.locate(problem);
  return problem.where;
}

// A path may lead into a text: to its line, if all of its lines stand in the file.
TEST(FileSet, LocatesWhatIsInATextOfLines) {
  FileSet files;
  set(files, "f.yaml",
      "kind: Namespace\napiVersion: v1\nmetadata: {name: x}\n"
      "---\n"
      "apiVersion: v1\n"
      "kind: ConfigMap\n"
      "metadata: {name: a}\n"
      "data:\n"
      "  lines.yaml: |-\n"
      "    # what is in it\n"
      "    list:\n"
      "    - type: é\n"
      "      name: x\n"
      "  deep: |2\n"
      "      a: 1\n"
      "  folded: >\n"
      "    a: 1\n"
      "  quoted: \"a: 1\"\n"
      "  text: |\n"
      "    a |\n"
      "  broken: |\n"
      "    {\n");
  ASSERT_EQ(files.take().value().upserted.size(), 2U);
  struct Case {
    std::string path;
    std::uint32_t line;
    std::uint32_t column;
  };
  const std::vector<Case> cases = {
      {"data[lines.yaml]", 9, 3},
      {"data[lines.yaml].list", 11, 5},
      {"data[lines.yaml].list[0].type", 12, 13},
      {"data[lines.yaml].list[0].name", 13, 13},
      {"data[lines.yaml].list[0].missing", 12, 7},
      {"data[deep].a", 15, 10},
      {"data[folded].a", 16, 3},
      {"data[quoted].a", 18, 11},
      {"data[text].a", 19, 3},
      {"data[broken].a", 21, 3},
  };
  for (const Case& c : cases)
    EXPECT_EQ(located(files, "a", c.path), (Where{"f.yaml", c.line, c.column})) << c.path;
}

TEST(FileSet, Locates) {
  FileSet files;
  const std::string text =
      "# a comment\n"
      "---\n"
      "apiVersion: v1\n"
      "kind: ConfigMap\n"
      "metadata:\n"
      "  name: a\n"
      "data:\n"
      "  tls.crt: x\n"
      "  tls: y\n"
      "---\n"
      "# another\n"
      "apiVersion: v1\n"
      "kind: List\n"
      "items:\n"
      "- apiVersion: v1\n"
      "  kind: ConfigMap\n"
      "  metadata: {name: b}\n"
      "- apiVersion: v1\n"
      "  kind: ConfigMap\n"
      "  metadata: {name: c,\n"
      "             labels: {x: z}}\n"
      "--- # the last\n"
      "{apiVersion: v1, kind: ConfigMap, metadata: {name: d}}\n";
  set(files, "f.yaml", text);
  ASSERT_EQ(files.take().value().upserted.size(), 4U);
  struct Case {
    std::string object;
    std::string path;
    std::uint32_t line;
    std::uint32_t column;
  };
  const std::vector<Case> cases = {
      {"a", "", 3, 1},
      {"a", "metadata", 5, 1},
      {"a", "metadata.name", 6, 9},
      {"a", "data.tls.crt", 8, 12},
      {"a", "data.tls", 9, 8},
      {"a", "data[\"tls.crt\"]", 8, 12},
      {"a", "data[tls.crt]", 8, 12},
      {"a", "data.missing.deeper[3]", 7, 1},
      {"a", "spec.rules[0]", 3, 1},
      {"b", "", 15, 3},
      {"b", "metadata.name", 17, 20},
      {"c", "metadata.labels.x", 21, 26},
      {"d", "metadata.name", 23, 52},
      {"d", "metadata.name[0]", 23, 52},
      {"a", "metadata.name", 6, 9},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(located(files, c.object, c.path), (Where{"f.yaml", c.line, c.column}))
        << c.object << " " << c.path;
  }
  Problem two{.object = config_map_key("nobody"),
              .also = {{.where = {}, .object = config_map_key("a"), .path = "metadata.name", .message = ""}}};
  files.locate(two);
  EXPECT_EQ(two.where, Where());
  EXPECT_EQ(two.also.front().where, (Where{"f.yaml", 6, 9}));
  EXPECT_EQ(located(files, "nobody", "metadata"), Where());

  // Nobody knows where a hidden object is.
  set(files, "f.yaml", kSyntaxError);
  EXPECT_EQ(located(files, "a", "metadata"), (Where{"f.yaml", 0, 0}));
}

TEST(FileSet, LocatesWhereDocumentsCannotBeTakenApart) {
  FileSet files;
  // The anchor is outside of the document's own lines, and two documents share a line.
  set(files, "a.yaml", config_map("a") + "--- &x\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n");
  set(files, "b.json",
      R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}} {"apiVersion":"v1","kind":"ConfigMap",)"
      "\n"
      R"( "metadata":{"name":"d"}})");
  ASSERT_EQ(files.take().value().upserted.size(), 4U);
  EXPECT_EQ(located(files, "b", "metadata.name"), (Where{"a.yaml", 10, 18}));
  EXPECT_EQ(located(files, "c", "metadata.name"), (Where{"b.json", 1, 58}));
  EXPECT_EQ(located(files, "d", "metadata.name"), (Where{"b.json", 2, 21}));
}

TEST(FileSet, Lines) {
  FileSet files;
  set(files, "f", "kind: Gateway\r\n\nthree");
  EXPECT_EQ(files.line("f", 3), "three");
  EXPECT_EQ(files.line("f", 1), "kind: Gateway");
  EXPECT_EQ(files.line("f", 2), "");
  EXPECT_EQ(files.line("f", 4), "");
  EXPECT_EQ(files.line("f", 1), "kind: Gateway");
  EXPECT_EQ(files.line("f", 0), "");
  EXPECT_EQ(files.line("g", 1), "");
  set(files, "f", "kind: Service");
  EXPECT_EQ(files.line("f", 1), "kind: Service");
}

// A set whose texts are on a disk that the test plays.
struct OnDisk {
  std::map<std::string, std::string> disk;
  FileSet files{[this](const std::string& file) -> Text {
    const auto found = disk.find(file);
    return found == disk.end() ? nullptr : std::make_shared<const std::string>(found->second);
  }};
};

TEST(FileSet, ATextThatCanBeReadAgainIsNotKept) {
  OnDisk set;
  const auto text = std::make_shared<const std::string>(config_map("a", "1"));
  set.disk["f"] = *text;
  set.files.put("f", Text(text), read_manifest(*text, "f"));
  EXPECT_EQ(text.use_count(), 1);
  EXPECT_EQ(*set.files.text("f"), *text);
  EXPECT_EQ(set.files.line("f", 1), text->substr(0, text->find('\n')));
}

TEST(FileSet, ATextThatCannotBeReadAgainIsKept) {
  OnDisk set;
  const std::string text = config_map("a", "1");
  set.files.put("f", std::make_shared<const std::string>(text), read_manifest(text, "f"), true);
  EXPECT_EQ(*set.files.text("f"), text);
}

TEST(FileSet, AFieldOfATextThatHasChangedSinceIsWhereItsObjectIs) {
  OnDisk set;
  const std::string text = "# first\n" + config_map("a", "1");
  set.files.put("f", std::make_shared<const std::string>(text), read_manifest(text, "f"));
  set.disk["f"] = "# other\n\n" + config_map("a", "2");
  EXPECT_EQ(located(set.files, "a", "data.value").line, 2U);
  EXPECT_EQ(set.files.text("f"), nullptr);
  EXPECT_EQ(set.files.line("f", 2), "");
}

TEST(FileSet, LinesOfDocumentsThatMayBeSecretsAreNotShown) {
  FileSet files;
  set(files, "f",
      "kind: Gateway\nspec:\n  ref: {kind: Secret, name: a}\n"  // 1
      "---\napiVersion: v1\nkind: Secret\ndata:\n\ta: x\n"      // 4
      "--- # next\nkind: ConfigMap\n"                           // 9
      "---\nkind: Opaque\ndata: {a: x}\n");                     // 11
  // In this order, for lines of a document are remembered.
  for (const std::uint32_t line : {1, 5, 8, 3, 10, 4, 13, 6, 9, 7, 12, 2}) {
    EXPECT_EQ(files.line("f", line).empty(), (line >= 4 && line <= 8) || line == 13) << line;
  }
}

// A document that does not begin after its separator is found only by parsing the file.
TEST(FileSet, PlacesInDocumentsThatBeginBesideTheirSeparator) {
  FileSet files;
  std::string text;
  for (const char* name : {"a", "b", "c"}) {
    text += fmt::format("--- {{apiVersion: v1, kind: Namespace,\n  metadata: {{name: {}}}}}\n", name);
  }
  set(files, "f", text);
  ASSERT_EQ(files.take().value().upserted.size(), 3U);
  std::uint32_t line = 2;
  for (const char* name : {"a", "b", "c"}) {
    Problem problem{.object = {.kind = api::kind_of<api::Namespace>(), .name = {"", name}},
                    .path = "metadata.name"};
    files.locate(problem);
    EXPECT_EQ(problem.where, (Where{"f", line, 20})) << name;
    line += 2;
  }
}

// Whatever the way there, the same texts are the same objects and problems.
TEST(FileSet, OrderDoesNotMatter) {
  std::mt19937 random(7);
  const auto pick = [&](unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random); };
  for (int round = 0; round < 30; ++round) {
    FileSet files;
    World world;
    std::map<std::string, std::string> texts;
    for (int step = 0; step < 200; ++step) {
      const std::string file = fmt::format("{}.yaml", pick(5));
      std::vector<std::string> documents;
      for (unsigned i = pick(4); i > 0; --i) {
        documents.push_back(config_map(fmt::format("m{}", pick(8)), std::to_string(pick(3))));
      }
      texts[file] = pick(5) == 0 ? kGone : join(documents);
      set(files, file, texts[file]);
      if (pick(3) == 0) {
        if (const auto batch = files.take()) world.apply(*batch);
      }
    }
    if (const auto batch = files.take()) world.apply(*batch);

    FileSet fresh;
    World expected;
    for (const auto& [file, text] : texts) set(fresh, file, text);
    expected.apply(fresh.take().value_or(Batch()));
    ASSERT_EQ(world.objects(), expected.objects());
    ASSERT_EQ(world.problems(), expected.problems());
    ASSERT_EQ(files.object_count(), fresh.object_count());
  }
}

}  // namespace
}  // namespace sluice::source
