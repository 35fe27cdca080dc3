# Compiles through ccache where it is installed. Paths below the source tree are made relative and
# the build directory is not part of the hash, so build directories and clones share their results.
#
# Results are known by the files that were read (CCACHE_DEPEND), never by what the preprocessor makes of them: a
# precompiled header remembers the files of `#pragma once` by their bytes, comments included, so one that was made from
# other comments does not fit, and each of its headers would be read a second time.
find_program(CCACHE ccache)
if(CCACHE)
  get_filename_component(base ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${base} CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE})
endif()
