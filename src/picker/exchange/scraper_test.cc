#include "picker/exchange/scraper.h"

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/descriptor.h"
#include "base/file.h"
#include "base/sigpipe.h"
#include "kube/testing/certificates.h"
#include "kube/testing/listening.h"

namespace sluice::picker {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

std::string chunked(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                     body.size(), body);
}

// A model server on the same loop, that says what it is told to.
class ModelServer {
 public:
  ModelServer(Loop& loop, std::string page) : loop_(loop), page_(std::move(page)) { listen(0); }

  const std::string& address() const { return address_; }
  void set_page(std::string response) { page_ = std::move(response); }
  std::size_t connections() const { return accepted_; }
  std::vector<std::string> requests;

  void die() {
    listening_ = {};
    connections_.clear();
  }
  void live_again() { listen(port_); }
  // As servers do with connections that nobody uses.
  void close_connections() { connections_.clear(); }

 private:
  struct Watched {
    Descriptor descriptor;
    Loop::Watch watch;
  };

  void listen(std::uint16_t port) {
    Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    const int one = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at.sin_port = htons(port);
    socklen_t size = sizeof at;
    auto* const generic = reinterpret_cast<sockaddr*>(&at);
    ASSERT_EQ(::bind(listener.get(), generic, size), 0);
    ASSERT_EQ(::listen(listener.get(), 8), 0);
    ::getsockname(listener.get(), generic, &size);
    port_ = ntohs(at.sin_port);
    address_ = fmt::format("127.0.0.1:{}", port_);
    const int fd = listener.get();
    listening_ = {std::move(listener), loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t) { accept(fd); })};
  }
  void accept(int listener) {
    Descriptor connection(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK));
    if (!connection) return;
    ++accepted_;
    const int fd = connection.get();
    connections_[fd] = {std::move(connection),
                        loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t) { answer(fd); })};
  }
  void answer(int fd) {
    std::string buffer(4096, '\0');
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (size <= 0) {
      connections_.erase(fd);
      return;
    }
    requests.push_back(buffer.substr(0, buffer.find('\r')));
    const std::string& text = buffer.starts_with("GET /v1/models") ? models_ : page_;
    ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
  }

  Loop& loop_;
  std::string page_;
  std::string models_ = chunked(R"({"data":[{"id":"base"},{"id":"sql","parent":"base"},{"x":1}]})");
  std::uint16_t port_ = 0;
  std::string address_;
  std::size_t accepted_ = 0;
  Watched listening_;
  std::map<int, Watched> connections_;
};

// One that speaks TLS, on a thread of its own; a connection at a time. It answers each question with the
// page, in pieces of a record each.
class TlsServer {
 public:
  TlsServer(const kube_testing::Certificate& certificate, std::string page, std::string client_ca = {})
      : page_(std::move(page)), context_(SSL_CTX_new(TLS_server_method())) {
    EXPECT_EQ(SSL_CTX_use_certificate(context_.get(), x509_of(certificate.certificate).get()), 1);
    const std::unique_ptr<BIO, Free> key(BIO_new_mem_buf(certificate.key.data(), -1));
    const std::unique_ptr<EVP_PKEY, Free> read(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context_.get(), read.get()), 1);
    if (!client_ca.empty()) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), x509_of(client_ca).get());
      SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    kube_testing::Listening listening = kube_testing::listen_on_loopback();
    listener_ = std::move(listening.socket);
    port_ = listening.port;
    thread_ = std::thread([this] { serve(); });
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  ~TlsServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      if (connection_ >= 0) ::shutdown(connection_, SHUT_RDWR);
    }
    thread_.join();
  }

  std::uint16_t port() const { return port_; }
  unsigned connections() const { return connections_; }

 private:
  struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(X509* x509) const { X509_free(x509); }
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  static std::unique_ptr<X509, Free> x509_of(const std::string& pem) {
    const std::unique_ptr<BIO, Free> text(BIO_new_mem_buf(pem.data(), -1));
    return std::unique_ptr<X509, Free>(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  }

  void serve() {
    while (true) {
      const Descriptor connection(::accept(listener_.get(), nullptr, nullptr));
      if (!connection) return;
      {
        const std::lock_guard lock(mutex_);
        if (ended_) return;
        connection_ = connection.get();
      }
      answer(connection.get());
      const std::lock_guard lock(mutex_);
      connection_ = -1;
    }
  }
  void answer(int connection) {
    const std::unique_ptr<SSL, Free> ssl(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), connection);
    if (SSL_accept(ssl.get()) != 1) return;
    ++connections_;
    char buffer[4096];
    while (SSL_read(ssl.get(), buffer, sizeof buffer) > 0) {
      for (std::size_t at = 0; at < page_.size(); at += 30) {
        const std::string piece = page_.substr(at, 30);
        if (SSL_write(ssl.get(), piece.data(), static_cast<int>(piece.size())) <= 0) return;
      }
    }
  }

  const std::string page_;
  const std::unique_ptr<SSL_CTX, Free> context_;
  Descriptor listener_;
  std::uint16_t port_ = 0;
  std::atomic<unsigned> connections_ = 0;
  std::mutex mutex_;
  bool ended_ = false;
  int connection_ = -1;
  std::thread thread_;
};

std::string page(unsigned waiting) {
  const std::string body = fmt::format("vllm:num_requests_waiting {}\n", waiting);
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

class Scraping : public testing::Test, public Scraper::Listener {
 protected:
  void on_load(std::string_view address, const Load& load) override {
    loads[std::string(address)].push_back(load.waiting);
  }
  void on_lost(std::string_view address, std::string_view reason) override {
    lost[std::string(address)].emplace_back(reason);
  }
  void on_silent(std::string_view address, std::string_view reason) override {
    silent[std::string(address)].emplace_back(reason);
  }
  void on_models(std::string_view address, std::vector<ServedModel> list) override {
    models[std::string(address)] = std::move(list);
  }

  // What is done when a condition holds; one after the other, by go().
  void when(std::function<bool()> condition, std::function<void()> work = [] {}) {
    steps_.push_back({std::move(condition), std::move(work)});
  }
  void go() {
    look();
    const Loop::Timer late = loop_.after(std::chrono::seconds(20), [this] {
      ADD_FAILURE() << "it did not happen: step " << next_;
      loop_.quit();
    });
    loop_.run();
  }
  void look() {
    while (next_ < steps_.size() && steps_[next_].condition()) steps_[next_++].work();
    if (next_ == steps_.size()) loop_.quit();
    tick_ = loop_.after(std::chrono::milliseconds(2), [this] { look(); });
  }

  struct Step {
    std::function<bool()> condition;
    std::function<void()> work;
  };
  Loop loop_;
  ScrapeOptions options_{.interval = std::chrono::milliseconds(5),
                         .idle_interval = std::chrono::milliseconds(5),
                         .timeout = std::chrono::milliseconds(200),
                         .lost_after = std::chrono::milliseconds(300),
                         .retry_interval = std::chrono::milliseconds(20)};
  SeriesTable table_{default_series()};
  Scraper scraper_{loop_, options_, table_, *this};
  std::map<std::string, std::vector<std::uint32_t>> loads;
  std::map<std::string, std::vector<std::string>> lost;
  std::map<std::string, std::vector<std::string>> silent;
  std::map<std::string, std::vector<ServedModel>> models;
  std::vector<Step> steps_;
  std::size_t next_ = 0;
  Loop::Timer tick_;
};

TEST_F(Scraping, AsksOverAndOverOnOneConnection) {
  ModelServer server(loop_, page(3));
  scraper_.set_addresses(std::vector{server.address()});
  EXPECT_FALSE(scraper_.complete());
  when([&] { return loads[server.address()].size() >= 5; });
  go();
  EXPECT_TRUE(scraper_.complete());
  EXPECT_EQ(loads[server.address()].front(), 3U);
  EXPECT_EQ(server.connections(), 1U);
  EXPECT_THAT(server.requests, Contains("GET /metrics HTTP/1.1"));
}

TEST_F(Scraping, AsksForModelsAndAdapters) {
  ModelServer server(loop_, page(3));
  scraper_.set_addresses(std::vector{server.address()});
  when([&] { return !models.empty(); });
  go();
  EXPECT_THAT(models[server.address()], ElementsAre(ServedModel{"base", false}, ServedModel{"sql", true}));
}

TEST_F(Scraping, TellsThatAServerIsGoneAndThatItIsBack) {
  ModelServer server(loop_, page(3));
  scraper_.set_addresses(std::vector{server.address()});
  when([&] { return !loads.empty(); }, [&] { server.die(); });
  when([&] { return !lost.empty(); },
       [&] {
         EXPECT_FALSE(scraper_.servers().at(0).there);
         server.live_again();
         server.set_page(page(9));
       });
  when([&] { return loads[server.address()].back() == 9; });
  go();
  EXPECT_TRUE(scraper_.servers().at(0).there);
  EXPECT_EQ(lost[server.address()].size(), 1U);
}

TEST_F(Scraping, AConnectionThatIsClosedBetweenTwoPagesIsNoLoss) {
  ModelServer server(loop_, page(3));
  scraper_.set_addresses(std::vector{server.address()});
  std::size_t before = 0;
  when([&] { return !loads.empty(); },
       [&] {
         before = loads[server.address()].size();
         server.close_connections();
       });
  when([&] { return loads[server.address()].size() > before + 2; });
  go();
  EXPECT_THAT(lost, IsEmpty());
  EXPECT_EQ(server.connections(), 2U);
}

TEST_F(Scraping, AServerThatDoesNotAnswerIsLostAfterAWhile) {
  ModelServer server(loop_, page(3));
  scraper_.set_addresses(std::vector{server.address()});
  Time begin;
  when([&] { return !loads.empty(); },
       [&] {
         server.set_page("");
         begin = now();
       });
  when([&] { return !lost.empty(); });
  go();
  EXPECT_GE(now() - begin, std::chrono::milliseconds(200));
  EXPECT_THAT(lost[server.address()], ElementsAre("it does not answer in time"));
}

TEST_F(Scraping, AServerWithAnErrorIsLostAndOneWithoutMetricsIsIdle) {
  ModelServer broken(loop_, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
  ModelServer plain(loop_, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
  scraper_.set_addresses(std::vector{broken.address(), plain.address()});
  when([&] { return !lost.empty() && !loads.empty(); });
  go();
  EXPECT_THAT(lost[broken.address()], ElementsAre("it answers with 503"));
  EXPECT_EQ(loads[plain.address()].front(), 0U);
}

TEST_F(Scraping, TellsOnceOfAServerThatDoesNotSayHowItIs) {
  ModelServer plain(loop_, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
  ModelServer other(loop_, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nqueue 17\n");
  scraper_.set_addresses(std::vector{plain.address(), other.address()});
  when([&] { return loads[plain.address()].size() > 3 && loads[other.address()].size() > 3; });
  go();
  EXPECT_THAT(silent[plain.address()], ElementsAre("/metrics is answered with 404"));
  EXPECT_THAT(silent[other.address()], ElementsAre("none of its metrics is known at /metrics"));
}

TEST_F(Scraping, AnAddressThatIsTakenAwayIsAskedNoMore) {
  ModelServer a(loop_, page(1));
  ModelServer b(loop_, page(2));
  scraper_.set_addresses(std::vector{a.address(), b.address()});
  std::size_t of_a = 0;
  std::size_t of_b = 0;
  when([&] { return loads.size() == 2; },
       [&] {
         scraper_.set_addresses(std::vector{b.address()});
         of_a = loads[a.address()].size();
         of_b = loads[b.address()].size();
       });
  when([&] { return loads[b.address()].size() > of_b + 3; });
  go();
  EXPECT_EQ(loads[a.address()].size(), of_a);
  EXPECT_EQ(b.connections(), 1U);
}

TEST_F(Scraping, AsksForMetricsAtAnotherPortAndPathAndForModelsWhereTheyAreServed) {
  ModelServer server(loop_, page(1));
  ModelServer metrics(loop_, page(5));
  const auto source =
      parse_source(metrics.address().substr(metrics.address().find(':')) + "/prometheus/metrics");
  ASSERT_TRUE(source.has_value());
  scraper_.set_sources(sources_with(*source));
  scraper_.set_addresses(std::vector{server.address()});
  when([&] { return !models.empty() && loads[server.address()].size() > 3; });
  go();
  EXPECT_EQ(loads[server.address()].front(), 5U);
  EXPECT_THAT(metrics.requests, testing::Each("GET /prometheus/metrics HTTP/1.1"));
  EXPECT_THAT(server.requests, testing::Each("GET /v1/models HTTP/1.1"));
  EXPECT_EQ(metrics.connections(), 1U);
}

TEST_F(Scraping, AsksElsewhereAtOnceWhenItIsTold) {
  ModelServer server(loop_, page(1));
  ModelServer metrics(loop_, page(5));
  scraper_.set_addresses(std::vector{server.address()});
  when([&] { return loads[server.address()].size() > 2; },
       [&] {
         scraper_.set_sources(
             sources_with(*parse_source(metrics.address().substr(metrics.address().find(':')))));
       });
  when([&] { return loads[server.address()].back() == 5; });
  go();
  EXPECT_THAT(lost, IsEmpty());
}

// Files with certificates, and a server at 127.0.0.1 that has one of them.
class ScrapingByTls : public Scraping {
 protected:
  ScrapingByTls() {
    block_sigpipe();                              // here, and where servers are
    options_.timeout = std::chrono::seconds(10);  // a handshake on a busy machine
    std::string folder = (std::filesystem::temp_directory_path() / "scraper-XXXXXX").string();
    folder_ = ::mkdtemp(folder.data());
    EXPECT_TRUE(write_file(file("ca"), authority_.certificate).has_value());
    const auto client = kube_testing::make_client_certificate(authority_, "picker");
    EXPECT_TRUE(write_file(file("certificate"), client.certificate).has_value());
    EXPECT_TRUE(write_file(file("key"), client.key).has_value());
  }
  ~ScrapingByTls() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  void start(const std::string& name, std::string client_ca = {}) {
    server_ = std::make_unique<TlsServer>(kube_testing::make_server_certificate(authority_, {name}), page(7),
                                          std::move(client_ca));
    address_ = fmt::format("127.0.0.1:{}", server_->port());
  }
  void ask(Source source) {
    source.tls = true;
    source.path = "/metrics";
    scraper_.set_sources(sources_with(std::move(source)));
    scraper_.set_addresses(std::vector{address_});
    when([&] { return loads[address_].size() > 3 || !lost.empty(); });
    go();
  }

  const kube_testing::Certificate authority_ = kube_testing::make_authority("servers");
  std::string folder_;
  std::unique_ptr<TlsServer> server_;
  std::string address_;
};

TEST_F(ScrapingByTls, AnyCertificateWillDoUnlessItIsToBeVerified) {
  start("another.test");
  ask({});
  EXPECT_THAT(lost, IsEmpty());
  EXPECT_EQ(loads[address_].back(), 7U);
}

TEST_F(ScrapingByTls, ACertificateForTheAddressBySomebodyTrustedIsVerified) {
  start("127.0.0.1");
  ask({.verify = true, .authorities = file("ca")});
  EXPECT_THAT(lost, IsEmpty());
  EXPECT_EQ(loads[address_].back(), 7U);
}

TEST_F(ScrapingByTls, ACertificateForAnotherAddressIsNotTrusted) {
  start("127.0.0.2");
  ask({.verify = true, .authorities = file("ca")});
  EXPECT_THAT(lost[address_], ElementsAre("its certificate is not trusted: IP address mismatch"));
}

TEST_F(ScrapingByTls, ACertificateByAStrangerIsNotTrusted) {
  start("127.0.0.1");
  ASSERT_TRUE(write_file(file("ca"), kube_testing::make_authority("others").certificate).has_value());
  ask({.verify = true, .authorities = file("ca")});
  EXPECT_THAT(lost[address_], ElementsAre(testing::StartsWith("its certificate is not trusted: ")));
}

TEST_F(ScrapingByTls, ShowsItsCertificateToServersThatAsk) {
  start("127.0.0.1", authority_.certificate);
  ask({.certificate = file("certificate"), .key = file("key")});
  EXPECT_THAT(lost, IsEmpty());
  EXPECT_EQ(loads[address_].back(), 7U);
}

TEST_F(ScrapingByTls, AFileThatIsNotThereIsTold) {
  start("127.0.0.1");
  ask({.verify = true, .authorities = folder_ + "/none"});
  EXPECT_THAT(lost[address_], ElementsAre(fmt::format("`{}/none` cannot be read", folder_)));
}

TEST_F(ScrapingByTls, AServerThatSpeaksNoTlsIsLost) {
  ModelServer plain(loop_, page(3));
  address_ = plain.address();
  ask({});
  EXPECT_THAT(lost[address_], ElementsAre("it speaks no TLS, or none that we do"));
}

}  // namespace
}  // namespace sluice::picker
