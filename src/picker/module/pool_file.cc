#include "picker/module/pool_file.h"

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "picker/config/config.h"
#include "picker/exchange/endpoints.h"
#include "schema/bind.h"
#include "schema/plain_check.h"
#include "schema/type.h"
#include "tree/json.h"
#include "tree/tree.h"

namespace sluice::picker {
namespace {

struct ServerInFile {
  std::string address;
  std::map<std::string, std::string, std::less<>> labels;
};
struct TargetInFile {
  std::string model;
  std::int64_t weight = 1;
};
struct RewriteInFile {
  std::vector<std::string> models;
  std::vector<TargetInFile> targets;
};
struct PoolInFile {
  std::vector<ServerInFile> servers;
  std::map<std::string, std::int32_t, std::less<>> objectives;
  std::vector<RewriteInFile> rewrites;
  std::optional<Tree> config;
  std::string metrics_at;
  bool read_responses = true;
  bool keep_config = false;
};

// As upstream's InferenceModelRewrite has it.
constexpr std::int64_t kMaxWeight = 1'000'000;

const schema::Type& pool_type() {
  using namespace schema;  // NOLINT: as in api
  static const auto* const kType = new Type(object({
      field<&PoolInFile::servers>("servers",
                                  list(object({
                                      field<&ServerInFile::address>("address", string()).required(),
                                      field<&ServerInFile::labels>("labels", map(string())),
                                  }))),
      field<&PoolInFile::objectives>("objectives", map(int32())),
      field<&PoolInFile::rewrites>(
          "rewrites",
          list(object({
              field<&RewriteInFile::models>("models", list(string())),
              field<&RewriteInFile::targets>(
                  "targets",
                  list(object({
                      field<&TargetInFile::model>("model", string()).required(),
                      field<&TargetInFile::weight>("weight", integer().range(0, kMaxWeight)).defaults_to(1),
                  }))),
          }))),
      field<&PoolInFile::config>("config", any()),
      field<&PoolInFile::metrics_at>("metricsAt", string().min_length(1)),
      field<&PoolInFile::read_responses>("readResponses", boolean()).defaults_to(true),
      field<&PoolInFile::keep_config>("keepConfig", boolean()).defaults_to(false),
  }));
  return *kType;
}

}  // namespace

std::optional<PoolContents> read_pool_contents(std::string_view json, std::string_view file,
                                               std::vector<Problem>* problems) {
  const std::size_t first = problems->size();
  const std::vector<Document> documents = parse_json(json, file, problems);
  if (problems->size() != first) return std::nullopt;
  if (documents.size() == 1) return read_pool_contents(documents.front().tree, file, "", problems);
  Problem& problem = problems->emplace_back();
  problem.code = "schema/required";
  problem.where.file = file;
  problem.message = "there is not one pool in this file";
  return std::nullopt;
}

std::optional<PoolContents> read_pool_contents(const Tree& tree, std::string_view file,
                                               std::string_view below, std::vector<Problem>* problems) {
  const std::size_t first = problems->size();
  const auto fail = [&](std::string code, std::string path, std::string message) {
    Problem& problem = problems->emplace_back();
    problem.code = std::move(code);
    problem.path = std::move(path);
    problem.message = std::move(message);
  };
  PoolInFile written;
  PoolContents made;
  if (schema::check_plain(tree, pool_type(), problems)) {
    schema::bind(tree, pool_type(), &written, problems);
  }
  for (std::size_t i = 0; i < written.servers.size(); ++i) {
    ServerInFile& server = written.servers[i];
    const auto parsed = parse_endpoints(server.address);
    if (!parsed || parsed->size() != 1) {
      fail("value/endpoint", fmt::format("servers[{}].address", i),
           parsed ? "this is not one address" : parsed.error().message);
      continue;
    }
    made.endpoints.push_back(
        {.address = parsed->front().address, .labels = std::move(server.labels), .models = {}});
  }
  made.rules.priorities.insert(written.objectives.begin(), written.objectives.end());
  for (RewriteInFile& rewrite : written.rewrites) {
    ModelRewrite& rule = made.rules.rewrites.emplace_back();
    rule.models = std::move(rewrite.models);
    for (TargetInFile& target : rewrite.targets) {
      rule.targets.push_back(
          {.model = std::move(target.model), .weight = static_cast<std::uint32_t>(target.weight)});
    }
  }
  made.read_responses = written.read_responses;
  made.keep_config = written.keep_config;
  if (!written.metrics_at.empty()) {
    if (auto source = parse_source(written.metrics_at)) {
      made.metrics = *std::move(source);
    } else {
      fail(source.error().code, "metricsAt", source.error().message);
    }
  }
  if (written.config) {
    std::vector<Problem> of_config;
    made.config = read_config(*written.config, file, &of_config);
    for (Problem& problem : of_config) {
      if (problem.severity != Severity::kError) continue;
      problem.path = problem.path.empty() ? "config" : "config." + problem.path;
      problems->push_back(std::move(problem));
    }
  }
  for (std::size_t i = first; i < problems->size(); ++i) {
    Problem& problem = (*problems)[i];
    problem.where.file = file;
    if (!below.empty())
      problem.path = fmt::format("{}{}{}", below, problem.path.empty() ? "" : ".", problem.path);
  }
  if (problems->size() != first) return std::nullopt;
  return made;
}

}  // namespace sluice::picker
