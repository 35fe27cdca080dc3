#include "wasm/store.h"

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wasm/digest.h"
#include "wasm/testing.h"

namespace sluice::wasm {
namespace {

using std::chrono::milliseconds;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

using Auth = TestRegistry::Auth;

// The store lives on a loop's thread, as everywhere; the test looks at it from its own.
class ModuleStore : public testing::Test {
 protected:
  ModuleStore() {
    settings_.cache.folder = folder_.path();
    settings_.first_retry = milliseconds(20);
    settings_.max_retry = milliseconds(200);
    settings_.look_again = milliseconds(40);
    thread_ = std::thread([this] { loop_.run(); });
    reopen();
  }
  ~ModuleStore() override {
    close();
    loop_.post([this] { loop_.quit(); });
    thread_.join();
  }

  void on_loop(const std::function<void()>& work) {
    std::promise<void> done;
    loop_.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  void close() {
    on_loop([&] { store_.reset(); });
  }
  void reopen() {
    on_loop([&] {
      store_.reset();
      auto store = open_store(loop_, settings_, [this](const Source& source) {
        ++changes_;
        if (on_change_) on_change_(source);
      });
      ASSERT_TRUE(store) << store.error().message;
      store_ = std::move(*store);
    });
  }
  void want(const std::vector<Source>& sources) {
    on_loop([&] { store_->want(sources); });
  }
  State state(const Source& source) {
    State result;
    on_loop([&] { result = store_->state(source); });
    return result;
  }
  // For at most ten seconds.
  static bool until(const std::function<bool()>& holds) {
    for (int i = 0; i < 5'000; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(milliseconds(2));
    }
    return false;
  }
  // What it is when it is Ready, or nothing in it after ten seconds.
  Ready ready(const Source& source) {
    until([&] { return std::holds_alternative<Ready>(state(source)); });
    const State last = state(source);
    const auto* is = std::get_if<Ready>(&last);
    return is != nullptr ? *is : Ready{};
  }
  Failed failed(const Source& source) {
    until([&] { return std::holds_alternative<Failed>(state(source)); });
    const State last = state(source);
    const auto* is = std::get_if<Failed>(&last);
    return is != nullptr ? *is : Failed{};
  }
  TestServer::Handler serve_module() {
    return [this](const Received&, Connection& connection) { connection.reply(200, module_); };
  }
  static ImageSource image(const TestRegistry& registry) {
    return {.reference = registry.reference("team/filter:v1")};
  }
  static ImageSource moving_image(const TestRegistry& registry) {
    ImageSource source = image(registry);
    source.pull_policy = PullPolicy::kAlways;
    return source;
  }
  static ImageSource private_image(const TestRegistry& registry, const std::string& password) {
    ImageSource source = image(registry);
    source.credentials = Credentials{registry.host(), "tenant", password};
    return source;
  }

  Folder folder_;
  StoreSettings settings_;
  const std::string module_ = module_bytes("filter");
  const std::string module_digest_ = sha256_of(module_);
  std::atomic<int> changes_ = 0;
  std::function<void(const Source&)> on_change_;
  Loop loop_;
  std::unique_ptr<Store> store_;
  std::thread thread_;
};

TEST_F(ModuleStore, AFileIsFetchedAndLiesOnDiskWhenItIsReady) {
  const TestServer server(serve_module());
  const HttpSource source{.url = server.url("/filter.wasm"), .sha256 = module_digest_};
  want({source});
  const Ready is = ready(source);
  EXPECT_EQ(is.sha256, module_digest_);
  EXPECT_EQ(is.path, folder_.path() + "/" + module_digest_ + ".wasm");
  EXPECT_EQ(read_file(is.path), module_);
  EXPECT_EQ(changes_, 1);
}

TEST_F(ModuleStore, OneMoreIsFetchedBesideThoseBefore) {
  const TestServer server(serve_module());
  const HttpSource first{.url = server.url("/a.wasm")};
  const HttpSource second{.url = server.url("/b.wasm")};
  want({first});
  EXPECT_EQ(ready(first).sha256, module_digest_);
  on_loop([&] { store_->want_also(second); });
  EXPECT_EQ(ready(second).sha256, module_digest_);
  EXPECT_EQ(ready(first).sha256, module_digest_);
  // What is on disk already is there at once.
  reopen();
  on_loop([&] {
    store_->want_also(second);
    EXPECT_TRUE(std::holds_alternative<Ready>(store_->state(second)));
    EXPECT_TRUE(std::holds_alternative<Pending>(store_->state(first)));
  });
}

TEST_F(ModuleStore, AnImageIsFetched) {
  TestRegistry registry;
  registry.add_image("team/filter", "v1", module_);
  want({image(registry)});
  EXPECT_EQ(ready(image(registry)).sha256, module_digest_);
}

TEST_F(ModuleStore, AnArchiveByHttpIsUnpacked) {
  const TestServer server([&](const Received&, Connection& connection) {
    connection.reply(200, tar_gz_of({{"plugin.wasm", module_}}));
  });
  const HttpSource source{.url = server.url("/"), .sha256 = module_digest_};
  want({source});
  EXPECT_EQ(ready(source).sha256, module_digest_);
}

TEST_F(ModuleStore, ASourceIsPendingWhileItIsFetched) {
  const TestServer server([](const Received&, Connection& connection) { connection.hang(); });
  const HttpSource source{.url = server.url("/")};
  want({source});
  ASSERT_TRUE(until([&] { return !server.requests().empty(); }));
  EXPECT_TRUE(std::holds_alternative<Pending>(state(source)));
  EXPECT_EQ(changes_, 0);
}

TEST_F(ModuleStore, AServerThatHangsHoldsUpNoOther) {
  const TestServer hanging([](const Received&, Connection& connection) { connection.hang(); });
  const TestServer server(serve_module());
  std::vector<Source> sources;
  for (int i = 0; i < 7; ++i) sources.push_back(HttpSource{.url = hanging.url(fmt::format("/{}", i))});
  const HttpSource source{.url = server.url("/")};
  sources.push_back(source);
  want(sources);
  EXPECT_EQ(ready(source).sha256, module_digest_);
}

TEST_F(ModuleStore, ASourceThatFailedLessOftenGoesFirst) {
  settings_.max_fetches = 1;
  settings_.first_retry = settings_.max_retry = milliseconds(1);
  reopen();
  std::vector<Source> sources;
  const TestServer broken([](const Received&, Connection& connection) { connection.reply(500, ""); });
  for (int i = 0; i < 20; ++i) sources.push_back(HttpSource{.url = broken.url(fmt::format("/{}", i))});
  want(sources);
  ASSERT_TRUE(until([&] { return broken.requests().size() >= 40; }));
  const TestServer server(serve_module());
  const HttpSource source{.url = server.url("/")};
  sources.push_back(source);
  const auto before = broken.requests().size();
  want(sources);
  EXPECT_EQ(ready(source).sha256, module_digest_);
  EXPECT_LE(broken.requests().size(), before + 10);
}

TEST_F(ModuleStore, AnotherDigestIsSaidWithBoth) {
  const TestServer server(serve_module());
  const HttpSource source{.url = server.url("/"), .sha256 = sha256_of("other")};
  want({source});
  const Failed is = failed(source);
  EXPECT_EQ(is.failure.reason, Reason::kDigestMismatch);
  EXPECT_TRUE(is.failure.of_sha256);
  EXPECT_THAT(is.failure.message, HasSubstr(module_digest_));
  EXPECT_THAT(is.failure.message, HasSubstr(sha256_of("other")));
  EXPECT_THAT(folder_.files(), Not(Contains(StartsWith("."))));
}

TEST_F(ModuleStore, AWebPageIsNoModule) {
  const TestServer server([](const Received&, Connection& connection) {
    connection.reply(200, "<!doctype html><title>Sign in</title>");
  });
  const HttpSource source{.url = server.url("/")};
  want({source});
  EXPECT_EQ(failed(source).failure.reason, Reason::kNotModule);
}

TEST_F(ModuleStore, ASourceThatIsNoGoodFailsAtOnceAndForEver) {
  const ImageSource source{.reference = "Not/An/Image"};
  want({source});
  const State is = state(source);
  ASSERT_TRUE(std::holds_alternative<Failed>(is));
  EXPECT_EQ(std::get<Failed>(is).failure.reason, Reason::kInvalidSource);
  EXPECT_EQ(std::get<Failed>(is).retry_at, std::nullopt);
}

TEST_F(ModuleStore, WhatFailedIsTriedAgainUntilItSucceeds) {
  std::atomic<int> asked = 0;
  const TestServer server([&](const Received&, Connection& connection) {
    if (++asked <= 3) return connection.reply(503, "");
    connection.reply(200, module_);
  });
  const HttpSource source{.url = server.url("/")};
  want({source});
  EXPECT_TRUE(failed(source).retry_at);
  EXPECT_EQ(ready(source).sha256, module_digest_);
  EXPECT_EQ(changes_, 2);  // failed once, however often, and ready
}

TEST_F(ModuleStore, TheTimeBetweenAttemptsGrows) {
  const TestServer server([](const Received&, Connection& connection) { connection.reply(503, ""); });
  const HttpSource source{.url = server.url("/")};
  const auto begin = std::chrono::steady_clock::now();
  want({source});
  ASSERT_TRUE(until([&] { return server.requests().size() >= 5; }));
  // At least half of 20, 40, 80 and 160 ms.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(150));
}

TEST_F(ModuleStore, WhatIsNotWantedAnyMoreIsNotFetchedToItsEnd) {
  const TestServer hanging([](const Received&, Connection& connection) { connection.hang(); });
  const TestServer server(serve_module());
  settings_.max_fetches = 1;
  reopen();
  const HttpSource first{.url = hanging.url("/")};
  const HttpSource second{.url = server.url("/")};
  want({first});
  ASSERT_TRUE(until([&] { return !hanging.requests().empty(); }));
  want({second});
  EXPECT_EQ(ready(second).sha256, module_digest_);
  EXPECT_TRUE(std::holds_alternative<Pending>(state(first)));
}

TEST_F(ModuleStore, WantingWhatIsBeingFetchedFetchesItOnce) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  const TestServer server([&](const Received&, Connection& connection) {
    gone.wait();
    connection.reply(200, module_);
  });
  const HttpSource source{.url = server.url("/")};
  want({source});
  ASSERT_TRUE(until([&] { return !server.requests().empty(); }));
  want({source, HttpSource{.url = "http://127.0.0.1:1/other"}});
  want({source});
  go.set_value();
  EXPECT_EQ(ready(source).sha256, module_digest_);
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(ModuleStore, TheEndOfTheStoreEndsFetches) {
  const TestServer server([](const Received&, Connection& connection) { connection.hang(); });
  want({HttpSource{.url = server.url("/a")}, HttpSource{.url = server.url("/b")}});
  ASSERT_TRUE(until([&] { return server.requests().size() == 2; }));
  const auto begin = std::chrono::steady_clock::now();
  close();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, milliseconds(5'000));
}

TEST_F(ModuleStore, TheCallbackMayWantOtherThings) {
  const TestServer server(serve_module());
  const HttpSource source{.url = server.url("/")};
  std::atomic<bool> dropped = false;
  on_change_ = [&](const Source&) {
    store_->want({});
    dropped = true;
  };
  want({source});
  ASSERT_TRUE(until([&] { return dropped.load(); }));
  EXPECT_TRUE(std::holds_alternative<Pending>(state(source)));
}

TEST_F(ModuleStore, AfterARestartAModuleIsReadyWithoutAskingAnybody) {
  const TestServer server(serve_module());
  const HttpSource source{.url = server.url("/")};
  want({source});
  const Ready before = ready(source);
  reopen();
  want({source});
  EXPECT_EQ(state(source), State(before));
  EXPECT_THAT(server.requests(), SizeIs(1));
}

TEST_F(ModuleStore, AMovingTagIsReadyAfterARestartWhileTheRegistryIsDown) {
  TestRegistry registry;
  registry.add_image("team/filter", "v1", module_);
  want({moving_image(registry)});
  ready(moving_image(registry));
  registry.set_down(true);
  reopen();
  want({moving_image(registry)});
  EXPECT_EQ(ready(moving_image(registry)).sha256, module_digest_);
  EXPECT_TRUE(until([&] { return !ready(moving_image(registry)).warning.empty(); }));
  EXPECT_EQ(ready(moving_image(registry)).sha256, module_digest_);
  registry.set_down(false);
  EXPECT_TRUE(until([&] { return ready(moving_image(registry)).warning.empty(); }));
}

TEST_F(ModuleStore, AMovingTagIsFollowed) {
  TestRegistry registry;
  registry.add_image("team/filter", "v1", module_);
  want({moving_image(registry)});
  const Ready before = ready(moving_image(registry));
  const std::string next = module_bytes("next");
  registry.add_image("team/filter", "v1", next);
  EXPECT_TRUE(until([&] { return ready(moving_image(registry)).sha256 == sha256_of(next); }));
  EXPECT_TRUE(std::filesystem::exists(before.path));  // a node may still load it
}

TEST_F(ModuleStore, LookingAtATagThatStaysCostsHeadsOnly) {
  TestRegistry registry;
  registry.add_image("team/filter", "v1", module_);
  want({moving_image(registry)});
  ASSERT_TRUE(until([&] { return registry.count("HEAD ") >= 3; }));
  EXPECT_EQ(registry.count("GET /v2/team/filter/blobs/"), 1);
  EXPECT_EQ(registry.count("GET /v2/team/filter/manifests/"), 1);
  EXPECT_EQ(changes_, 1);
}

TEST_F(ModuleStore, ATagOfTheOtherPolicyIsNotLookedAtAgain) {
  TestRegistry registry;
  registry.add_image("team/filter", "v1", module_);
  want({image(registry)});
  ready(image(registry));
  const auto asked = registry.requests().size();
  std::this_thread::sleep_for(3 * settings_.look_again);
  EXPECT_THAT(registry.requests(), SizeIs(asked));
}

TEST_F(ModuleStore, AFileThatMayMoveIsAskedForByItsETag) {
  const TestServer server([&](const Received& request, Connection& connection) {
    if (request.header("if-none-match") == "\"1\"") return connection.send("HTTP/1.1 304 Same\r\n\r\n");
    connection.reply(200, module_, "ETag: \"1\"\r\n");
  });
  const HttpSource source{.url = server.url("/"), .pull_policy = PullPolicy::kAlways};
  want({source});
  EXPECT_EQ(ready(source).sha256, module_digest_);
  ASSERT_TRUE(until([&] { return server.requests().size() >= 3; }));
  EXPECT_EQ(ready(source).warning, "");
  EXPECT_EQ(changes_, 1);
}

class TwoTenants : public ModuleStore, public testing::WithParamInterface<Auth> {
 protected:
  TwoTenants() {
    registry_.add_image("team/filter", "v1", module_);
    want({private_image(registry_, "s3cret")});
    ready(private_image(registry_, "s3cret"));
  }
  TestRegistry registry_{GetParam()};
};

TEST_P(TwoTenants, WhoHasNoRightGetsNoModuleOfWhoHas) {
  const Source intruder = private_image(registry_, "wr0ng");
  const Source nobody = image(registry_);
  want({private_image(registry_, "s3cret"), intruder, nobody});
  EXPECT_EQ(failed(intruder).failure.reason, Reason::kUnauthorized);
  EXPECT_EQ(failed(nobody).failure.reason, Reason::kUnauthorized);
  EXPECT_EQ(ready(private_image(registry_, "s3cret")).sha256, module_digest_);
}

TEST_P(TwoTenants, NorAfterARestart) {
  reopen();
  const Source intruder = private_image(registry_, "wr0ng");
  want({intruder});
  EXPECT_EQ(failed(intruder).failure.reason, Reason::kUnauthorized);
}

INSTANTIATE_TEST_SUITE_P(, TwoTenants, testing::Values(Auth::kBasic, Auth::kToken),
                         [](const auto& auth) { return auth.param == Auth::kBasic ? "Basic" : "Token"; });

TEST_F(ModuleStore, NoSecretIsWrittenToTheIndex) {
  TestRegistry registry(Auth::kBasic);
  registry.add_image("team/filter", "v1", module_);
  const Source source = private_image(registry, "s3cret");
  want({source});
  ready(source);
  const std::string index = read_file(folder_.path() + "/index.json");
  EXPECT_THAT(index, HasSubstr(module_digest_));
  EXPECT_THAT(index, Not(HasSubstr("s3cret")));
}

TEST_F(ModuleStore, AFolderThatCannotBeUsedIsSaid) {
  auto store = open_store(loop_, {.cache{.folder = "/proc/nowhere"}}, [](const Source&) {});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().reason, Reason::kStorage);
}

// ---- shared libraries -----------------------------------------------------------------------------------

TEST_F(ModuleStore, ALibraryIsFetchedCheckedAndKeptLikeAModule) {
  const std::string library = library_bytes("of a user");
  const TestServer server([&](const Received& request, Connection& connection) {
    connection.reply(200, request.target == "/model.so" ? library : module_);
  });
  const auto source = [&](const std::string& path, const std::string& sha256) {
    return HttpSource{.url = server.url(path), .sha256 = sha256, .artifact = Artifact::kLibrary};
  };
  const Source good = source("/model.so", sha256_of(library));
  const Source other = source("/model.so", sha256_of(module_));
  const Source wrong = source("/model.wasm", sha256_of(module_));
  want({good, other, wrong});
  EXPECT_EQ(ready(good).path, folder_.path() + "/" + sha256_of(library) + ".so");
  EXPECT_EQ(read_file(ready(good).path), library);
  EXPECT_EQ(failed(other).failure.reason, Reason::kDigestMismatch);
  EXPECT_EQ(failed(wrong).failure.reason, Reason::kNotModule);
  EXPECT_THAT(failed(wrong).failure.message, HasSubstr("not a shared library for this machine"));
  EXPECT_TRUE(failed(wrong).retry_at);

  // It is there with the next start, too.
  close();
  reopen();
  want({good});
  EXPECT_TRUE(std::holds_alternative<Ready>(state(good)));
}

}  // namespace
}  // namespace sluice::wasm
