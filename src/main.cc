#include "cli/commands.h"

int main(int argc, char** argv) { return sluice::cli::main_program(argc, argv); }
