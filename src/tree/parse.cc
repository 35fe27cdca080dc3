#include "tree/parse.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <libfyaml.h>

#include "tree/characters.h"
#include "tree/json.h"
#include "tree/scalar.h"

namespace sluice {

namespace {

using tree_internal::code_points;
using tree_internal::duplicate_key;
using tree_internal::find_bad_character;
using tree_internal::parse_json;
using tree_internal::parse_number;
using tree_internal::read_block;
using tree_internal::read_double_quoted;
using tree_internal::read_single_quoted;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Maps of more members find duplicates by hash; below that, comparing is faster.
constexpr std::size_t kHashedMapSize = 24;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

// Line `number`, from 1, without its end.
std::string_view line_of(std::string_view text, std::uint32_t number) {
  for (; number > 1; --number) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

bool is_separator(std::string_view line) {
  if (!line.starts_with("---")) return false;
  line.remove_prefix(3);
  if (line.empty()) return true;
  if (line.front() != ' ' && line.front() != '\t' && line.front() != '\r') return false;
  line = trim(line);
  return line.empty() || line.front() == '#';
}

// One parser error in the user's terms.
struct Diagnosis {
  std::string message;
  std::string suggestion;
};

// libfyaml's words → ours. Looked up by prefix; an error that is not here is shown as libfyaml words it,
// unless it quotes the text.
struct Wording {
  std::string_view theirs;
  std::string_view ours;
  std::string_view suggestion;
};

constexpr Wording kWordings[] = {
    {"tab character may not be used as indentation", "a tab in the indentation", "indent with spaces"},
    {"double-quoted scalar without closing quote", "a double-quoted string that is never closed",
     "close it with `\"`"},
    {"single-quoted scalar without closing quote", "a single-quoted string that is never closed",
     "close it with `'`, and write a single quote inside it as `''`"},
    {"invalid trailing content after double-quoted scalar", "text after a closing quote",
     "write a quote inside a double-quoted string as `\\\"`"},
    {"invalid trailing content after single-quoted scalar", "text after a closing quote",
     "write a quote inside a single-quoted string as `''`"},
    {"invalid nested block mapping on the same line", "a second `: ` on the same line",
     "quote the value if it contains `: `"},
    {"invalid indentation in mapping", "the indentation matches no map above",
     "align the key with the others of its map"},
    {"invalid value after mapping", "the indentation matches no map above",
     "align the line with the lines it belongs to"},
    {"invalid indentation in sequence", "the indentation matches no list above",
     "align the `-` with the others of its list"},
    {"invalid scalar at the end of block sequence", "a key beside the items of a list",
     "indent it into an item, or align it with the key of the list"},
    {"flow sequence without a closing bracket", "a `[` that is never closed", "close the list with `]`"},
    {"flow mapping without a closing brace", "a `{` that is never closed", "close the map with `}`"},
    {"missing comma in flow mapping", "a `{` that is not closed, or a comma that is missing",
     "close the map with `}`"},
    {"missing comma in flow sequence", "a `[` that is not closed, or a comma that is missing",
     "close the list with `]`"},
    {"flow mapping with invalid extra closing brace", "a `}` that closes nothing", "quote the value"},
    {"flow sequence with invalid extra closing bracket", "a `]` that closes nothing", "quote the value"},
    {"plain scalar cannot start with", "a value may not begin with this character", "quote the value"},
    {"invalid escape", "an unknown escape in a double-quoted string",
     "double the backslash, or use single quotes"},
};

// "port:80", alone on its line.
bool lacks_space(std::string_view line) {
  std::string_view text = trim(line);
  if (text.starts_with("- ")) text = trim(text.substr(2));
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  const auto is_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return std::ranges::all_of(text.substr(0, colon), is_name) && text[colon + 1] != ' ' &&
         text[colon + 1] != '/';
}

Diagnosis diagnose(std::string_view theirs, std::string_view document, std::uint32_t line,
                   std::uint32_t* column) {
  const std::string_view here = line_of(document, line);
  const std::string_view indentation = here.substr(0, std::min(here.find_first_not_of(" \t"), here.size()));
  if (const std::size_t tab = indentation.find('\t'); tab != std::string_view::npos) {
    *column = static_cast<std::uint32_t>(tab + 1);
    return {"a tab in the indentation", "indent with spaces"};
  }
  if (theirs.starts_with("invalid multiline plain key")) {
    const std::string_view line_text = trim(here);
    const std::size_t colon = line_text.find(':');
    if (colon == std::string_view::npos) {
      return {"a line without a colon before deeper lines", "end the line with `:`"};
    }
    if (colon + 1 < line_text.size() && line_text[colon + 1] != ' ') {
      return {"a key without a space after its colon", "put a space after the colon"};
    }
    if (line_of(document, line + 1).starts_with('\t')) {
      return {"a value on the key's line, and a line below it that begins with a tab", "indent with spaces"};
    }
    return {"a value on the key's line, and deeper lines below it",
            "align the next line with this key, or remove the value"};
  }
  const bool is_known = std::ranges::any_of(
      kWordings, [&theirs](const Wording& wording) { return theirs.starts_with(wording.theirs); });
  if ((!is_known || theirs.starts_with("invalid value after mapping")) && lacks_space(here)) {
    return {"a key without a space after its colon", "put a space after the colon"};
  }
  for (const Wording& wording : kWordings) {
    if (theirs.starts_with(wording.theirs))
      return {std::string(wording.ours), std::string(wording.suggestion)};
  }
  if (theirs.empty() || theirs.contains('\'') || theirs.contains('"')) return {"this is no YAML", ""};
  return {std::string(theirs), ""};
}

struct ParserDeleter {
  void operator()(fy_parser* parser) const { fy_parser_destroy(parser); }
};
struct DiagDeleter {
  void operator()(fy_diag* diag) const { fy_diag_destroy(diag); }
};

// What the aliases of one text may still stand for. Somewhat as it would count in bytes if it were written
// out.
class AliasRoom {
 public:
  static constexpr std::size_t kNode = 16;  // a node's own line, its indentation, …

  explicit AliasRoom(std::size_t text_size)
      : left_(std::max(kMaxAliased, text_size <= kMaxTextBytes ? kMaxAliasedRatio * text_size : 0)) {}

  bool take(std::size_t size) {
    if (size > left_) return false;
    left_ -= size;
    return true;
  }

 private:
  std::size_t left_;
};

// One document's events → its tree. The first mistake spoils the document; what follows is skipped.
class DocumentBuilder {
 public:
  // `source` is what the events are of, `room` that of the whole text.
  DocumentBuilder(std::string_view source, std::uint32_t first_line, AliasRoom* room)
      : source_(source), first_line_(first_line), room_(room) {}

  void begin() {
    frames_.clear();
    anchors_.clear();
    root_.reset();
    problem_.reset();
    nodes_ = 0;
    size_ = 0;
  }

  bool has_problem() const { return problem_.has_value(); }
  const Problem& problem() const { return *problem_; }
  // The document's value; nullopt when it is empty.
  std::optional<Tree>& root() { return root_; }
  unsigned line() const { return root_line_; }

  void add(fy_event* event) {
    if (problem_) return;
    switch (event->type) {
      case FYET_SCALAR:
        add_scalar(event);
        break;
      case FYET_ALIAS:
        add_alias(event);
        break;
      case FYET_MAPPING_START:
        open(event, event->mapping_start.mapping_start, event->mapping_start.anchor, event->mapping_start.tag,
             Tree::Type::kMap, "map");
        break;
      case FYET_SEQUENCE_START:
        open(event, event->sequence_start.sequence_start, event->sequence_start.anchor,
             event->sequence_start.tag, Tree::Type::kList, "seq");
        break;
      case FYET_MAPPING_END:
      case FYET_SEQUENCE_END:
        close();
        break;
      default:
        break;
    }
  }

 private:
  struct Place {
    std::uint32_t line = 0;
    std::uint32_t column = 0;
  };

  struct Frame {
    Tree::Type type = Tree::Type::kMap;
    Place place;
    std::string anchor;
    std::size_t nodes_before = 0;
    std::size_t size_before = 0;
    std::vector<Tree> items;
    std::vector<Tree::Member> members;
    std::unordered_set<std::string> hashed;  // the keys, once there are many
    bool has_key = false;                    // members.back() waits for its value
    std::vector<Tree> merged;
    bool merge = false;  // the next value is one of `<<`
  };

  struct Anchored {
    Tree tree;
    std::size_t nodes;
    std::size_t size;  // as AliasRoom counts
  };

  static std::string_view text_of(fy_token* token) {
    if (token == nullptr) return {};
    std::size_t size = 0;
    const char* const text = fy_token_get_text(token, &size);
    return text == nullptr ? std::string_view() : std::string_view(text, size);
  }

  // Where a token begins or ends in the text.
  std::size_t position(const fy_mark* mark) const {
    return mark == nullptr ? 0 : std::min(mark->input_pos, source_.size());
  }

  // What stands in the text, between the quotes.
  std::string_view written(fy_token* token) const {
    const std::size_t begin = position(fy_token_start_mark(token));
    return source_.substr(begin, std::max(position(fy_token_end_mark(token)), begin) - begin);
  }

  // A scalar that libfyaml would misread (tree/scalar.h). It isn't even asked for the text: it might leak
  // memory.
  std::optional<std::string> read_scalar(fy_event* event, fy_scalar_style style) const {
    fy_token* const token = event->scalar.value;
    switch (style) {
      case FYSS_SINGLE_QUOTED:
        // It loses count where two quotes stand side by side in single quotes: 'a''''b'.
        if (!written(token).contains("''''") && !written(token).contains('\n')) return std::nullopt;
        return read_single_quoted(written(token));
      case FYSS_DOUBLE_QUOTED:
        if (!written(token).contains('\n')) return std::nullopt;
        return read_double_quoted(written(token));
      case FYSS_LITERAL:
      case FYSS_FOLDED:
        return read_block(block_header(event), written(token), outer_indentation());
      default:
        return std::nullopt;
    }
  }

  // What begins with the `|` or `>` of a block: the end of the line above it, less what else stands there.
  std::string_view block_header(fy_event* event) const {
    const std::size_t end = position(fy_token_start_mark(event->scalar.value));
    const std::string_view above = source_.substr(0, end);
    const std::size_t line_end = above.ends_with('\n') ? end - 1 : end;
    std::size_t begin = above.substr(0, line_end).rfind('\n') + 1;  // npos + 1 is 0
    begin = std::max(begin, last_end_);
    for (fy_token* before : {event->scalar.anchor, event->scalar.tag}) {
      if (before != nullptr) begin = std::max(begin, position(fy_token_end_mark(before)));
    }
    const std::string_view line =
        above.substr(std::min(begin, line_end), line_end - std::min(begin, line_end));
    const std::size_t header = line.find_first_of("|>");
    return header == std::string_view::npos ? "|" : line.substr(header);
  }

  // Of the list or map around the next value: a block in a document by itself is in nothing.
  std::size_t outer_indentation() const {
    return frames_.empty() || frames_.back().place.column == 0 ? 0 : frames_.back().place.column - 1;
  }

  Place place_of(const fy_mark* mark, std::uint32_t back = 0) const {
    if (mark == nullptr) return {};
    const auto column = static_cast<std::uint32_t>(mark->column) + 1;
    return {static_cast<std::uint32_t>(mark->line) + first_line_, column > back ? column - back : column};
  }

  void fail(Place place, std::string code, std::string message, std::string suggestion = {}) {
    problem_.emplace();
    problem_->code = std::move(code);
    problem_->where.line = place.line;
    problem_->where.column = place.column;
    problem_->message = std::move(message);
    problem_->suggestion = std::move(suggestion);
  }

  bool count(std::size_t nodes, Place place) {
    nodes_ += nodes;
    if (nodes_ <= kMaxNodes) return true;
    fail(place, "syntax/too-large",
         fmt::format("a document of more than {} nodes, aliases expanded", kMaxNodes));
    return false;
  }

  bool count_alias(const Anchored& anchored, Place place) {
    if (!count(anchored.nodes, place)) return false;
    size_ += anchored.size;
    if (room_->take(anchored.size)) return true;
    fail(place, "syntax/too-large", "aliases that stand for too much, next to what is written",
         "write it out, or split the file");
    return false;
  }

  bool wants_key() const {
    return !frames_.empty() && frames_.back().type == Tree::Type::kMap && !frames_.back().has_key &&
           !frames_.back().merge;
  }

  void add_scalar(fy_event* event) {
    fy_token* const token = event->scalar.value;
    const fy_scalar_style style = token == nullptr ? FYSS_PLAIN : fy_token_scalar_style(token);
    const bool quoted = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
    // The token of a quoted scalar begins after its quote; that of nothing has no place, and that of an empty
    // block scalar may be behind the text.
    Place place = place_of(token == nullptr ? nullptr : fy_token_start_mark(token), quoted ? 1 : 0);
    const bool block = style == FYSS_LITERAL || style == FYSS_FOLDED;
    const std::optional<std::string> read = token == nullptr ? std::nullopt : read_scalar(event, style);
    last_end_ = token == nullptr ? last_end_ : position(fy_token_end_mark(token));
    if (block && read->empty()) place = {};
    if (place.line == 0 || block) {
      if (!frames_.empty() && frames_.back().has_key) {
        place = {frames_.back().members.back().line, frames_.back().members.back().column};
      } else if (place.line == 0) {
        place = frames_.empty() ? Place{first_line_, 1} : frames_.back().place;
      }
    }
    if (!count(1, place)) return;
    const std::string_view text = read ? *read : text_of(token);
    size_ += AliasRoom::kNode + text.size();
    if (wants_key()) return add_key(text, style == FYSS_PLAIN && event->scalar.tag == nullptr, place, event);
    Tree tree;
    if (event->scalar.tag != nullptr) {
      if (!resolve_tagged(text_of(event->scalar.tag), text, place, &tree)) return;
    } else if (style == FYSS_PLAIN) {
      tree = resolve_plain(text, place);
    } else {
      tree = Tree::string(std::string(text), place.line, place.column);
    }
    if (event->scalar.anchor != nullptr) {
      anchor(event->scalar.anchor, tree, text.size());
    }
    // A document of nothing but comments is one empty plain scalar.
    if (frames_.empty() && tree.is_null()) return;
    put(std::move(tree), place);
  }

  // A scalar of so many bytes.
  void anchor(fy_token* name, Tree tree, std::size_t bytes) {
    anchors_.insert_or_assign(std::string(text_of(name)),
                              Anchored{std::move(tree), 1, AliasRoom::kNode + bytes});
  }

  static Tree resolve_plain(std::string_view text, Place place) {
    if (text.empty()) return Tree::null(place.line, place.column);
    switch (text.front()) {
      case '~':
        if (text.size() == 1) return Tree::null(place.line, place.column);
        break;
      case 'n':
      case 'N':
        if (text == "null" || text == "Null" || text == "NULL") return Tree::null(place.line, place.column);
        break;
      case 't':
      case 'T':
        if (text == "true" || text == "True" || text == "TRUE") {
          return Tree::boolean(true, place.line, place.column);
        }
        break;
      case 'f':
      case 'F':
        if (text == "false" || text == "False" || text == "FALSE") {
          return Tree::boolean(false, place.line, place.column);
        }
        break;
      case '+':
      case '-':
      case '.':
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9': {
        Tree number;
        if (parse_number(text, place.line, place.column, &number)) return number;
        break;
      }
      default:
        break;
    }
    return Tree::string(std::string(text), place.line, place.column);
  }

  // The core schema's tags; any other names a type that JSON does not have.
  bool resolve_tagged(std::string_view tag, std::string_view text, Place place, Tree* tree) {
    constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
    std::string_view name = tag;
    if (name.starts_with(kPrefix)) {
      name.remove_prefix(kPrefix.size());
    } else if (name.starts_with("!!")) {
      name.remove_prefix(2);
    }
    if (name == "str" || name == "!") {
      *tree = Tree::string(std::string(text), place.line, place.column);
      return true;
    }
    *tree = resolve_plain(text, place);
    const Tree::Type type = tree->type();
    if ((name == "int" && type == Tree::Type::kInt) || (name == "bool" && type == Tree::Type::kBool) ||
        (name == "null" && type == Tree::Type::kNull)) {
      return true;
    }
    if (name == "float" && (type == Tree::Type::kInt || type == Tree::Type::kFloat)) {
      *tree = Tree::number(tree->as_float(), place.line, place.column);
      return true;
    }
    if (name == "int" || name == "bool" || name == "null" || name == "float") {
      fail(place, "syntax/tag", fmt::format("the value is not of its tag `!!{}`", name), "remove the tag");
    } else {
      unknown_tag(place);
    }
    return false;
  }

  void unknown_tag(Place place) {
    fail(place, "syntax/tag", "a tag that neither JSON nor Kubernetes knows", "remove the tag");
  }

  void add_key(std::string_view text, bool plain, Place place, fy_event* event) {
    if (event->scalar.anchor != nullptr) {
      anchor(event->scalar.anchor,
             plain ? resolve_plain(text, place) : Tree::string(std::string(text), place.line, place.column),
             text.size());
    }
    if (plain && text == "<<") {
      frames_.back().merge = true;
      return;
    }
    push_key(std::string(text), place);
  }

  void push_key(std::string key, Place place) {
    Frame& frame = frames_.back();
    const Tree::Member* first = nullptr;
    if (frame.members.size() < kHashedMapSize) {
      for (const Tree::Member& member : frame.members) {
        if (member.key == key) first = &member;
      }
    } else {
      if (frame.hashed.empty()) {
        for (const Tree::Member& member : frame.members) frame.hashed.insert(member.key);
      }
      if (!frame.hashed.insert(key).second) {
        for (const Tree::Member& member : frame.members) {
          if (member.key == key) first = &member;
        }
      }
    }
    if (first != nullptr) {
      problem_ = duplicate_key(*first, place.line, place.column);
      const bool begins_anew = frames_.size() == 1 && first == frame.members.data() &&
                               frame.members.size() > 1 && place.line > first->line;
      if (begins_anew) {
        problem_->suggestion = "write `---` above it if another document begins here, or keep one of the two";
      }
      return;
    }
    frame.members.push_back({std::move(key), place.line, place.column, Tree()});
    frame.has_key = true;
  }

  void add_alias(fy_event* event) {
    const Place place = place_of(fy_token_start_mark(event->alias.anchor), 1);
    last_end_ = position(fy_token_end_mark(event->alias.anchor));
    const auto anchored = anchors_.find(text_of(event->alias.anchor));
    if (anchored == anchors_.end()) {
      for (const Frame& frame : frames_) {
        if (frame.anchor == text_of(event->alias.anchor)) {
          return fail(place, "syntax/alias", "an alias inside of what it stands for");
        }
      }
      return fail(place, "syntax/alias", "an alias without its anchor in this document",
                  "quote the value if it is meant to begin with `*`");
    }
    if (!count_alias(anchored->second, place)) return;
    if (!wants_key()) return put(anchored->second.tree, place);
    if (!anchored->second.tree.is_string()) {
      return fail(place, "syntax/key", "a key must be a string");
    }
    push_key(anchored->second.tree.as_string(), place);
  }

  void open(fy_event* event, fy_token* token, fy_token* anchor, fy_token* tag, Tree::Type type,
            std::string_view tag_name) {
    const fy_mark* mark = token == nullptr ? nullptr : fy_token_start_mark(token);
    const Place place = place_of(mark != nullptr ? mark : fy_event_start_mark(event));
    if (wants_key()) {
      const bool is_template = line_of(source_, place.line - first_line_ + 1).contains("{{");
      return fail(place, "syntax/key", "a list or a map as a key: keys are strings",
                  is_template ? "render the template first, if it is one" : "");
    }
    if (tag != nullptr && !text_of(tag).ends_with(fmt::format(":{}", tag_name))) return unknown_tag(place);
    if (frames_.size() >= kMaxDepth) {
      return fail(place, "syntax/too-deep", fmt::format("nested deeper than {} levels", kMaxDepth));
    }
    const std::size_t before = nodes_;
    if (!count(1, place)) return;
    Frame& frame = frames_.emplace_back();
    frame.type = type;
    frame.place = place;
    frame.anchor = std::string(text_of(anchor));
    frame.nodes_before = before;
    frame.size_before = size_;
    size_ += AliasRoom::kNode;
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (!frame.merged.empty()) merge(&frame);
    if (problem_) return;
    Tree tree = frame.type == Tree::Type::kMap
                    ? Tree::map(std::move(frame.members), frame.place.line, frame.place.column)
                    : Tree::list(std::move(frame.items), frame.place.line, frame.place.column);
    if (!frame.anchor.empty()) {
      anchors_.insert_or_assign(std::move(frame.anchor),
                                Anchored{tree, nodes_ - frame.nodes_before, size_ - frame.size_before});
    }
    put(std::move(tree), frame.place);
  }

  // Keys of the map itself win over merged ones, earlier merged ones over later.
  void merge(Frame* frame) {
    std::unordered_set<std::string> keys;
    for (const Tree::Member& member : frame->members) keys.insert(member.key);
    for (const Tree& source : frame->merged) {
      for (const Tree::Member& member : source.members()) {
        if (keys.insert(member.key).second) frame->members.push_back(member);
      }
    }
  }

  void put(Tree tree, Place place) {
    if (frames_.empty()) {
      root_line_ = place.line;
      root_ = std::move(tree);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.type == Tree::Type::kList) {
      frame.items.push_back(std::move(tree));
    } else if (frame.merge) {
      frame.merge = false;
      if (!add_merged(tree, &frame)) {
        fail(place, "syntax/merge", "the value of `<<` must be a map or a list of maps",
             "quote the key if it is meant to be `<<`");
      }
    } else {
      frame.members.back().value = std::move(tree);
      frame.has_key = false;
    }
  }

  static bool add_merged(const Tree& tree, Frame* frame) {
    if (tree.is_map()) {
      frame->merged.push_back(tree);
      return true;
    }
    if (!tree.is_list()) return false;
    for (const Tree& item : tree.items()) {
      if (!item.is_map()) return false;
      frame->merged.push_back(item);
    }
    return true;
  }

  std::string_view source_;
  std::uint32_t first_line_;
  AliasRoom* room_;
  std::size_t last_end_ = 0;  // of the last scalar or alias, in the text
  std::vector<Frame> frames_;
  std::map<std::string, Anchored, std::less<>> anchors_;
  std::optional<Tree> root_;
  unsigned root_line_ = 0;
  std::optional<Problem> problem_;
  std::size_t nodes_ = 0;
  std::size_t size_ = 0;  // as AliasRoom counts
};

class YamlReader {
 public:
  explicit YamlReader(AliasRoom* room) : room_(room) {
    fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.fp = nullptr;
    diag_.reset(fy_diag_create(&diag_config));
    if (diag_ == nullptr) std::abort();  // out of memory
    fy_diag_set_collect_errors(diag_.get(), true);
  }

  // Reads what stands between two separators; `text` begins at line `first_line` of its file. A "document" of
  // text may be several of YAML's, where `...` or `--- text` parts them.
  void read(std::string_view text, std::uint32_t first_line, std::vector<Document>* documents,
            std::vector<Problem>* problems) {
    fy_parse_cfg config{};
    config.flags = static_cast<fy_parse_cfg_flags>(FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE |
                                                   FYPCF_DISABLE_DEPTH_LIMIT | FYPCF_SLOPPY_FLOW_INDENTATION);
    config.diag = diag_.get();
    const std::unique_ptr<fy_parser, ParserDeleter> parser(fy_parser_create(&config));
    if (parser == nullptr || fy_parser_set_string(parser.get(), text.data(), text.size()) != 0) std::abort();
    DocumentBuilder builder(text, first_line, room_);
    builder.begin();
    bool ended = false;
    while (!ended) {
      fy_event* const event = fy_parser_parse(parser.get());
      if (event == nullptr) break;
      builder.add(event);
      const fy_event_type type = event->type;
      fy_parser_event_free(parser.get(), event);
      if (type == FYET_DOCUMENT_START) {
        builder.begin();
      } else if (type == FYET_DOCUMENT_END) {
        if (builder.has_problem()) {
          problems->push_back(builder.problem());
        } else if (builder.root()) {
          documents->push_back({std::move(*builder.root()), builder.line()});
        }
        builder.begin();
      } else if (type == FYET_STREAM_END) {
        ended = true;
      }
      // Nothing that follows could mend the document, and a bomb's rest is not worth reading.
      if (builder.has_problem()) {
        problems->push_back(builder.problem());
        return;
      }
    }
    if (!ended) problems->push_back(take_error(text, first_line));
  }

 private:
  Problem take_error(std::string_view text, std::uint32_t first_line) {
    Problem problem;
    problem.code = "syntax/yaml";
    problem.where.line = first_line;
    problem.where.column = 1;
    std::string theirs;
    void* iterator = nullptr;
    if (const fy_diag_error* error = fy_diag_errors_iterate(diag_.get(), &iterator); error != nullptr) {
      theirs = error->msg == nullptr ? "" : error->msg;
      auto line = static_cast<std::uint32_t>(std::max(error->line, 1));
      auto column = static_cast<std::uint32_t>(std::max(error->column, 1));
      // Where the text ends too early, some errors are reported behind it.
      const auto last_line = static_cast<std::uint32_t>(std::ranges::count(text, '\n') + 1);
      const std::uint32_t behind = code_points(line_of(text, std::min(line, last_line))) + 1;
      if (line > last_line || column > behind) column = behind;
      line = std::min(line, last_line);
      // An unclosed quote is reported behind the quote.
      if (theirs.contains("without closing quote") && column > 1) --column;
      Diagnosis diagnosis = diagnose(theirs, text, line, &column);
      problem.where.line = first_line + line - 1;
      problem.where.column = column;
      problem.message = std::move(diagnosis.message);
      problem.suggestion = std::move(diagnosis.suggestion);
    } else {
      problem.message = "this is no YAML";
    }
    // The errors stay with the diag, and so would be the next document's.
    *this = YamlReader(room_);
    return problem;
  }

  AliasRoom* room_;
  std::unique_ptr<fy_diag, DiagDeleter> diag_;
};

void parse_yaml(std::string_view text, std::vector<Document>* documents, std::vector<Problem>* problems) {
  AliasRoom room(text.size());
  YamlReader reader(&room);
  std::size_t begin = 0;
  std::uint32_t begin_line = 1;
  bool content = false;     // the document has a line that is no comment
  bool directives = false;  // and all such lines so far are directives: `---` ends those, not the document
  const std::size_t first_problem = problems->size();
  const auto end_document = [&](std::size_t end) {
    if (problems->size() - first_problem >= kMaxBadDocuments) return;
    if (content) reader.read(text.substr(begin, end - begin), begin_line, documents, problems);
  };
  std::uint32_t line_number = 1;
  for (std::size_t position = 0; position < text.size(); ++line_number) {
    const std::size_t end = std::min(text.find('\n', position), text.size());
    const std::string_view line = text.substr(position, end - position);
    const std::size_t next = std::min(end + 1, text.size());
    if (is_separator(line) && !directives) {
      end_document(position);
      begin = next;
      begin_line = line_number + 1;
      content = false;
    } else if (!content || directives) {
      const std::string_view trimmed = trim(line);
      if (!trimmed.empty() && trimmed.front() != '#') {
        directives = line.starts_with('%');
        content = true;
      }
    }
    position = next;
  }
  end_document(text.size());
}

}  // namespace

std::vector<Document> parse(std::string_view text, std::string_view file, std::vector<Problem>* problems) {
  std::vector<Document> documents;
  const std::size_t first_problem = problems->size();
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (text.size() > kMaxTextBytes) {
    Problem problem;
    problem.code = "syntax/too-large";
    problem.message = fmt::format("more than {} bytes of text", kMaxTextBytes);
    problem.suggestion = "split the file";
    problems->push_back(std::move(problem));
  } else if (std::optional<Problem> bad = find_bad_character(text)) {
    problems->push_back(std::move(*bad));
  } else if (first != std::string_view::npos) {
    const bool object = text[first] == '{';
    // Some write comments into JSON, which has none.
    const std::string_view begin = text.substr(first);
    const bool comment = begin.starts_with("//") || begin.starts_with("/*");
    const bool named_json = file.ends_with(".json") && (object || begin.front() == '[' || comment);
    Problem json_problem;
    if ((!object && !named_json) || !parse_json(text, &documents, &json_problem)) {
      if (named_json) {
        problems->push_back(std::move(json_problem));
      } else {
        documents.clear();
        parse_yaml(text, &documents, problems);
      }
    }
  }
  for (std::size_t i = first_problem; i < problems->size(); ++i) (*problems)[i].where.file = file;
  return documents;
}

}  // namespace sluice
