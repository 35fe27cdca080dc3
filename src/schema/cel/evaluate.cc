#include <array>
#include <functional>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <re2/re2.h>

#include "schema/cel/cel.h"
#include "schema/cel/node.h"

namespace sluice::schema::cel {

namespace {

using Kind = Datum::Kind;
using Op = Node::Op;

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

class Evaluation {
 public:
  // With a culprit to find, the items that decide are noted down.
  Evaluation(const Value& self, std::vector<const Tree*>* deciding, bool* repeated)
      : heap_(kMaxSteps), deciding_(deciding), repeated_(repeated) {
    if (self.tree() != nullptr) variables_[0] = read(heap_, *self.tree(), *self.type());
  }

  const Culprit& pair() const { return pair_; }

  Datum answer(const Node& root) {
    const Datum result = run(root);
    return heap_.is_spent() ? too_long() : result;
  }

  Datum run(const Node& node) {
    if (heap_.is_spent()) return too_long();
    heap_.spend(1);
    switch (node.op) {
      case Op::kConstant:
        return node.constant;
      case Op::kVariable:
        return variables_[node.slot];
      case Op::kSelect:
        return select(node);
      case Op::kHas:
        return has(node);
      case Op::kIndex:
        return index(node);
      case Op::kList:
      case Op::kMap:
        return container(node);
      case Op::kCall:
        return call(node);
      case Op::kNot: {
        const Datum value = run(*node.args[0]);
        if (value.is(Kind::kBool)) return Datum::of(!value.boolean);
        return value.is_error() ? value : mismatch("!", value);
      }
      case Op::kNegate:
        return negate(run(*node.args[0]));
      case Op::kAnd:
      case Op::kOr:
        return both(node);
      case Op::kConditional: {
        const Datum condition = run(*node.args[0]);
        if (condition.is(Kind::kBool)) return run(*node.args[condition.boolean ? 1 : 2]);
        return condition.is_error() ? condition : mismatch("?:", condition);
      }
      case Op::kEqual:
      case Op::kUnequal:
      case Op::kLess:
      case Op::kLessOrEqual:
      case Op::kGreater:
      case Op::kGreaterOrEqual:
      case Op::kIn:
      case Op::kAdd:
      case Op::kSubtract:
      case Op::kMultiply:
      case Op::kDivide:
      case Op::kRemainder: {
        const Datum a = run(*node.args[0]);
        if (a.is_error()) return a;
        const Datum b = run(*node.args[1]);
        if (b.is_error()) return b;
        return binary(node.op, a, b);
      }
      case Op::kAll:
      case Op::kExists:
      case Op::kExistsOne:
      case Op::kFilter:
      case Op::kTransform:
        return loop(node);
    }
    return {};
  }

  Heap& heap() { return heap_; }

 private:
  static Datum too_long() { return Datum::of_text("the rule takes too long for this value", Kind::kError); }

  Datum mismatch(std::string_view what, const Datum& value) {
    return heap_.error(fmt::format("`{}` does not take {}", what, words_for(value.kind)));
  }

  // ---- members ----

  Datum select(const Node& node) {
    const Datum base = run(*node.args[0]);
    if (base.is_error()) return base;
    if (!base.is(Kind::kMap)) return mismatch("." + node.text, base);
    const Datum found = find_member(heap_, base, Datum::of_text(node.text));
    return is_absent(found) ? heap_.error(fmt::format("there is no `{}`", node.text)) : found;
  }

  Datum has(const Node& node) {
    const Datum base = run(*node.args[0]);
    if (base.is_error()) return base;
    if (!base.is(Kind::kMap)) return mismatch("has", base);
    return Datum::of(!is_absent(find_member(heap_, base, Datum::of_text(node.text))));
  }

  static bool is_absent(const Datum& found) { return found.is_error() && found.text.empty(); }

  Datum index(const Node& node) {
    const Datum base = run(*node.args[0]);
    if (base.is_error()) return base;
    const Datum key = run(*node.args[1]);
    if (key.is_error()) return key;
    if (base.is(Kind::kMap)) {
      const Datum found = find_member(heap_, base, key);
      return is_absent(found) ? heap_.error(fmt::format("there is no {}", show(heap_, key))) : found;
    }
    if (!base.is(Kind::kList)) return mismatch("[]", base);
    std::int64_t place = -1;
    if (key.is(Kind::kInt)) {
      place = key.integer;
    } else if (key.is(Kind::kUint) && key.natural < size_of(base)) {
      place = static_cast<std::int64_t>(key.natural);
    } else if (!key.is(Kind::kUint)) {
      return mismatch("[]", key);
    }
    if (place < 0 || static_cast<std::size_t>(place) >= size_of(base))
      return heap_.error("the list has no such item");
    return item_at(heap_, base, static_cast<std::size_t>(place));
  }

  Datum container(const Node& node) {
    std::vector<Datum> items;
    items.reserve(node.args.size());
    for (const auto& arg : node.args) {
      items.push_back(run(*arg));
      if (items.back().is_error()) return items.back();
    }
    Datum result = heap_.list(std::move(items));
    if (node.op == Op::kMap) result.kind = Kind::kMap;
    return result;
  }

  Datum call(const Node& node) {
    constexpr std::size_t kMaxArgs = 4;
    std::array<Datum, kMaxArgs> args;
    for (std::size_t i = 0; i < node.args.size(); ++i) {
      args[i] = run(*node.args[i]);
      if (args[i].is_error()) return args[i];
      heap_.spend(args[i].text.size() / 16);
    }
    if (node.regex != nullptr && args[0].is(Kind::kString)) {
      return Datum::of(search(heap_, *node.regex, args[0].text));
    }
    return node.function->call(heap_, std::span(args.data(), node.args.size()));
  }

  // ---- operators ----

  // An error counts only where the other side does not decide.
  Datum both(const Node& node) {
    const bool deciding = node.op == Op::kOr;
    const Datum a = run(*node.args[0]);
    if (a.is(Kind::kBool) && a.boolean == deciding) return a;
    const Datum b = run(*node.args[1]);
    if (b.is(Kind::kBool) && b.boolean == deciding) return b;
    if (a.is_error()) return a;
    if (b.is_error()) return b;
    const std::string_view name = deciding ? "||" : "&&";
    if (!a.is(Kind::kBool)) return mismatch(name, a);
    if (!b.is(Kind::kBool)) return mismatch(name, b);
    return b;
  }

  Datum negate(const Datum& value) {
    if (value.is_error()) return value;
    if (value.is(Kind::kDouble)) return Datum::of_double(-value.number);
    if (!value.is(Kind::kInt)) return mismatch("-", value);
    if (value.integer == std::numeric_limits<std::int64_t>::min()) return overflow();
    return Datum::of_int(-value.integer);
  }

  Datum overflow() { return heap_.error("a number does not fit into 64 bits"); }

  Datum binary(Op op, const Datum& a, const Datum& b) {
    switch (op) {
      case Op::kEqual:
        return Datum::of(equal(heap_, a, b));
      case Op::kUnequal:
        return Datum::of(!equal(heap_, a, b));
      case Op::kIn:
        return contains(a, b);
      case Op::kLess:
      case Op::kLessOrEqual:
      case Op::kGreater:
      case Op::kGreaterOrEqual: {
        bool comparable = false;
        const int order = compare(a, b, &comparable);
        if (!comparable) {
          if (a.is(Kind::kDouble) || b.is(Kind::kDouble)) return Datum::of(false);  // NaN
          return heap_.error(
              fmt::format("{} cannot be compared with {}", words_for(a.kind), words_for(b.kind)));
        }
        return Datum::of(op == Op::kLess          ? order < 0
                         : op == Op::kLessOrEqual ? order <= 0
                         : op == Op::kGreater     ? order > 0
                                                  : order >= 0);
      }
      default:
        return arithmetic(op, a, b);
    }
  }

  Datum contains(const Datum& item, const Datum& container) {
    if (container.is(Kind::kMap)) return Datum::of(!is_absent(find_member(heap_, container, item)));
    if (!container.is(Kind::kList)) return mismatch("in", container);
    const std::size_t size = size_of(container);
    for (std::size_t i = 0; i < size; ++i) {
      if (heap_.is_spent()) break;
      if (!equal(heap_, item, item_at(heap_, container, i))) continue;
      if (loops_ == 0) note(container, i);
      return Datum::of(true);
    }
    return Datum::of(false);
  }

  Datum arithmetic(Op op, const Datum& a, const Datum& b) {
    if (a.is(Kind::kInt) && b.is(Kind::kInt)) return of_ints(op, a.integer, b.integer);
    if (a.is(Kind::kUint) && b.is(Kind::kUint)) return of_uints(op, a.natural, b.natural);
    if (a.is(Kind::kDouble) && b.is(Kind::kDouble) && op != Op::kRemainder)
      return of_doubles(op, a.number, b.number);
    if (op == Op::kAdd && a.kind == b.kind) {
      if (a.is(Kind::kString) || a.is(Kind::kBytes)) {
        return Datum::of_text(heap_.keep(std::string(a.text) + std::string(b.text)), a.kind);
      }
      if (a.is(Kind::kList)) return joined(a, b);
    }
    if (a.is(Kind::kDuration) && b.is(Kind::kDuration) && (op == Op::kAdd || op == Op::kSubtract)) {
      const Datum sum = of_ints(op, a.integer, b.integer);
      return sum.is_error() ? sum : Datum::of_duration(sum.integer);
    }
    if (op == Op::kAdd && a.is(Kind::kDuration) && b.is(Kind::kTimestamp)) return later(b, a.integer);
    if (op == Op::kAdd && a.is(Kind::kTimestamp) && b.is(Kind::kDuration)) return later(a, b.integer);
    if (op == Op::kSubtract && a.is(Kind::kTimestamp) && b.is(Kind::kDuration)) {
      return b.integer == std::numeric_limits<std::int64_t>::min() ? overflow() : later(a, -b.integer);
    }
    if (op == Op::kSubtract && a.is(Kind::kTimestamp) && b.is(Kind::kTimestamp)) return between(a, b);
    return heap_.error(fmt::format("no arithmetic of {} and {}", words_for(a.kind), words_for(b.kind)));
  }

  Datum of_ints(Op op, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    switch (op) {
      case Op::kAdd:
        return __builtin_add_overflow(a, b, &result) ? overflow() : Datum::of_int(result);
      case Op::kSubtract:
        return __builtin_sub_overflow(a, b, &result) ? overflow() : Datum::of_int(result);
      case Op::kMultiply:
        return __builtin_mul_overflow(a, b, &result) ? overflow() : Datum::of_int(result);
      default:
        break;
    }
    if (b == 0) return heap_.error("division by zero");
    if (a == std::numeric_limits<std::int64_t>::min() && b == -1) return overflow();
    return Datum::of_int(op == Op::kDivide ? a / b : a % b);
  }

  Datum of_uints(Op op, std::uint64_t a, std::uint64_t b) {
    std::uint64_t result = 0;
    switch (op) {
      case Op::kAdd:
        return __builtin_add_overflow(a, b, &result) ? overflow() : Datum::of_uint(result);
      case Op::kSubtract:
        return __builtin_sub_overflow(a, b, &result) ? overflow() : Datum::of_uint(result);
      case Op::kMultiply:
        return __builtin_mul_overflow(a, b, &result) ? overflow() : Datum::of_uint(result);
      default:
        break;
    }
    if (b == 0) return heap_.error("division by zero");
    return Datum::of_uint(op == Op::kDivide ? a / b : a % b);
  }

  static Datum of_doubles(Op op, double a, double b) {
    return Datum::of_double(op == Op::kAdd        ? a + b
                            : op == Op::kSubtract ? a - b
                            : op == Op::kMultiply ? a * b
                                                  : a / b);
  }

  Datum joined(const Datum& a, const Datum& b) {
    std::vector<Datum> items;
    heap_.spend(size_of(a) + size_of(b));
    if (heap_.is_spent()) return too_long();
    for (const Datum& list : {a, b}) {
      for (std::size_t i = 0; i < size_of(list); ++i) items.push_back(item_at(heap_, list, i));
    }
    return heap_.list(std::move(items));
  }

  Datum later(Datum time, std::int64_t nanoseconds) {
    std::int64_t nanos = static_cast<std::int64_t>(time.nanos) + nanoseconds % kNanosPerSecond;
    std::int64_t seconds = time.integer + nanoseconds / kNanosPerSecond;  // far from 64 bits, both
    if (nanos < 0) {
      nanos += kNanosPerSecond;
      --seconds;
    } else if (nanos >= kNanosPerSecond) {
      nanos -= kNanosPerSecond;
      ++seconds;
    }
    time.integer = seconds;
    time.nanos = static_cast<std::uint32_t>(nanos);
    return time;
  }

  Datum between(const Datum& a, const Datum& b) {
    std::int64_t nanoseconds = 0;
    if (__builtin_mul_overflow(a.integer - b.integer, kNanosPerSecond, &nanoseconds)) return overflow();
    const std::int64_t rest = static_cast<std::int64_t>(a.nanos) - static_cast<std::int64_t>(b.nanos);
    if (__builtin_add_overflow(nanoseconds, rest, &nanoseconds)) return overflow();
    return Datum::of_duration(nanoseconds);
  }

  // ---- macros ----

  static const Tree* tree_of(const Datum& container, std::size_t i) {
    return container.is(Kind::kList) ? &container.tree->items()[i] : &container.tree->members()[i].value;
  }

  void note(const Datum& container, std::size_t i) {
    if (deciding_ == nullptr || container.tree == nullptr) return;
    deciding_->push_back(tree_of(container, i));
  }

  // Of `self.all(a, … self.exists_one(b, …))`: it does not hold for the item, and the first b that was found
  // may stand before it.
  void note_pair(const Datum& container, std::size_t i) {
    const bool is_list = container.is(Kind::kList) && container.tree != nullptr;
    if (pair_.item != nullptr || alike_.empty() || !is_list) return;
    const Tree* const first = tree_of(container, 0);
    const Tree* const item = tree_of(container, i);
    const std::less<const Tree*> before;
    if (!before(alike_.front(), first) && before(alike_.front(), item)) {
      pair_ = {.item = item, .earlier = alike_.front()};
    }
  }

  Datum loop(const Node& node) {
    const Datum container = run(*node.args[0]);
    if (container.is_error()) return container;
    if (!container.is(Kind::kList) && !container.is(Kind::kMap)) return mismatch("all", container);
    ++loops_;
    const Datum result = node.op == Op::kFilter || node.op == Op::kTransform ? collect(node, container)
                                                                             : decide(node, container);
    --loops_;
    return result;
  }

  Datum decide(const Node& node, const Datum& container) {
    const Node& predicate = *node.args[1];
    const std::size_t size = size_of(container);
    const bool is_list = container.is(Kind::kList);
    std::size_t count = 0;
    std::optional<Datum> error;
    bool is_decided = false;
    for (std::size_t i = 0; i < size && !heap_.is_spent(); ++i) {
      variables_[node.slot] = is_list ? item_at(heap_, container, i) : key_at(container, i);
      if (loops_ == 1) alike_.clear();
      Datum holds = run(predicate);
      if (!holds.is(Kind::kBool)) {
        if (!holds.is_error()) holds = mismatch("all", holds);
        if (node.op == Op::kExistsOne) return holds;
        if (!error) error = holds;
      }
      if (holds.is_true()) {
        ++count;
        if (deciding_ != nullptr && node.op == Op::kExistsOne && loops_ == 2 && container.tree != nullptr) {
          alike_.push_back(tree_of(container, i));
        }
      }
      if (node.op == Op::kAll && !holds.is_true()) {
        if (loops_ == 1) {
          note(container, i);
          note_pair(container, i);
        }
        if (holds.is_false()) {
          is_decided = true;
          if (deciding_ == nullptr || loops_ > 1) break;
        }
      }
      if (node.op == Op::kExists && count > 0) break;
    }
    if (heap_.is_spent()) return too_long();
    if (node.op == Op::kExists ? count == 0 && error.has_value() : !is_decided && error.has_value()) {
      return *error;
    }
    return Datum::of(node.op == Op::kAll ? !is_decided : node.op == Op::kExists ? count > 0 : count == 1);
  }

  // filter and map, with a condition or without.
  Datum collect(const Node& node, const Datum& container) {
    const bool is_filter = node.op == Op::kFilter;
    const Node* const condition = is_filter || node.args.size() == 3 ? node.args[1].get() : nullptr;
    const bool is_list = container.is(Kind::kList);
    std::vector<Datum> items;
    for (std::size_t i = 0; i < size_of(container); ++i) {
      const Datum item = is_list ? item_at(heap_, container, i) : key_at(container, i);
      variables_[node.slot] = item;
      if (condition != nullptr) {
        const Datum holds = run(*condition);
        if (!holds.is(Kind::kBool)) return holds.is_error() ? holds : mismatch("filter", holds);
        if (!holds.boolean) continue;
      }
      if (is_filter && loops_ == 1) {
        note(container, i);
        if (repeated_ != nullptr) *repeated_ = true;
      }
      items.push_back(is_filter ? item : run(*node.args.back()));
      if (items.back().is_error()) return items.back();
    }
    return heap_.list(std::move(items));
  }

  Heap heap_;
  std::array<Datum, kMaxVariables> variables_;
  int loops_ = 0;
  std::vector<const Tree*>* const deciding_;
  bool* const repeated_;
  std::vector<const Tree*> alike_;  // that a nested exists_one found for the present item
  Culprit pair_;                    // the first item that repeats another
};

}  // namespace

Verdict Program::evaluate(const Value& self) const {
  if (is_transition_) return {.holds = true, .error = {}};
  Evaluation evaluation(self, nullptr, nullptr);
  const Datum result = evaluation.answer(*root_);
  if (result.is(Kind::kBool)) return {.holds = result.boolean, .error = {}};
  return {.holds = false,
          .error = result.is_error() ? std::string(result.text)
                                     : fmt::format("the rule gives {}", words_for(result.kind))};
}

Culprit Program::culprit(const Value& self) const {
  std::vector<const Tree*> deciding;
  bool repeated = false;
  Evaluation evaluation(self, &deciding, &repeated);
  evaluation.run(*root_);
  if (evaluation.pair().item != nullptr) return evaluation.pair();
  if (deciding.empty()) return {};
  if (repeated && deciding.size() > 1) return {.item = deciding[1], .earlier = deciding[0]};
  return {.item = deciding[0]};
}

std::string Program::show(const Value& self) const {
  Evaluation evaluation(self, nullptr, nullptr);
  const Datum result = evaluation.answer(*root_);
  return cel::show(evaluation.heap(), result);
}

}  // namespace sluice::schema::cel
