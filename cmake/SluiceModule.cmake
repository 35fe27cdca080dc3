# sluice_module(NAME [DEPS module...] [TEST_DEPS module...] [LINK library...] [TEST_LINK library...] [EXCEPT folder...]
#               [PRECOMPILED header... | PRECOMPILED_AS module] [THREADED [test...]])
#
# The folder src/NAME as the static library sluice_NAME, and its *_test.cc as the executable
# NAME_test, a test of ctest that runs in the root of the repository. A folder with headers only is
# an INTERFACE library; one that does not exist is an empty one. DEPS are the modules that NAME may
# include: scripts/check_includes.py reads these calls, they are the table of include directions. TEST_DEPS are
# those that its tests may include besides.
# TEST_LINK is what only the tests link. EXCEPT are folders of src/NAME that are modules of their own:
# sluice_module(NAME/folder ...) is the library sluice_NAME_folder. PRECOMPILED are headers that most of
# its files include: they are read once, for the library and for the tests each. A file includes what it
# uses all the same; `make lint` compiles without. PRECOMPILED_AS another module's are not read once more.
# The tests of a THREADED module are run with the thread
# sanitizer too: those that are named, or else all.
function(sluice_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "PRECOMPILED_AS" "DEPS;TEST_DEPS;LINK;TEST_LINK;EXCEPT;PRECOMPILED;THREADED")
  set(dir ${PROJECT_SOURCE_DIR}/src/${name})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${dir}/*.cc)
  foreach(folder IN LISTS arg_EXCEPT)
    list(FILTER sources EXCLUDE REGEX "^${dir}/${folder}/")
  endforeach()
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  string(REPLACE "/" "_" name ${name})
  set(libraries sluice_options ${arg_LINK})
  foreach(dep IN LISTS arg_DEPS)
    string(REPLACE "/" "_" dep ${dep})
    list(APPEND libraries sluice_${dep})
  endforeach()

  foreach(dep IN LISTS arg_TEST_DEPS)
    string(REPLACE "/" "_" dep ${dep})
    list(APPEND arg_TEST_LINK sluice_${dep})
  endforeach()

  if(sources)
    add_library(sluice_${name} STATIC ${sources})
    target_link_libraries(sluice_${name} PUBLIC ${libraries})
  else()
    add_library(sluice_${name} INTERFACE)
    target_link_libraries(sluice_${name} INTERFACE ${libraries})
  endif()

  # With sanitizers running takes less time than compiling; but where the fuzz targets spend theirs, it takes more.
  set(optimized tree schema)
  if(SLUICE_SANITIZE MATCHES "fuzzer" AND name IN_LIST optimized)
    target_compile_options(sluice_${name} PRIVATE -O1)
  endif()

  # clang writes a precompiled header in the time in which it reads two. g++ takes as long as it does to read ten.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT arg_PRECOMPILED AND NOT arg_PRECOMPILED_AS)
    if(name STREQUAL "base" OR name IN_LIST optimized)
      set(arg_PRECOMPILED
        algorithm chrono filesystem functional map memory mutex optional string thread vector fmt/format.h)
    else()
      set(arg_PRECOMPILED_AS base)
    endif()
  endif()
  list(TRANSFORM arg_PRECOMPILED REPLACE "(.+)" "<\\1>")
  if(sources AND arg_PRECOMPILED)
    target_precompile_headers(sluice_${name} PRIVATE ${arg_PRECOMPILED})
  elseif(sources AND arg_PRECOMPILED_AS)
    target_precompile_headers(sluice_${name} REUSE_FROM sluice_${arg_PRECOMPILED_AS})
  endif()

  # An empty list counts as absent.
  set(threaded "")
  if("THREADED" IN_LIST ARGN)
    set(threaded threaded)
  endif()
  if(SLUICE_SANITIZE STREQUAL "thread")
    list(TRANSFORM arg_THREADED PREPEND ${dir}/)
    if(arg_THREADED)
      set(tests ${arg_THREADED})
    endif()
  endif()
  if(tests)
    sluice_test(${name}_test SOURCES ${tests} LINK sluice_${name} ${arg_TEST_LINK}
      LABELS unit ${threaded})
    # Another's are built with all of its tests: not for those who build this one's alone.
    if(arg_PRECOMPILED_AS AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
      target_precompile_headers(${name}_test REUSE_FROM ${arg_PRECOMPILED_AS}_test)
    elseif(arg_PRECOMPILED)
      target_precompile_headers(${name}_test PRIVATE <gmock/gmock.h> <gtest/gtest.h> ${arg_PRECOMPILED})
    endif()
  endif()
endfunction()

# sluice_test(NAME SOURCES file... [LINK library...] LABELS label...)
#
# A gtest executable, registered with ctest. The target LABEL_tests builds all tests of a label.
function(sluice_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK;LABELS")
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE
    sluice_options ${arg_LINK} GTest::gmock GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set(tsan_options suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan.supp)
  set_tests_properties(${name} PROPERTIES
    LABELS "${arg_LABELS}"
    TIMEOUT 600
    ENVIRONMENT "TSAN_OPTIONS=${tsan_options};UBSAN_OPTIONS=print_stacktrace=1")
  foreach(label IN LISTS arg_LABELS)
    if(NOT TARGET ${label}_tests)
      add_custom_target(${label}_tests)
    endif()
    add_dependencies(${label}_tests ${name})
  endforeach()
endfunction()

add_custom_target(unit_tests)
add_custom_target(threaded_tests)
