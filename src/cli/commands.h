// The command line: one table of commands, in commands.cc.
#pragma once

#include <string>
#include <vector>

#include "cli/console.h"

namespace sluice::cli {

// Exit codes of all commands.
inline constexpr int kOk = 0;
inline constexpr int kProblems = 1;  // something is wrong with what was given to the command
inline constexpr int kUsage = 2;     // something is wrong with the command line

// Runs the command line without the program's name.
int run_command(std::vector<std::string> arguments, Console& console);

// The whole of main().
int main_program(int argc, char** argv);

}  // namespace sluice::cli
