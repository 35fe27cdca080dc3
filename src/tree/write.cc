#include "tree/write.h"

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

void write(const Tree& tree, std::string& out) {
  const auto text = [](const auto& value) { return nlohmann::json(value).dump(); };
  switch (tree.type()) {
    case Tree::Type::kNull:
      out += "null";
      break;
    case Tree::Type::kBool:
      out += tree.as_bool() ? "true" : "false";
      break;
    case Tree::Type::kInt:
      out += std::to_string(tree.as_int());
      break;
    case Tree::Type::kFloat:
      out += text(tree.as_float());
      break;
    case Tree::Type::kString:
      out += text(tree.as_string());
      break;
    case Tree::Type::kList: {
      out += '[';
      for (std::size_t i = 0; i < tree.items().size(); ++i) {
        if (i > 0) out += ',';
        write(tree.items()[i], out);
      }
      out += ']';
      break;
    }
    case Tree::Type::kMap: {
      out += '{';
      for (std::size_t i = 0; i < tree.members().size(); ++i) {
        if (i > 0) out += ',';
        out += text(tree.members()[i].key) + ":";
        write(tree.members()[i].value, out);
      }
      out += '}';
      break;
    }
  }
}

}  // namespace

std::string to_json(const Tree& tree) {
  std::string out;
  write(tree, out);
  return out;
}

}  // namespace sluice
