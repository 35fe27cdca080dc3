#include "wasm/http.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/letter_case.h"
#include "wasm/library.h"
#include "wasm/source.h"

namespace sluice::wasm {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;
using Easy = std::unique_ptr<CURL, FreeEasy>;
using List = std::unique_ptr<curl_slist, FreeList>;

// Null where it is no URL. A relative one is resolved against the base.
Url parse_url(const std::string& text, const std::string& base = "") {
  Url url(curl_url());
  if (!base.empty() && curl_url_set(url.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) return nullptr;
  if (curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) return nullptr;
  return url;
}

std::string part_of(const Url& url, CURLUPart part) {
  char* text = nullptr;
  const unsigned flags = part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0;
  if (!url || curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return "";
  std::string result = text;
  curl_free(text);
  return result;
}

std::string scheme_of(const std::string& url) { return part_of(parse_url(url), CURLUPART_SCHEME); }

bool same_origin(const std::string& a, const std::string& b) {
  return std::ranges::all_of(
      std::array{CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT},
      [&](CURLUPart part) { return part_of(parse_url(a), part) == part_of(parse_url(b), part); });
}

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool refused_v4(std::uint32_t address) {
  constexpr std::uint32_t kAlibabaMetadata = 0x646464c8;             // 100.100.100.200
  return (address >> 16U) == 0xa9fe || address == kAlibabaMetadata;  // 169.254.0.0/16
}

bool has_certificate(const std::string& pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> text(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> first(
      PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr), &X509_free);
  ERR_clear_error();
  return first != nullptr;
}

// Those that are always trusted, in PEM; empty where there are none.
std::string system_authorities(const HttpLimits& limits) {
  std::string path = limits.authorities;
  if (path.empty()) {
    const Easy easy(curl_easy_init());
    const char* by_default = nullptr;
    curl_easy_getinfo(easy.get(), CURLINFO_CAINFO, &by_default);
    if (by_default != nullptr) path = by_default;
  }
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr std::uint64_t kMaxIgnored = 64U << 10U;

// One transfer: what its callbacks share.
struct Transfer {
  const HttpSink* sink = nullptr;
  std::uint64_t max_bytes = 0;
  CURL* easy = nullptr;
  HttpResponse response;
  std::uint64_t received = 0;
  Clock::time_point progress = Clock::now();
  std::optional<Failure> failure;  // of a callback
  std::string refused_address;
};

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* pointer) {
  auto& transfer = *static_cast<Transfer*>(pointer);
  transfer.progress = Clock::now();
  const std::string_view line(data, size);
  // Of several heads, as with "100 Continue", the last counts.
  if (line.starts_with("HTTP/")) transfer.response.headers.clear();
  if (const auto colon = line.find(':'); colon != std::string_view::npos) {
    transfer.response.headers.emplace_back(lower_case(line.substr(0, colon)),
                                           trimmed(line.substr(colon + 1)));
  }
  return size;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* pointer) {
  auto& transfer = *static_cast<Transfer*>(pointer);
  transfer.progress = Clock::now();
  long status = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  transfer.received += size;
  // The pages that servers send with errors and redirects: nobody reads them, and little of them is taken,
  // for the sake of the connection.
  if (status < 200 || status >= 300) return transfer.received <= kMaxIgnored ? size : 0;
  curl_off_t length = -1;  // as the server says, if it does
  curl_easy_getinfo(transfer.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  if (transfer.received > transfer.max_bytes || std::cmp_greater(length, transfer.max_bytes)) {
    transfer.failure =
        Failure{Reason::kTooLarge,
                fmt::format("the answer is larger than the limit of {} bytes", transfer.max_bytes)};
    return 0;
  }
  if (auto taken = (*transfer.sink)({data, size}); !taken) {
    transfer.failure = std::move(taken.error());
    return 0;
  }
  return size;
}

curl_socket_t open_socket(void* pointer, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(pointer);
  if (is_refused_address(address->addr)) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes =
        address->family == AF_INET
            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(&address->addr)->sin_addr)
            : &reinterpret_cast<const sockaddr_in6*>(&address->addr)->sin6_addr;
    inet_ntop(address->family, bytes, text.data(), text.size());
    transfer.refused_address = text.data();
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

Failure transfer_failure(CURLcode code, const Transfer& transfer, const std::string& url,
                         const char* detail) {
  const std::string host = host_of(url);
  const auto with_detail = [&] { return *detail != '\0' ? detail : curl_easy_strerror(code); };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return {Reason::kUnreachable, fmt::format("there is no host `{}`, or DNS does not answer", host)};
    case CURLE_COULDNT_CONNECT:
      if (!transfer.refused_address.empty()) {
        return {Reason::kRefusedAddress,
                fmt::format("`{}` is {}, a link-local or metadata address, from where nothing is fetched",
                            host, transfer.refused_address)};
      }
      return {Reason::kUnreachable, fmt::format("nobody answers at `{}`", host)};
    case CURLE_OPERATION_TIMEDOUT:
      return {Reason::kTimeout, fmt::format("nobody answered at `{}` in time", host)};
    case CURLE_URL_MALFORMAT:
      return {Reason::kInvalidSource,
              fmt::format("`{}` is not a URL of http or https", url_for_display(url))};
    case CURLE_PEER_FAILED_VERIFICATION:
      return {Reason::kTls, fmt::format("the certificate of `{}` is not trusted: {}", host, with_detail())};
    case CURLE_SSL_CACERT_BADFILE:
      return {Reason::kTls, "the CA certificates given for it are not certificates in PEM"};
    case CURLE_SSL_CONNECT_ERROR:
      return {Reason::kTls, fmt::format("no TLS connection to `{}`: {}", host, with_detail())};
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
      return {Reason::kUnreachable,
              fmt::format("the connection to `{}` broke off after {} bytes of the answer", host,
                          transfer.received)};
    default:
      return {Reason::kServer, fmt::format("`{}` does not speak HTTP as it should: {}", host, with_detail())};
  }
}

}  // namespace

bool is_refused_address(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    return refused_v4(ntohl(reinterpret_cast<const sockaddr_in*>(&address)->sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return true;
  const auto& bytes = reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr.s6_addr;
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return true;  // fe80::/10
  constexpr std::array<std::uint8_t, 16> kAwsMetadata{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0,    0,
                                                      0,    0,    0,    0,    0, 0, 0x02, 0x54};
  if (std::ranges::equal(bytes, kAwsMetadata)) return true;
  // IPv4 in IPv6: mapped (::ffff:0:0/96), compatible (::/96), and translated (64:ff9b::/96).
  constexpr std::array<std::array<std::uint8_t, 12>, 3> kPrefixes{
      {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, {}, {0x00, 0x64, 0xff, 0x9b}}};
  return std::ranges::any_of(kPrefixes,
                             [&](const auto& prefix) {
                               return std::equal(prefix.begin(), prefix.end(), std::begin(bytes));
                             }) &&
         refused_v4(std::uint32_t{bytes[12]} << 24U | std::uint32_t{bytes[13]} << 16U |
                    std::uint32_t{bytes[14]} << 8U | bytes[15]);
}

std::string host_of(std::string_view url) {
  const std::string display = url_for_display(url);
  const auto scheme = display.find("://");
  const auto host = scheme == std::string::npos ? 0 : scheme + 3;
  return display.substr(host, display.find('/', host) - host);
}

std::string_view HttpResponse::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, [](const auto& header) { return header.first; });
  return found == headers.end() ? std::string_view() : found->second;
}

Failure failure_of(const HttpResponse& response) {
  const std::string host = host_of(response.url);
  switch (response.status) {
    case 401:
    case 403:
      return {Reason::kUnauthorized, fmt::format("`{}` denies access ({})", host, response.status)};
    case 404:
    case 410:
      return {Reason::kNotFound,
              fmt::format("`{}` is not there ({})", url_for_display(response.url), response.status)};
    case 429:
      return {Reason::kServer, fmt::format("`{}` says that it is asked too often (429)", host)};
    default:
      return {Reason::kServer, fmt::format("`{}` answers with status {}", host, response.status)};
  }
}

struct HttpSession::State {
  HttpLimits limits;
  // Of all that are trusted, in PEM; empty: libcurl's own choice. The system's are among them, read from
  // their one file: given beside libcurl's folder of the same, OpenSSL would look there only for names that
  // none of these has, and so not find an authority that has renewed its key.
  std::string authorities;
  bool distrusts_all = false;  // what was given has no certificate
  std::stop_token stop;
  std::unique_ptr<CURLM, FreeMulti> multi;
  Clock::time_point deadline;

  // One request and its answer, a redirect included.
  Result<HttpResponse> exchange(const HttpRequest& request, const std::string& url, const HttpSink& sink);
  Result<CURLcode> wait(Transfer& transfer, const std::string& url);
};

HttpSession::HttpSession(const HttpLimits& limits, std::string ca_pem, std::stop_token stop) {
  if (!load_curl().empty()) return;
  std::string authorities;
  const bool distrusts_all = !ca_pem.empty() && !has_certificate(ca_pem);
  if (!ca_pem.empty() && !distrusts_all) authorities = std::move(ca_pem) + "\n" + system_authorities(limits);
  state_ = std::make_unique<State>(State{.limits = limits,
                                         .authorities = std::move(authorities),
                                         .distrusts_all = distrusts_all,
                                         .stop = std::move(stop),
                                         .multi = std::unique_ptr<CURLM, FreeMulti>(curl_multi_init()),
                                         .deadline = Clock::now() + limits.total_timeout});
}

HttpSession::~HttpSession() = default;

Result<HttpResponse> HttpSession::send(const HttpRequest& request, const HttpSink& sink) {
  if (state_ == nullptr) return fail(Reason::kStorage, load_curl());
  std::string url = request.url;
  for (unsigned redirects = 0;; ++redirects) {
    if (state_->distrusts_all && scheme_of(url) == "https") {
      return fail(Reason::kTls, "the CA certificates given for it are not certificates in PEM");
    }
    auto response = state_->exchange(request, url, sink);
    if (!response || !is_redirect(response->status)) return response;
    const std::string from = host_of(url);
    const std::string location(response->header("location"));
    if (location.empty()) {
      return fail(Reason::kRedirect, fmt::format("`{}` redirects without saying where to", from));
    }
    if (redirects == state_->limits.max_redirects) {
      return fail(Reason::kRedirect, fmt::format("more than {} redirects, the last from `{}`",
                                                 state_->limits.max_redirects, from));
    }
    const Url next = parse_url(location, url);
    const std::string scheme = part_of(next, CURLUPART_SCHEME);
    if (scheme != "https" && scheme != "http") {
      return fail(Reason::kRedirect, fmt::format("`{}` redirects to what is neither http nor https", from));
    }
    if (scheme == "http" && scheme_of(url) == "https") {
      return fail(Reason::kRedirect,
                  fmt::format("`{}` redirects from https to http, which is not followed", from));
    }
    url = part_of(next, CURLUPART_URL);
  }
}

Result<HttpResponse> HttpSession::State::exchange(const HttpRequest& request, const std::string& url,
                                                  const HttpSink& sink) {
  const Easy easy(curl_easy_init());
  Transfer transfer{.sink = &sink, .max_bytes = request.max_bytes, .easy = easy.get()};
  List headers;
  const auto add_header = [&](const std::string& header) {
    headers.reset(curl_slist_append(headers.release(), header.c_str()));
  };
  for (const std::string& header : request.headers) add_header(header);
  if (!request.authorization.empty() && same_origin(url, request.url)) {
    add_header("Authorization: " + request.authorization);
  }
  std::array<char, CURL_ERROR_SIZE> detail{};

  const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(easy.get(), option, value); };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1});
  set(CURLOPT_NOBODY, request.head_only ? 1L : 0L);
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_USERAGENT, "sluice");
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  // Otherwise the end of a request would wait for DNS.
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits.connect_timeout.count()));
  set(CURLOPT_ERRORBUFFER, detail.data());
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, &transfer);
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  set(CURLOPT_OPENSOCKETDATA, &transfer);
  if (!limits.authorities.empty()) {
    set(CURLOPT_CAINFO, limits.authorities.c_str());
    set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  if (!authorities.empty()) {
    curl_blob blob{.data = authorities.data(), .len = authorities.size(), .flags = CURL_BLOB_NOCOPY};
    set(CURLOPT_CAINFO_BLOB, &blob);
  }

  curl_multi_add_handle(multi.get(), easy.get());
  const auto code = wait(transfer, url);
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &transfer.response.status);
  curl_multi_remove_handle(multi.get(), easy.get());

  if (!code) return std::unexpected(code.error());
  if (transfer.failure) return std::unexpected(std::move(*transfer.failure));
  transfer.response.url = url;
  const bool success = transfer.response.ok();
  // What we refused to read of an error's page is not the server's fault.
  if (*code == CURLE_OK || (*code == CURLE_WRITE_ERROR && !success)) return std::move(transfer.response);
  return std::unexpected(transfer_failure(*code, transfer, url, detail.data()));
}

Result<CURLcode> HttpSession::State::wait(Transfer& transfer, const std::string& url) {
  const std::stop_callback wake(stop, [this] { curl_multi_wakeup(multi.get()); });
  while (true) {
    if (stop.stop_requested()) return fail(Reason::kCancelled, "the fetch was cancelled");
    int running = 0;
    curl_multi_perform(multi.get(), &running);
    if (running == 0) break;
    const auto now = Clock::now();
    const auto until = std::min(deadline, transfer.progress + limits.stall_timeout);
    if (now >= until) {
      const std::string host = host_of(url);
      return fail(Reason::kTimeout, now >= deadline ? fmt::format("`{}` did not send all within {} s", host,
                                                                  limits.total_timeout.count() / 1000)
                                                    : fmt::format("`{}` sent nothing for {} s", host,
                                                                  limits.stall_timeout.count() / 1000));
    }
    const auto left = std::chrono::ceil<milliseconds>(until - now);
    curl_multi_poll(multi.get(), nullptr, 0, static_cast<int>(std::min(left, milliseconds(1000)).count()),
                    nullptr);
  }
  int messages = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi.get(), &messages)) {
    if (message->msg == CURLMSG_DONE) return message->data.result;
  }
  return CURLE_OK;
}

}  // namespace sluice::wasm
