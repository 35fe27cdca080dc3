#include "picker/exchange/models_list.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "picker/json_stream.h"
#include "picker/json_text.h"

namespace sluice::picker {
namespace {

// Depth 1 is the page, 2 the list below `data`, 3 an entry.
class Reading {
 public:
  void on_open(bool object) {
    ++depth_;
    if (depth_ == 2) in_list_ = !object && key_ == Key::kData;
    if (depth_ == 3) in_entry_ = in_list_ && object;
  }
  void on_close(bool /*object*/) {
    if (depth_ == 3 && in_entry_) {
      if (id_ && models_.size() < kMaxModels) models_.push_back({*std::move(id_), has_parent_});
      id_.reset();
      has_parent_ = false;
      in_entry_ = false;
    }
    if (depth_ == 2) in_list_ = false;
    --depth_;
  }
  void on_key(std::string_view key, bool /*escaped*/) {
    if (depth_ == 1) {
      key_ = key == "data" ? Key::kData : Key::kOther;
    } else if (depth_ == 3) {
      key_ = key == "id" ? Key::kId : key == "parent" ? Key::kParent : Key::kOther;
    }
  }
  void on_string_begin(std::uint64_t /*offset*/) { text_.clear(); }
  void on_string_piece(std::string_view piece) {
    if (is_id()) text_.append(piece);
  }
  void on_string_end(std::uint64_t /*offset*/, bool escaped) {
    if (is_id()) id_ = escaped ? unescape_json(text_) : text_;
    if (depth_ == 3 && in_entry_ && key_ == Key::kParent) has_parent_ = true;
  }
  void on_scalar(std::string_view /*text*/, std::uint64_t /*offset*/) {}

  std::vector<ServedModel> take() { return std::move(models_); }

 private:
  enum class Key : std::uint8_t { kOther, kData, kId, kParent };

  bool is_id() const { return depth_ == 3 && in_entry_ && key_ == Key::kId; }

  std::size_t depth_ = 0;
  Key key_ = Key::kOther;
  bool in_list_ = false;
  bool in_entry_ = false;
  bool has_parent_ = false;
  std::optional<std::string> id_;
  std::string text_;
  std::vector<ServedModel> models_;
};

}  // namespace

std::vector<ServedModel> read_models(std::string_view json) {
  Reading reading;
  JsonStream<Reading> stream(reading);
  if (!stream.feed(json) || !stream.finish()) return {};
  return reading.take();
}

}  // namespace sluice::picker
