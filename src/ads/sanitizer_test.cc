// What the thread sanitizer is not to report in these tests: the insides of gRPC. Its library is not
// instrumented, so an operation that one thread starts and another ends looks like two threads at one object
// without a lock. That takes in the callbacks by which gRPC calls Stream, which therefore do nothing but post
// to the inbox; the inbox and all behind it are watched, through Server::update and the loop.
extern "C" const char* __tsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)

extern "C" const char* __tsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "called_from_lib:libabsl_status.so\n"
         "called_from_lib:libupb.so\n"
         "race:absl::debian3::Status\n"
         "race:absl::debian3::cord_internal\n"
         "race:absl::debian3::inlined_vector_internal\n"
         "race:absl::debian3::status_internal\n"
         "race:grpc::internal::\n";
}
