// The pages of the program and its libraries that this process has in memory.
//
// To start, a program that is linked against large libraries touches most of itself, and the kernel maps what
// lies around as well: for static objects, for relocations, to look symbols up. Of what it needs later, which
// may be a quarter of that, those pages are no part, but they stay mapped, and count as its memory.
//
// Threads: any.
#pragma once

#include <cstddef>

namespace sluice {

// Gives up the pages of all segments that may not be written to, once what is to run has started. They are
// clean: whatever is used later, at this moment too, is mapped again from the file, which the kernel mostly
// still has, for some microseconds of a page fault; nothing is lost. Segments that may be written to, as
// those with relocations, stay as they are. Returns the size of the others, in bytes.
std::size_t drop_program_pages();

}  // namespace sluice
