# sluice_embed_file(TARGET FILE NAMESPACE FUNCTION)
#
# Compiles a text file into a target, as `std::string_view NAMESPACE::FUNCTION()`. Run as a script, it writes the
# source file.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${FROM} text)
  # Compilers take strings of 64 KiB only as several.
  string(LENGTH "${text}" left)
  set(at 0)
  set(pieces "")
  while(at LESS left)
    string(SUBSTRING "${text}" ${at} 8000 piece)
    string(APPEND pieces "R\"~~~~(${piece})~~~~\"\n")
    math(EXPR at "${at} + 8000")
  endwhile()
  file(WRITE ${TO} "#include <string_view>

namespace ${NAMESPACE} {

std::string_view ${FUNCTION}();

std::string_view ${FUNCTION}() {
  using namespace std::string_view_literals;
  return ${pieces}\"\"sv;
}

}  // namespace ${NAMESPACE}
")
  return()
endif()

set(SLUICE_EMBED_FILE ${CMAKE_CURRENT_LIST_FILE})

function(sluice_embed_file target file namespace function)
  set(to ${PROJECT_BINARY_DIR}/generated/${target}/${function}.cc)
  add_custom_command(OUTPUT ${to}
    COMMAND ${CMAKE_COMMAND} -D FROM=${PROJECT_SOURCE_DIR}/${file} -D TO=${to}
            -D NAMESPACE=${namespace} -D FUNCTION=${function} -P ${SLUICE_EMBED_FILE}
    DEPENDS ${PROJECT_SOURCE_DIR}/${file} ${SLUICE_EMBED_FILE})
  target_sources(${target} PRIVATE ${to})
endfunction()
