// The pod by itself, and the server as a process, asked what an OpenAI client asks.
#include <chrono>
#include <csignal>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pod.h"

namespace sluice::vllmsim {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(ReadAsk, TakesWhatBothApisSend) {
  struct Row {
    std::string body;
    bool chat;
    std::string prompt;
    std::uint32_t max_tokens;
  };
  const std::vector<Row> rows{
      {R"({"model":"m","prompt":"abc"})", false, "abc", 16},
      {R"({"model":"m","prompt":"abc","max_tokens":5})", false, "abc", 5},
      {R"({"model":"m","messages":[{"role":"user","content":"hi"}]})", true, "user\nhi\n", 4096},
      {R"({"model":"m","max_completion_tokens":7,"messages":[{"role":"user","content":[{"type":"text","text":"hi"},)"
       R"({"type":"image_url","image_url":{"url":"x"}}]}]})",
       true, "user\nhi\n", 7},
  };
  for (const Row& row : rows) {
    const auto read = read_ask(row.body, row.chat);
    ASSERT_TRUE(std::holds_alternative<Ask>(read)) << row.body;
    EXPECT_EQ(std::get<Ask>(read).prompt, row.prompt);
    EXPECT_EQ(std::get<Ask>(read).max_tokens, row.max_tokens);
  }
}

TEST(ReadAsk, SaysWhatIsWrong) {
  struct Row {
    std::string body;
    bool chat;
    std::string message;
  };
  const std::vector<Row> rows{{"", false, "no JSON"},
                              {"[]", false, "no JSON object"},
                              {R"({"model":"m"})", false, "`prompt`"},
                              {R"({"model":"m"})", true, "`messages`"},
                              {R"({"model":1,"prompt":"x"})", false, "type must be string"},
                              {R"({"model":"m","prompt":"x","max_tokens":0})", false, "at least 1"}};
  for (const Row& row : rows) {
    const auto read = read_ask(row.body, row.chat);
    ASSERT_TRUE(std::holds_alternative<Error>(read)) << row.body;
    EXPECT_EQ(std::get<Error>(read).status, 400);
    EXPECT_THAT(std::get<Error>(read).message, HasSubstr(row.message));
  }
}

// On a clock of the test's.
TEST(Pod, TokensComeWhenTheEngineHasThem) {
  PodOptions options;
  options.engine.costs = {.fixed = 10'000, .prefill_token = 100};
  options.speed = 2;
  const auto begin = Pod::Clock::now();
  Pod pod(options);
  const auto now = begin + std::chrono::seconds(1);
  auto submitted = pod.submit(
      {.model = options.model, .prompt = std::string(400, 'x'), .max_tokens = 3, .ignore_eos = true}, now);
  const auto running = std::get<std::shared_ptr<Pod::Running>>(submitted);
  EXPECT_EQ(running->prompt_tokens, 100U);
  int progressed = 0;
  running->progressed = [&] { ++progressed; };
  pod.advance(now + std::chrono::milliseconds(9));  // 18 of 20 ms
  EXPECT_EQ(running->generated, 0U);
  pod.advance(now + std::chrono::milliseconds(11));
  EXPECT_EQ(running->generated, 1U);
  pod.advance(now + std::chrono::milliseconds(40));
  EXPECT_TRUE(running->finished());
  EXPECT_FALSE(running->stopped);
  EXPECT_EQ(progressed, 2);
  EXPECT_FALSE(pod.due());
}

TEST(Pod, TheSameTextGetsAnAnswerOfTheSameLengthAndFindsItsPrefix) {
  Pod pod({.speed = 1e6});
  const Ask ask{.model = PodOptions().model, .prompt = std::string(1000, 'x'), .max_tokens = 100'000};
  std::vector<std::shared_ptr<Pod::Running>> both;
  for (int i = 0; i < 2; ++i) {
    both.push_back(std::get<std::shared_ptr<Pod::Running>>(pod.submit(ask, Pod::Clock::now())));
    while (pod.due()) pod.advance(*pod.due());
  }
  EXPECT_EQ(both[0]->output_tokens, both[1]->output_tokens);
  EXPECT_TRUE(both[0]->stopped);
  EXPECT_EQ(both[0]->cached_tokens, 0U);
  EXPECT_EQ(both[1]->cached_tokens, 240U);
}

TEST(Pod, AnUnknownModelIsNotFound) {
  Pod pod({.adapters = {"a"}});
  const auto submitted = pod.submit({.model = "b", .prompt = "x"}, Pod::Clock::now());
  EXPECT_EQ(std::get<Error>(submitted).status, 404);
}

// The program, and the addresses of its pods.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    int out[2];
    if (pipe(out) != 0) return;
    child_ = fork();
    if (child_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      close(out[0]);
      close(out[1]);
      std::vector<char*> argv{const_cast<char*>(VLLM_SIM)};
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      execv(VLLM_SIM, argv.data());
      _exit(127);
    }
    close(out[1]);
    std::string text;
    char byte = 0;
    while (read(out[0], &byte, 1) == 1 && byte != '\n') text.push_back(byte);
    close(out[0]);
    const json said = json::parse(text, nullptr, false);
    if (!said.is_object()) return;
    for (const std::string address : said["pods"]) {
      ports.push_back(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
    }
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    kill(child_, SIGTERM);
    waitpid(child_, nullptr, 0);
  }

  std::vector<std::uint16_t> ports;

 private:
  pid_t child_ = -1;
};

// What comes back on a connection of its own.
std::string send_to(std::uint16_t port, std::string_view method, std::string_view target,
                    const std::string& body = "") {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request =
        fmt::format("{} {} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                    method, target, body.size(), body);
    if (write(socket, request.data(), request.size()) == static_cast<ssize_t>(request.size())) {
      char buffer[65536];
      for (ssize_t size = 0; (size = read(socket, buffer, sizeof buffer)) > 0;) {
        answer.append(buffer, static_cast<std::size_t>(size));
      }
    }
  }
  close(socket);
  return answer;
}

json body_of(const std::string& answer) {
  return json::parse(answer.substr(answer.find("\r\n\r\n") + 4), nullptr, false);
}

class VllmSim : public testing::Test {
 protected:
  Process process_{{"--pods", "2", "--port", "0", "--speed", "100", "--adapters", "a,b", "--slots", "1"}};
  std::string ask_ =
      R"({"model":"a","prompt":"Tell me of weirs and sluices, please.","max_tokens":4,"ignore_eos":true)";
};

TEST_F(VllmSim, AnswersACompletionWhole) {
  ASSERT_EQ(process_.ports.size(), 2U);
  const std::string answer = send_to(process_.ports[1], "POST", "/v1/completions", ask_ + "}");
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 200 OK"));
  const json body = body_of(answer);
  EXPECT_EQ(body["object"], "text_completion");
  EXPECT_EQ(body["choices"][0]["text"], " the gate picks a");
  EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(body["usage"]["completion_tokens"], 4);
  EXPECT_EQ(body["usage"]["prompt_tokens"], 10);
}

TEST_F(VllmSim, StreamsTokensAndTheUsageAtTheEndWhereItIsAskedFor) {
  ASSERT_EQ(process_.ports.size(), 2U);
  const std::string stream =
      send_to(process_.ports[0], "POST", "/v1/completions", ask_ + R"(,"stream":true})");
  EXPECT_THAT(stream, HasSubstr("text/event-stream"));
  EXPECT_THAT(stream, HasSubstr("data: [DONE]"));
  EXPECT_THAT(stream, HasSubstr(R"("finish_reason":"length")"));
  EXPECT_THAT(stream, Not(HasSubstr("usage")));
  const std::string with = send_to(process_.ports[0], "POST", "/v1/completions",
                                   ask_ + R"(,"stream":true,"stream_options":{"include_usage":true}})");
  EXPECT_THAT(with, HasSubstr(R"("completion_tokens":4)"));
  EXPECT_LT(with.find("completion_tokens"), with.find("[DONE]"));
}

TEST_F(VllmSim, AChatBeginsWithItsRole) {
  ASSERT_EQ(process_.ports.size(), 2U);
  const std::string chat =
      R"({"model":"b","messages":[{"role":"user","content":"hi"}],"max_tokens":2,"ignore_eos":true)";
  const json body = body_of(send_to(process_.ports[0], "POST", "/v1/chat/completions", chat + "}"));
  EXPECT_EQ(body["choices"][0]["message"]["content"], " the gate");
  const std::string stream =
      send_to(process_.ports[0], "POST", "/v1/chat/completions", chat + R"(,"stream":true})");
  EXPECT_LT(stream.find(R"("role":"assistant")"), stream.find(" the"));
}

TEST_F(VllmSim, ListsItsModelsAndShowsItsMetrics) {
  ASSERT_EQ(process_.ports.size(), 2U);
  const json models = body_of(send_to(process_.ports[0], "GET", "/v1/models"));
  EXPECT_EQ(models["data"].size(), 3U);
  EXPECT_EQ(models["data"][1]["id"], "a");
  EXPECT_EQ(models["data"][1]["parent"], PodOptions().model);
  send_to(process_.ports[0], "POST", "/v1/completions", ask_ + "}");
  const std::string page = send_to(process_.ports[0], "GET", "/metrics");
  EXPECT_THAT(page, HasSubstr("vllm:num_requests_waiting{"));
  EXPECT_THAT(page, HasSubstr("vllm:request_success_total{engine=\"0\",finished_reason=\"length\""));
  EXPECT_THAT(page, HasSubstr("handler=\"/v1/completions\""));
  EXPECT_THAT(page, HasSubstr("\nsluice_vllm_sim_adapter_loads_total{"));
  EXPECT_THAT(send_to(process_.ports[0], "GET", "/health"), HasSubstr("200 OK"));
}

TEST_F(VllmSim, RefusesWhatItCannotServe) {
  ASSERT_EQ(process_.ports.size(), 2U);
  struct Row {
    std::string target;
    std::string body;
    std::string status;
  };
  const std::vector<Row> rows{{"/v1/completions", R"({"model":"zz","prompt":"x"})", "404"},
                              {"/v1/completions", "{", "400"},
                              {"/v1/embeddings", "{}", "404"}};
  for (const Row& row : rows) {
    EXPECT_THAT(send_to(process_.ports[0], "POST", row.target, row.body),
                HasSubstr("HTTP/1.1 " + row.status));
  }
}

}  // namespace
}  // namespace sluice::vllmsim
