#include "wasm/library.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include <archive.h>
#include <archive_entry.h>
#include <curl/curl.h>
#include <dlfcn.h>
#include <fmt/format.h>

namespace sluice::wasm {
namespace {

// Kept until the process ends.
class Library {
 public:
  // The name has the version of the interface that the headers are of.
  explicit Library(const char* name) : handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) error_ = fmt::format("a library is missing: {}", dlerror());
  }

  const std::string& error() const { return error_; }

  template <typename Function>
  Function find(const char* name) const {
    void* const found = handle_ == nullptr ? nullptr : dlsym(handle_, name);
    if (found == nullptr) {
      fmt::print(stderr, "wasm: {} is called and not there\n", name);
      std::abort();
    }
    return reinterpret_cast<Function>(found);
  }

 private:
  void* handle_;
  std::string error_;
};

const Library& curl() {
  static const Library library("libcurl.so.4");
  return library;
}

const Library& libarchive() {
  static const Library library("libarchive.so.13");
  return library;
}

}  // namespace

const std::string& load_curl() {
  static const std::string error = [] {
    if (!curl().error().empty()) return curl().error();
    const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    return code == CURLE_OK ? std::string() : fmt::format("libcurl does not start: error {}", int{code});
  }();
  return error;
}

const std::string& load_archive() { return libarchive().error(); }

}  // namespace sluice::wasm

// NOLINTBEGIN(bugprone-macro-parentheses)
#define LOADED(library, Result, name, parameters, arguments)                                \
  extern "C" Result name parameters {                                                       \
    static const auto function = sluice::wasm::library().find<Result(*) parameters>(#name); \
    return function arguments;                                                              \
  }
// NOLINTEND(bugprone-macro-parentheses)

#undef curl_easy_setopt
#undef curl_easy_getinfo

LOADED(curl, CURLcode, curl_global_init, (long flags), (flags))
LOADED(curl, const char*, curl_easy_strerror, (CURLcode code), (code))
LOADED(curl, CURL*, curl_easy_init, (), ())
LOADED(curl, void, curl_easy_cleanup, (CURL * easy), (easy))
LOADED(curl, curl_slist*, curl_slist_append, (curl_slist * list, const char* text), (list, text))
LOADED(curl, void, curl_slist_free_all, (curl_slist * list), (list))
LOADED(curl, CURLM*, curl_multi_init, (), ())
LOADED(curl, CURLMcode, curl_multi_cleanup, (CURLM * multi), (multi))
LOADED(curl, CURLMcode, curl_multi_add_handle, (CURLM * multi, CURL* easy), (multi, easy))
LOADED(curl, CURLMcode, curl_multi_remove_handle, (CURLM * multi, CURL* easy), (multi, easy))
LOADED(curl, CURLMcode, curl_multi_perform, (CURLM * multi, int* running), (multi, running))
LOADED(curl, CURLMcode, curl_multi_poll,
       (CURLM * multi, curl_waitfd* more, unsigned count, int milliseconds, int* ready),
       (multi, more, count, milliseconds, ready))
LOADED(curl, CURLMcode, curl_multi_wakeup, (CURLM * multi), (multi))
LOADED(curl, CURLMsg*, curl_multi_info_read, (CURLM * multi, int* left), (multi, left))
LOADED(curl, CURLU*, curl_url, (), ())
LOADED(curl, void, curl_url_cleanup, (CURLU * url), (url))
LOADED(curl, CURLUcode, curl_url_set, (CURLU * url, CURLUPart part, const char* text, unsigned flags),
       (url, part, text, flags))
LOADED(curl, CURLUcode, curl_url_get, (CURLU * url, CURLUPart part, char** text, unsigned flags),
       (url, part, text, flags))
LOADED(curl, void, curl_free, (void* text), (text))

#ifdef __clang__
#pragma clang diagnostic ignored "-Wvarargs"  // of the enumerations before the last: so libcurl declares it
#endif
// What stands at the end of these two is one long, curl_off_t or pointer, and of the size of a pointer.
extern "C" CURLcode curl_easy_setopt(CURL* easy, CURLoption option, ...) {
  static const auto function = sluice::wasm::curl().find<decltype(&curl_easy_setopt)>("curl_easy_setopt");
  va_list rest;
  va_start(rest, option);
  void* const value = va_arg(rest, void*);
  va_end(rest);
  return function(easy, option, value);
}

extern "C" CURLcode curl_easy_getinfo(CURL* easy, CURLINFO info, ...) {
  static const auto function = sluice::wasm::curl().find<decltype(&curl_easy_getinfo)>("curl_easy_getinfo");
  va_list rest;
  va_start(rest, info);
  void* const value = va_arg(rest, void*);
  va_end(rest);
  return function(easy, info, value);
}

LOADED(libarchive, archive*, archive_read_new, (), ())
LOADED(libarchive, int, archive_read_free, (archive * reader), (reader))
LOADED(libarchive, int, archive_read_support_filter_gzip, (archive * reader), (reader))
LOADED(libarchive, int, archive_read_support_filter_zstd, (archive * reader), (reader))
LOADED(libarchive, int, archive_read_support_format_tar, (archive * reader), (reader))
LOADED(libarchive, int, archive_read_support_format_raw, (archive * reader), (reader))
LOADED(libarchive, int, archive_read_open_fd, (archive * reader, int fd, std::size_t block),
       (reader, fd, block))
LOADED(libarchive, int, archive_read_next_header, (archive * reader, archive_entry** entry), (reader, entry))
LOADED(libarchive, int, archive_read_data_block,
       (archive * reader, const void** bytes, std::size_t* size, la_int64_t* offset),
       (reader, bytes, size, offset))
LOADED(libarchive, la_int64_t, archive_filter_bytes, (archive * reader, int filter), (reader, filter))
LOADED(libarchive, int, archive_format, (archive * reader), (reader))
LOADED(libarchive, const char*, archive_entry_pathname, (archive_entry * entry), (entry))
LOADED(libarchive, const char*, archive_entry_hardlink, (archive_entry * entry), (entry))
LOADED(libarchive, mode_t, archive_entry_filetype, (archive_entry * entry), (entry))
