#include "schema/effect.h"

#include <fmt/format.h>

#include "schema/codec.h"
#include "schema/path.h"

namespace sluice::schema {

void report_ineffective(const Tree& tree, const Type& type, std::vector<Problem>* problems, Writer writer) {
  walk({.tree = &tree, .type = &type}, [problems, writer](const Path& path, const Field* field) {
    if (path.type->is_passive) return false;
    if (field == nullptr) return true;
    const Tree& value = *path.tree;
    if (field->is_passive || field->is_ignored || value.is_null()) return false;
    // What is bound as one value, a Tree for instance, is bound as a whole.
    if (field->is_effective && field->codec != nullptr) return field->codec->kind != Codec::Kind::kScalar;
    if (writer == Writer::kServer && field->default_value && *field->default_value == value) return false;
    problems->push_back({.code = "support/no-effect",
                         .severity = Severity::kWarning,
                         .where = {.file = "", .line = value.line(), .column = value.column()},
                         .object = {},
                         .path = path.to_string(),
                         .message = fmt::format("`{}` is checked, but has no effect yet", field->name),
                         .suggestion = "",
                         .also = {}});
    return false;
  });
}

}  // namespace sluice::schema
