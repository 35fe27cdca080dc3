#include "kube/object.h"

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/json_text.h"
#include "base/quote.h"
#include "base/utf8.h"

namespace sluice::kube {
namespace {

using Json = nlohmann::json;

// A Status is some hundred bytes; what is longer than this is none.
constexpr std::size_t kMaxStatus = std::size_t{1} << 20;

// Goes over JSON without keeping it: finds where values begin and end. It does not find every mistake in what
// it skips, but that it ends in the middle.
class Skimmer {
 public:
  explicit Skimmer(std::string_view text) : text_(text) {}

  bool at_end() {
    skip_space();
    return at_ == text_.size();
  }

  // Calls `member(key)` for each of a map's; it has to read the value. Keys are as they are written.
  template <typename Member>
  bool members(const Member& member) {
    if (!take('{')) return false;
    if (take('}')) return true;
    do {
      skip_space();
      const std::string_view key = value();
      if (key.size() < 2 || key[0] != '"' || !take(':')) return false;
      if (!member(key.substr(1, key.size() - 2))) return false;
    } while (take(','));
    return take('}');
  }

  template <typename Item>
  bool items(const Item& item) {
    if (!take('[')) return false;
    if (take(']')) return true;
    do {
      if (!item()) return false;
    } while (take(','));
    return take(']');
  }

  // The text of the next value, or empty where it does not end.
  std::string_view value() {
    skip_space();
    const std::size_t begin = at_;
    std::size_t depth = 0;
    do {
      if (at_ == text_.size()) return {};
      const char c = text_[at_];
      if (c == '"') {
        if (!skip_string()) return {};
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at_;
      } else if (c == '}' || c == ']') {
        if (depth == 0) return {};
        --depth;
        ++at_;
      } else if (depth > 0) {
        at_ = std::min(text_.find_first_of("\"{}[]", at_), text_.size());
      } else {
        const std::size_t end = std::min(text_.find_first_of(",}] \t\r\n", at_), text_.size());
        if (end == at_) return {};
        at_ = end;
      }
    } while (depth > 0);
    return text_.substr(begin, at_ - begin);
  }

  bool string(std::string& into) {
    const std::string_view raw = value();
    if (raw == "null") return true;
    if (raw.size() < 2 || raw[0] != '"') return false;
    if (!raw.contains('\\')) {
      into = raw.substr(1, raw.size() - 2);
      return true;
    }
    const Json parsed = Json::parse(raw, nullptr, false);
    if (!parsed.is_string()) return false;
    into = parsed.get<std::string>();
    return true;
  }

 private:
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool skip_string() {
    for (++at_; at_ < text_.size(); ++at_) {
      at_ = std::min(text_.find_first_of("\"\\", at_), text_.size());
      if (at_ == text_.size()) return false;
      if (text_[at_] == '"') {
        ++at_;
        return true;
      }
      ++at_;  // what follows a backslash
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// What a server says, on one line and not endless.
std::string shown(std::string_view message) {
  constexpr std::size_t kMost = 300;
  std::string text = as_utf8(message.substr(0, kMost));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return text;
}

// From such a version nothing can go on.
bool is_version(std::string_view version) { return !version.empty() && version != "0"; }

std::optional<int> int_of(const Json& map, const char* name) {
  const auto found = map.find(name);
  return found != map.end() && found->is_number_integer() ? std::optional(found->get<int>()) : std::nullopt;
}

const Json& part_of(const Json& map, const char* name) {
  static const Json kNone = Json::object();
  const auto found = map.find(name);
  return found != map.end() && found->is_object() ? *found : kNone;
}

// The object without what its name, uid and version are asked for: bookmarks have no names.
std::expected<Object, std::string> skim_object(std::string_view json, const Resource& resource) {
  Object object;
  bool has_kind = false;
  bool has_version = false;
  std::string name_space;
  Skimmer skimmer(json);
  const bool whole = skimmer.members([&](std::string_view key) {
    has_kind = has_kind || key == "kind";
    has_version = has_version || key == "apiVersion";
    if (key != "metadata") return !skimmer.value().empty();
    return skimmer.members([&](std::string_view field) {
      if (field == "name") return skimmer.string(object.name.name);
      if (field == "namespace") return skimmer.string(name_space);
      if (field == "uid") return skimmer.string(object.uid);
      if (field == "resourceVersion") return skimmer.string(object.version);
      return !skimmer.value().empty();
    });
  });
  if (!whole || !skimmer.at_end()) return std::unexpected("an object is no JSON");
  object.name.namespace_ = name_space;
  if (has_kind && has_version) {
    object.json = json;
    return object;
  }
  const std::size_t brace = json.find('{');
  object.json = "{";
  if (!has_version) object.json += fmt::format(R"("apiVersion":"{}",)", resource.api_version());
  if (!has_kind) object.json += fmt::format(R"("kind":"{}",)", resource.kind);
  object.json += json.substr(brace + 1);
  return object;
}

std::optional<Status> status_of(const Json& document) {
  if (!document.is_object() || string_at(document, "kind") != "Status") return std::nullopt;
  Status status{.code = int_of(document, "code").value_or(0),
                .reason = string_at(document, "reason"),
                .message = shown(string_at(document, "message"))};
  const Json& details = part_of(document, "details");
  status.retry_after = int_of(details, "retryAfterSeconds");
  if (const auto causes = details.find("causes"); causes != details.end() && causes->is_array()) {
    for (const Json& cause : *causes) {
      if (cause.is_object()) status.causes.push_back(string_at(cause, "reason"));
    }
  }
  return status;
}

}  // namespace

std::string Resource::api_version() const { return group.empty() ? version : group + "/" + version; }

std::string Resource::title() const { return group.empty() ? plural : plural + "." + group; }

std::string Resource::target(std::string_view name_space, std::string_view name,
                             std::string_view subresource) const {
  std::string target = fmt::format("/{}/{}", group.empty() ? "api" : "apis", api_version());
  if (!name_space.empty()) target += fmt::format("/namespaces/{}", name_space);
  target += "/" + plural;
  if (!name.empty()) target += fmt::format("/{}", name);
  if (!subresource.empty()) target += fmt::format("/{}", subresource);
  return target;
}

std::expected<Object, std::string> read_object(std::string_view json, const Resource& resource) {
  std::expected<Object, std::string> object = skim_object(json, resource);
  if (!object) return object;
  if (object->name.name.empty()) return std::unexpected("an object has no name");
  if (!is_version(object->version)) {
    return std::unexpected(fmt::format("{} has no resourceVersion", quote(object->name.to_string())));
  }
  return object;
}

std::optional<Parts> parts_of(std::string_view json) {
  Parts parts;
  const auto add = [&parts](std::string_view key, std::string_view value) {
    const std::hash<std::string_view> hash;
    constexpr std::uint64_t kPrime = 0x100000001b3;  // of FNV
    parts.content = (parts.content ^ hash(key)) * kPrime;
    parts.content = (parts.content ^ hash(value)) * kPrime;
    return !value.empty();
  };
  Skimmer skimmer(json);
  const bool whole = skimmer.members([&](std::string_view key) {
    if (key == "status") return !(parts.status = skimmer.value()).empty();
    if (key != "metadata") return add(key, skimmer.value());
    return skimmer.members([&](std::string_view field) {
      if (field == "resourceVersion") return skimmer.string(parts.version);
      if (field == "managedFields") return !skimmer.value().empty();
      return add(field, skimmer.value());
    });
  });
  if (!whole || !skimmer.at_end()) return std::nullopt;
  return parts;
}

std::expected<ListPage, std::string> read_list(std::string_view body, const Resource& resource) {
  ListPage page;
  std::string fault;
  Skimmer skimmer(body);
  const auto item = [&] {
    auto object = read_object(skimmer.value(), resource);
    if (!object) {
      fault = std::move(object.error());
      return false;
    }
    page.objects.push_back(*std::move(object));
    return true;
  };
  const auto metadata = [&](std::string_view field) {
    if (field == "resourceVersion") return skimmer.string(page.version);
    if (field == "continue") return skimmer.string(page.more);
    return !skimmer.value().empty();
  };
  bool has_items = false;
  const bool whole = skimmer.members([&](std::string_view key) {
    if (key == "metadata") return skimmer.members(metadata);
    if (key != "items") return !skimmer.value().empty();
    has_items = true;
    Skimmer ahead = skimmer;
    if (ahead.value() == "null") return !skimmer.value().empty();  // of no object at all
    return skimmer.items(item);
  });
  if (!fault.empty()) return std::unexpected("its list cannot be read: " + fault);
  if (!whole || !skimmer.at_end() || !has_items) return std::unexpected("its list is no JSON of a list");
  if (!is_version(page.version)) return std::unexpected("its list has no resourceVersion");
  return page;
}

std::expected<WatchEvent, std::string> read_event(std::string_view line, const Resource& resource) {
  constexpr std::array<std::pair<std::string_view, WatchEvent::Type>, 5> kTypes{
      {{"ADDED", WatchEvent::Type::kAdded},
       {"MODIFIED", WatchEvent::Type::kModified},
       {"DELETED", WatchEvent::Type::kDeleted},
       {"BOOKMARK", WatchEvent::Type::kBookmark},
       {"ERROR", WatchEvent::Type::kError}}};
  std::string type;
  std::string_view json;
  Skimmer skimmer(line);
  const bool whole = skimmer.members([&](std::string_view key) {
    if (key == "type") return skimmer.string(type);
    const std::string_view value = skimmer.value();
    if (key == "object") json = value;
    return !value.empty();
  });
  if (!whole || !skimmer.at_end()) return std::unexpected("an event of its watch is no JSON");
  WatchEvent event;
  for (const auto& [name, each] : kTypes) {
    if (name != type) continue;
    event.type = each;
    if (each == WatchEvent::Type::kError) {
      event.status = read_status(json).value_or(Status{});
      return event;
    }
    auto object =
        each == WatchEvent::Type::kBookmark ? skim_object(json, resource) : read_object(json, resource);
    if (!object) return std::unexpected("an event of its watch cannot be read: " + object.error());
    if (!is_version(object->version))
      return std::unexpected("a bookmark of its watch has no resourceVersion");
    event.object = *std::move(object);
    return event;
  }
  return std::unexpected(fmt::format("its watch has an event of type {}, which there is not", quote(type)));
}

std::optional<Status> read_status(std::string_view body) {
  if (body.size() > kMaxStatus) return std::nullopt;
  return status_of(Json::parse(body, nullptr, false));
}

std::string describe(unsigned status, std::string_view body) {
  const std::optional<Status> read = read_status(body);
  if (!read || read->message.empty()) return fmt::format("it answers with status {}", status);
  return fmt::format("it answers with status {}: {}", status, read->message);
}

std::string query_escape(std::string_view text) {
  constexpr std::string_view kPlain = "-._~";
  std::string escaped;
  for (const char c : text) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kPlain.contains(c);
    if (plain) {
      escaped += c;
    } else {
      escaped += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return escaped;
}

}  // namespace sluice::kube
