// A manifest is the text of one file: YAML or JSON documents, each an object or a List of objects.
//
// read_manifest takes it apart. What stays in memory afterwards is small: an address for each object, by
// which Locator finds the object's Tree again when somebody asks where a field stands. Trees are not kept.
//
// Threads: read_manifest is a pure function; a Locator belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/kinds.h"
#include "base/problem.h"
#include "source/text_lines.h"
#include "tree/parse.h"

namespace sluice::source {

struct Manifest {
  struct Object {
    ObjectKey key;
    // Where it begins.
    std::uint32_t line = 0;
    std::uint32_t column = 0;
    // Its address: the document in the text, the object in the document, both from 0.
    std::uint32_t document = 0;
    std::uint32_t ordinal = 0;
    // Absent when the object has not the form of its kind; then there is a problem of severity kError.
    std::optional<api::BoundObject> bound;
  };

  // Some of the text is no YAML or JSON. The objects are those of the documents that are.
  bool broken = false;
  // In the order of the text. Objects without a name and of kinds that are none of ours are left out.
  std::vector<Object> objects;
  // The line at which each document begins.
  std::vector<std::uint32_t> document_lines;
  // Complete but for Problem::object where an object has no name. After kMaxProblems of objects, one more
  // says that there are others.
  std::vector<Problem> problems;
};

// Who has more than that to mend will not read them all at once, and a small text could make millions.
inline constexpr std::size_t kMaxProblems = 1'000;

// A List is a document of kind List, or of a kind ...List that has a list of items; its items are objects, or
// Lists again. Items of a typed list may leave out apiVersion and kind, as an API server's answers do.
Manifest read_manifest(std::string_view text, const std::string& file);

// Finds the places of fields by parsing again. Keeps the last document, so that many questions about one are
// cheap, and those about one after the other cost no more than to parse the file.
class Locator {
 public:
  // Where `path` stands in an object of the file: at the field's key when its value is a list, a map or null,
  // otherwise at its value. The nearest parent where the field is missing. A path may lead into the text of a
  // literal block, as those of ConfigMaps are, if that is a document itself: "data[config.yaml].plugins[0]".
  // Line 0 when there is no such object. The file of the answer is empty.
  Where find(const std::string& file, const TextLines& lines,
             const std::vector<std::uint32_t>& document_lines, std::uint32_t document, std::uint32_t ordinal,
             std::string_view path);

  // Lets go of the last document.
  void forget();

 private:
  // The document's tree, and how many lines stand before what was parsed.
  std::pair<Tree, std::uint32_t> parse_again(const std::string& file, const TextLines& lines,
                                             const std::vector<std::uint32_t>& document_lines,
                                             std::uint32_t document);

  std::shared_ptr<const std::string> text_;
  std::optional<std::uint32_t> document_;
  std::uint32_t lines_before_ = 0;  // of what was parsed
  std::vector<Tree> objects_;
  // All documents of the text, once one of them could not be parsed by itself.
  std::vector<Document> whole_;
};

// Where `path` stands in the tree of an object, as in Locator.
Where find_field(const Tree& object, std::string_view path);

}  // namespace sluice::source
