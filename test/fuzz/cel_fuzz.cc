// Any text as a CEL rule, about any value: `expression`, or `expression`, a line `---`, and a YAML value. A
// value with the apiVersion and kind of a declared kind has its Type.
#include <string>

#include "declared.h"
#include "fuzz.h"
#include "schema/cel/cel.h"
#include "schema/type.h"
#include "text.h"

namespace sluice::fuzz {
namespace {

using schema::cel::Program;

constexpr std::string_view kSample = R"(
name: web.example.com
size: 3
ratio: -0.5
on: true
nothing: null
time: 1h30m
at: 2026-01-31T08:00:00Z
ip: 2001:db8::1
cidr: 10.0.0.0/8
url: https://user@example.com:8443/a?b=c#d
amount: 1.5Gi
list: [{name: a, port: 1}, {name: b, port: 2}, {name: a}]
words: [b, a, ä]
map: {a: 1, b/c: x}
)";

void run(std::string_view text) {
  const std::size_t separator = text.find("\n---\n");
  const std::string_view expression = text.substr(0, separator);
  const std::expected<Program, std::string> program = Program::parse(expression);
  if (!program) {
    require(!program.error().empty(), "what does not parse says why");
    return;
  }
  const bool is_alone = separator == std::string_view::npos;
  std::vector<Problem> problems;
  const std::vector<Document> documents =
      parse(is_alone ? kSample : text.substr(separator + 5), "fuzz.yaml", &problems);
  const Tree self = documents.empty() ? Tree() : documents.front().tree;
  static const schema::Type kAny = schema::any();
  const schema::Type* const declared = declared_type(self);
  const schema::Value value(&self, declared != nullptr ? declared : &kAny);

  const schema::cel::Verdict verdict = program->evaluate(value);
  const std::string shown = program->show(value);
  if (program->is_transition()) {
    require(verdict.holds, "a rule about what was holds");
    return;
  }
  require(verdict.holds == (shown == "true"), "a rule holds where its value is true", shown);
  if (shown.starts_with("error: ")) require(!verdict.error.empty(), "an error has words", shown);
  if (!verdict.holds) {
    const schema::cel::Culprit culprit = program->culprit(value);
    require(culprit.earlier == nullptr || culprit.item != nullptr, "what repeats an item is one");
  }
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(sluice::fuzz::text_of(data, size));
  return 0;
}
