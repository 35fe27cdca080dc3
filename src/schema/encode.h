// A struct → a tree: bind.h, the other way.
//
// bind() of the tree into a new struct gives an equal one, for every struct that bind() can give. Members are
// those that are bound, in the order of the Type. Optional ones are written where they have a value; those
// that are required or have a default always, as an API server does; the rest where they differ from what a
// new struct has.
//
// Threads: pure functions.
#pragma once

#include "schema/codec.h"
#include "schema/type.h"
#include "tree/tree.h"

namespace sluice::schema {

// `source` points to a struct of the codec's, the one that the Type's fields have their accessors for; the
// caller names the right one.
Tree encode(const void* source, const Codec& codec, const Type& type);

template <typename T>
Tree encode(const T& source, const Type& type) {
  return encode(&source, *codec_of<T>(), type);
}

}  // namespace sluice::schema
