#include "schema/engine.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include <re2/re2.h>

#include "schema/check.h"

namespace sluice::schema {

namespace {

// Types share the compiled form of equal expressions: there are some thirty, used hundreds of times.
std::shared_ptr<const re2::RE2> compile(const std::string& regex) {
  static std::mutex mutex;
  static auto* const compiled = new std::map<std::string, std::shared_ptr<const re2::RE2>>();
  const std::lock_guard lock(mutex);
  std::shared_ptr<const re2::RE2>& entry = (*compiled)[regex];
  if (entry == nullptr) {
    re2::RE2::Options options;
    options.set_log_errors(false);
    entry = std::make_shared<const re2::RE2>(regex, options);
    if (!entry->ok()) {
      std::fprintf(stderr, "schema: bad pattern %s: %s\n", regex.c_str(), entry->error().c_str());
      std::abort();
    }
  }
  return entry;
}

class Re2AndCel final : public Engine {
 public:
  bool found(const re2::RE2& regex, std::string_view text) const override {
    return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), regex);
  }
  bool replace(std::string* text, const char* pattern, const char* replacement) const override {
    return re2::RE2::Replace(text, pattern, replacement);
  }
  cel::Verdict evaluate(const cel::Program& program, const Value& self) const override {
    return program.evaluate(self);
  }
  cel::Culprit culprit(const cel::Program& program, const Value& self) const override {
    return program.culprit(self);
  }
};

}  // namespace

Type Type::matches(const Pattern& wanted) && {
  pattern = std::make_shared<const Pattern>(wanted);
  regex = compile(std::string(wanted.regex));
  return std::move(*this);
}

Type Type::keys_match(const Pattern& wanted) && {
  key_pattern = std::make_shared<const Pattern>(wanted);
  key_regex = compile(std::string(wanted.regex));
  return std::move(*this);
}

Type Type::with(Rule rule) && {
  if (!rule.cel.empty()) rule.program = cel::Program::of(rule.cel);
  rules.push_back(std::move(rule));
  return std::move(*this);
}

Type Type::with(std::vector<Rule> more) && {
  for (Rule& rule : more) *this = std::move(*this).with(std::move(rule));
  return std::move(*this);
}

bool check(const Tree& tree, const Type& type, std::vector<Problem>* problems, Effort effort) {
  static constexpr Re2AndCel kEngine;
  return check_with(&kEngine, tree, type, problems, effort);
}

}  // namespace sluice::schema
