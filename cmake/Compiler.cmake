# Language, warnings, linker and the kinds of build (see CMakePresets.json).
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

set(SLUICE_SANITIZE "" CACHE STRING "Value of -fsanitize for the code of this repository")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g -D_GLIBCXX_ASSERTIONS")
# For the sanitizers: compiling takes longer than running. What is worth optimising, SluiceModule.cmake says.
set(CMAKE_CXX_FLAGS_SANITIZE "-O0 -g1 -fno-omit-frame-pointer -D_GLIBCXX_ASSERTIONS")

add_library(sluice_options INTERFACE)
target_include_directories(sluice_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(sluice_options INTERFACE
  -pthread  # alike for all: a precompiled header is for those of the same options
  -Wall -Wextra -Wpedantic -Werror
  -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Wcast-qual
  -Wredundant-decls -Wextra-semi -Wimplicit-fallthrough -Wduplicated-cond -Wlogical-op
  # A designated initializer leaves out what has its default.
  -Wno-missing-field-initializers
  # g++ 12 finds these in correct code of its own <string> and <optional>, at -O1 and above.
  -Wno-restrict -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-overread
  -Wno-array-bounds -Wno-dangling-pointer)
# What ccache needs to know a precompiled header by its content.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(sluice_options INTERFACE -fpch-preprocess)
else()
  target_compile_options(sluice_options INTERFACE "SHELL:-Xclang -fno-pch-timestamp")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Some of the above are of g++ alone. Its <algorithm> uses what its <memory> calls deprecated.
  target_compile_options(sluice_options INTERFACE -Wno-unknown-warning-option -Wno-deprecated-declarations)
endif()
if(SLUICE_SANITIZE)
  target_compile_options(sluice_options INTERFACE
    -fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all -Wno-tsan)
  target_link_options(sluice_options INTERFACE -fsanitize=${SLUICE_SANITIZE})
  if(SLUICE_SANITIZE MATCHES "fuzzer")
    # What the address sanitizer sees as well, or what means nothing here: half of the time to compile.
    target_compile_options(sluice_options INTERFACE
      -fno-sanitize=null,alignment,object-size,vptr,function,return,nonnull-attribute,returns-nonnull-attribute)
    # Where the stack begins is chance, and so is how deep it gets: the same inputs are to cover the same.
    target_compile_options(sluice_options INTERFACE -fno-sanitize-coverage=stack-depth)
  endif()
  if(SLUICE_SANITIZE STREQUAL "thread")
    # Under this macro protobuf's headers add members to messages, which the installed libprotobuf
    # and the API library, both built without, do not have.
    target_compile_options(sluice_options INTERFACE -U__SANITIZE_THREAD__)
  endif()
endif()

add_link_options(-Wl,--as-needed)
find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
