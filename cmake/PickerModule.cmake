# libsluice_picker.so, the target picker_module: the picker as a dynamic module of Envoy.
#
# It needs nothing but libc: whoever loads it into Envoy has Envoy's image, and not this machine's libraries. So its
# sources are compiled once more, position independent and with fmt's headers alone. What has no archive that can be part
# of a shared library stays out: RE2 (schema/plain_check.h) and libfyaml (tree/json.h). Its undefined symbols are Envoy's
# (module_abi/envoy_module.h), which test/picker/module_test.py holds, for a linker cannot.
set(picker_module_sources
  base/base64.cc base/closest.cc base/file.cc base/interned.cc base/letter_case.cc base/loop.cc base/object_key.cc
  base/quote.cc base/socket_file.cc base/utf8.cc
  tree/characters.cc tree/json.cc tree/scalar.cc tree/tree.cc tree/write.cc
  schema/bind.cc schema/check.cc schema/codec.cc schema/deprecation.cc schema/effect.cc schema/path.cc schema/type.cc
  picker/config/config.cc picker/config/plugins.cc
  tls/client.cc)
list(TRANSFORM picker_module_sources PREPEND ${PROJECT_SOURCE_DIR}/src/)
file(GLOB picker_module_folders CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/src/picker/*.cc ${PROJECT_SOURCE_DIR}/src/picker/exchange/*.cc
  ${PROJECT_SOURCE_DIR}/src/picker/module/*.cc)
list(FILTER picker_module_folders EXCLUDE REGEX "_test\\.cc$")

find_library(ABSL_THROW_ARCHIVE libabsl_throw_delegate.a REQUIRED)
find_library(SSL_ARCHIVE libssl.a REQUIRED)
find_library(CRYPTO_ARCHIVE libcrypto.a REQUIRED)
find_library(ABSL_LOGGING_ARCHIVE libabsl_raw_logging_internal.a REQUIRED)

add_library(picker_module MODULE EXCLUDE_FROM_ALL ${picker_module_sources} ${picker_module_folders})
set_target_properties(picker_module PROPERTIES
  UNITY_BUILD ON
  OUTPUT_NAME sluice_picker CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
# Each source has been compiled by itself, for the libraries; several in one go are compiled in a third of the time, and
# call what was anonymous the part of a named one.
target_compile_options(picker_module PRIVATE
  -ffunction-sections -fdata-sections -Wno-subobject-linkage)
target_link_libraries(picker_module PRIVATE
  sluice_options fmt::fmt-header-only
  ${ABSL_THROW_ARCHIVE} ${ABSL_LOGGING_ARCHIVE}
  # For https; what they need besides is libc's.
  ${SSL_ARCHIVE} ${CRYPTO_ARCHIVE})
target_link_options(picker_module PRIVATE
  -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL -Wl,--gc-sections -Wl,--strip-all
  # mold asks for the newest libc that any part of libstdc++ would need, also of parts that are not there.
  -fuse-ld=bfd
  # The standard library's templates are visible whatever the compiler is told.
  -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/picker_module.map)
set_property(TARGET picker_module APPEND PROPERTY LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/picker_module.map)
