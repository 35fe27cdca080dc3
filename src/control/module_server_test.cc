#include "control/module_server.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wasm/digest.h"
#include "wasm/http.h"

namespace sluice::control {
namespace {

using testing::HasSubstr;

class ModuleServer : public testing::Test {
 protected:
  ModuleServer() {
    if (::mkdtemp(folder_.data()) == nullptr) std::abort();
    auto server = start_module_server("127.0.0.1:0", {}, folder_);
    if (!server) std::abort();
    server_ = *std::move(server);
  }
  ~ModuleServer() override { std::filesystem::remove_all(folder_); }

  void put(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
  }
  // The status and the body.
  std::pair<long, std::string> get(const std::string& path) {
    wasm::HttpSession session({}, "", {});
    std::string body;
    const auto response =
        session.send({.url = "http://" + server_->tcp_address() + path, .max_bytes = 1U << 24U},
                     [&](std::string_view bytes) -> wasm::Result<void> {
                       body += bytes;
                       return {};
                     });
    EXPECT_TRUE(response);
    return {response ? response->status : 0, body};
  }

  std::string folder_ = std::filesystem::temp_directory_path() / "sluice-modules-XXXXXX";
  std::unique_ptr<admin::Server> server_;
};

TEST_F(ModuleServer, AModuleIsThereUnderItsDigest) {
  const std::string large(5U << 20U, '\0');
  put(wasm::sha256_of(large) + ".so", large);
  put(wasm::sha256_of("b") + ".wasm", "b");
  EXPECT_EQ(get("/" + wasm::sha256_of(large) + ".so"), std::pair(200L, large));
  EXPECT_EQ(get("/" + wasm::sha256_of("b") + ".wasm"), std::pair(200L, std::string("b")));
  EXPECT_EQ(get("/" + wasm::sha256_of("b") + ".so").first, 404);
}

TEST_F(ModuleServer, OurOwnIsThereUnderItsDigestWhereverItIs) {
  put("libsluice_picker.so", "the picker");
  const OwnModule own = own_module(folder_ + "/libsluice_picker.so");
  auto server = start_module_server("127.0.0.1:0", {}, folder_ + "/empty", own);
  ASSERT_TRUE(server.has_value());
  server_ = *std::move(server);
  EXPECT_EQ(get("/" + wasm::sha256_of("the picker") + ".so"), std::pair(200L, std::string("the picker")));
  EXPECT_EQ(get("/libsluice_picker.so").first, 404);
  EXPECT_EQ(own_module(folder_ + "/nothing").sha256, "");
}

TEST_F(ModuleServer, NothingElseIs) {
  put("index.json", "which sources gave what");
  put(wasm::sha256_of("b"), "b");
  for (const char* path :
       {"/", "/index.json", "/lock", "/../../etc/passwd", "/%2e%2e/x.wasm", "//etc/passwd"}) {
    EXPECT_EQ(get(path).first, 404) << path;
  }
  EXPECT_EQ(get("/" + wasm::sha256_of("b")).first, 404);
}

TEST_F(ModuleServer, AnAddressThatIsTakenIsSaid) {
  const auto second = start_module_server(server_->tcp_address(), {}, folder_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, "value/modules-address");
  EXPECT_THAT(second.error().message, HasSubstr(server_->tcp_address()));
}

}  // namespace
}  // namespace sluice::control
