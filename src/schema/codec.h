// How a C++ type takes a value from a tree, and gives it back. One Codec a C++ type, found by codec_of<T>();
// the table of functions is all that bind.h and encode.h know of the type.
//
//   bool, integers, double, std::string, Interned, milliseconds (a Kubernetes duration), Tree (anything),
//   enums whose values count from 0 in the order of the Type's enumeration, variant<int32, string>,
//   vector<T>, map<string, T>, structs (their fields are the Type's business), optional<T> and Boxed<T> of
//   each.
//
// Threads: constants.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/boxed.h"
#include "base/interned.h"
#include "tree/tree.h"

namespace sluice::schema {

struct Type;

struct Codec {
  enum class Kind : std::uint8_t { kScalar, kStruct, kList, kMap };
  Kind kind = Kind::kScalar;
  // kScalar: stores the value; false when the tree is not of a kind that fits. *target is untouched then.
  bool (*store)(void* target, const Tree& tree, const Type& type) = nullptr;
  // kList: room for `size` items, whatever was there dropped; then one call an item, which returns its place.
  void (*reserve)(void* target, std::size_t size) = nullptr;
  void* (*append)(void* target) = nullptr;
  // kMap: the value's place under a key.
  void* (*insert)(void* target, const std::string& key) = nullptr;
  // kList, kMap: of the items.
  const Codec* item = nullptr;

  // The way back.
  // kScalar: the value as store() takes it; null for an enum's value that has no name in the type.
  Tree (*load)(const void* source, const Type& type) = nullptr;
  // kList: the items.
  std::size_t (*size)(const void* source) = nullptr;
  const void* (*at)(const void* source, std::size_t index) = nullptr;
  // kMap: calls `visit` with each key and the place of its value.
  using Visit = std::function<void(const std::string& key, const void* value)>;
  void (*each)(const void* source, const Visit& visit) = nullptr;
  // kStruct: one as it is before anything is stored, which is what absent fields leave.
  const void* (*initial)() = nullptr;
};

// Each false when the tree does not fit.
bool store_bool(void* target, const Tree& tree, const Type& type);
bool store_int32(void* target, const Tree& tree, const Type& type);
bool store_int64(void* target, const Tree& tree, const Type& type);
bool store_double(void* target, const Tree& tree, const Type& type);
bool store_string(void* target, const Tree& tree, const Type& type);  // format "byte" is decoded
bool store_interned(void* target, const Tree& tree, const Type& type);
bool store_duration(void* target, const Tree& tree, const Type& type);
bool store_tree(void* target, const Tree& tree, const Type& type);
bool store_int_or_string(void* target, const Tree& tree, const Type& type);
// What the functions above take. load_string() encodes format "byte".
Tree load_bool(const void* source, const Type& type);
Tree load_int32(const void* source, const Type& type);
Tree load_int64(const void* source, const Type& type);
Tree load_double(const void* source, const Type& type);
Tree load_string(const void* source, const Type& type);
Tree load_interned(const void* source, const Type& type);
Tree load_duration(const void* source, const Type& type);
Tree load_tree(const void* source, const Type& type);
Tree load_int_or_string(const void* source, const Type& type);
// The index of the tree's string among type.values, or -1.
int enum_index(const Tree& tree, const Type& type);
// type.values at the index, or null.
Tree enum_name(std::size_t index, const Type& type);

// GEP-2257: up to four of 1-5 digits and h, m, s or ms. Nullopt for anything else.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// The duration as parse_duration() takes it: "1h30m", "0s". What no text of that form can say, less than
// nothing or more than 99999h four times, becomes the nearest that can be said.
std::string format_duration(std::chrono::milliseconds duration);
// RFC 4648 base64 with padding; line breaks are skipped, as Go's decoder does. Nullopt for anything else.
std::optional<std::string> decode_base64(std::string_view text);

namespace codec_internal {

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};
template <typename T>
struct IsStringMap : std::false_type {};
template <typename T>
struct IsStringMap<std::map<std::string, T, std::less<>>> : std::true_type {};
template <typename T>
struct IsOptional : std::false_type {};
template <typename T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <typename T>
struct IsOptional<Boxed<T>> : std::true_type {};

template <typename T>
bool store_enum(void* target, const Tree& tree, const Type& type) {
  const int index = enum_index(tree, type);
  if (index < 0) return false;
  *static_cast<T*>(target) = static_cast<T>(index);
  return true;
}

template <typename T>
Tree load_enum(const void* source, const Type& type) {
  return enum_name(static_cast<std::size_t>(*static_cast<const T*>(source)), type);
}

template <typename T>
const void* initial() {
  static const T kInitial{};
  return &kInitial;
}

template <typename T>
struct Member;
template <typename Class, typename T>
struct Member<T Class::*> {
  using Owner = Class;
  using Result = T;
};

template <auto kFirst, auto... kRest>
auto* resolve(typename Member<decltype(kFirst)>::Owner* parent) {
  auto* here = &(parent->*kFirst);
  using Here = std::remove_pointer_t<decltype(here)>;
  if constexpr (IsOptional<Here>::value) {
    if (!here->has_value()) here->emplace();
    if constexpr (sizeof...(kRest) == 0) {
      return &**here;
    } else {
      return resolve<kRest...>(&**here);
    }
  } else if constexpr (sizeof...(kRest) == 0) {
    return here;
  } else {
    return resolve<kRest...>(here);
  }
}

template <auto kFirst, auto... kRest>
const void* find(const typename Member<decltype(kFirst)>::Owner* parent) {
  const auto* here = &(parent->*kFirst);
  if constexpr (IsOptional<typename Member<decltype(kFirst)>::Result>::value) {
    if (!here->has_value()) return nullptr;
    if constexpr (sizeof...(kRest) == 0) {
      return &**here;
    } else {
      return find<kRest...>(&**here);
    }
  } else if constexpr (sizeof...(kRest) == 0) {
    return here;
  } else {
    return find<kRest...>(here);
  }
}

template <auto kFirst, auto...>
struct First {
  using Owner = typename Member<decltype(kFirst)>::Owner;
};

}  // namespace codec_internal

// The type that the member pointers lead to, optional peeled off.
template <auto... kMembers>
using member_type_t = std::remove_pointer_t<decltype(codec_internal::resolve<kMembers...>(nullptr))>;

// The place they lead to in *parent, made where an optional is empty. The struct's name is the program's: of
// two in unnamed namespaces, GCC 12 merges the functions of equal members.
template <auto... kMembers>
void* member_at(void* parent) {
  using Owner = typename codec_internal::First<kMembers...>::Owner;
  return codec_internal::resolve<kMembers...>(static_cast<Owner*>(parent));
}

// The same place to read from; null where an optional is empty.
template <auto... kMembers>
const void* find_member(const void* parent) {
  using Owner = typename codec_internal::First<kMembers...>::Owner;
  return codec_internal::find<kMembers...>(static_cast<const Owner*>(parent));
}

template <typename T>
const Codec* codec_of() {
  using Kind = Codec::Kind;
  if constexpr (std::is_same_v<T, bool>) {
    static constexpr Codec kCodec{.kind = Kind::kScalar, .store = store_bool, .load = load_bool};
    return &kCodec;
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    static constexpr Codec kCodec{.kind = Kind::kScalar, .store = store_int32, .load = load_int32};
    return &kCodec;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    static constexpr Codec kCodec{.kind = Kind::kScalar, .store = store_int64, .load = load_int64};
    return &kCodec;
  } else if constexpr (std::is_same_v<T, double>) {
    static constexpr Codec kCodec{.kind = Kind::kScalar, .store = store_double, .load = load_double};
    return &kCodec;
  } else if constexpr (std::is_same_v<T, std::string>) {
    static constexpr Codec kCodec{.kind = Kind::kScalar, .store = store_string, .load = load_string};
    return &kCodec;
  } else if constexpr (std::is_same_v<T, Interned>) {
    static constexpr Codec kCodec{.kind = Kind::kScalar, .store = store_interned, .load = load_interned};
    return &kCodec;
  } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
    static constexpr Codec kCodec{.kind = Kind::kScalar, .store = store_duration, .load = load_duration};
    return &kCodec;
  } else if constexpr (std::is_same_v<T, Tree>) {
    static constexpr Codec kCodec{.kind = Kind::kScalar, .store = store_tree, .load = load_tree};
    return &kCodec;
  } else if constexpr (std::is_same_v<T, std::variant<std::int32_t, std::string>>) {
    static constexpr Codec kCodec{
        .kind = Kind::kScalar, .store = store_int_or_string, .load = load_int_or_string};
    return &kCodec;
  } else if constexpr (std::is_enum_v<T>) {
    static constexpr Codec kCodec{
        .kind = Kind::kScalar, .store = codec_internal::store_enum<T>, .load = codec_internal::load_enum<T>};
    return &kCodec;
  } else if constexpr (codec_internal::IsVector<T>::value) {
    static const Codec kCodec{
        .kind = Kind::kList,
        .reserve =
            [](void* target, std::size_t size) {
              static_cast<T*>(target)->clear();
              static_cast<T*>(target)->reserve(size);
            },
        .append = [](void* target) -> void* { return &static_cast<T*>(target)->emplace_back(); },
        .item = codec_of<typename T::value_type>(),
        .size = [](const void* source) { return static_cast<const T*>(source)->size(); },
        .at = [](const void* source, std::size_t index) -> const void* {
          return &(*static_cast<const T*>(source))[index];
        }};
    return &kCodec;
  } else if constexpr (codec_internal::IsStringMap<T>::value) {
    static const Codec kCodec{.kind = Kind::kMap,
                              .reserve = [](void* target, std::size_t) { static_cast<T*>(target)->clear(); },
                              .insert = [](void* target, const std::string& key) -> void* {
                                return &(*static_cast<T*>(target))[key];
                              },
                              .item = codec_of<typename T::mapped_type>(),
                              .each =
                                  [](const void* source, const Codec::Visit& visit) {
                                    for (const auto& [key, value] : *static_cast<const T*>(source))
                                      visit(key, &value);
                                  }};
    return &kCodec;
  } else {
    static_assert(std::is_class_v<T>);
    static constexpr Codec kCodec{.kind = Kind::kStruct, .initial = codec_internal::initial<T>};
    return &kCodec;
  }
}

}  // namespace sluice::schema
