// How much of the program is in memory.
//
// Threads: any.
#pragma once

namespace sluice {

// Gives back the pages of the program and its libraries that hold code and constants: those that are needed
// come back by themselves, from the page cache. To be called once a program has started, for its start uses
// most of them once: each of hundreds of files of Envoy's API registers itself.
void give_back_program_pages();

}  // namespace sluice
