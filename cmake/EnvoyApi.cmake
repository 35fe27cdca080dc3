# Targets envoy_api and envoy_api_grpc: the libraries that scripts/build_envoy_api.sh builds, the same
# for all build directories.
set(ENVOY_API_DIR ${PROJECT_SOURCE_DIR}/build/envoy-api)
if(NOT EXISTS ${ENVOY_API_DIR}/libenvoy_api_grpc.a)
  message(WARNING "the Envoy API library is missing: run scripts/install.sh and scripts/build_envoy_api.sh")
endif()
file(MAKE_DIRECTORY ${ENVOY_API_DIR}/include)

add_library(envoy_api INTERFACE)
target_include_directories(envoy_api SYSTEM INTERFACE ${ENVOY_API_DIR}/include)
# Whole: a message type that no code names must be known by name too, when it arrives in an Any.
target_link_libraries(envoy_api INTERFACE
  "$<LINK_LIBRARY:WHOLE_ARCHIVE,${ENVOY_API_DIR}/libenvoy_api.a>" PkgConfig::PROTOBUF)

add_library(envoy_api_grpc INTERFACE)
target_link_libraries(envoy_api_grpc INTERFACE
  ${ENVOY_API_DIR}/libenvoy_api_grpc.a envoy_api
  ${GRPC} ${GPR} absl::status absl::synchronization)
