// Any bytes as a file of objects: check and bind agree, what is bound can be written, and every problem has a
// place.
#include <algorithm>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "api/kinds.h"
#include "fuzz.h"
#include "source/file_set.h"
#include "text.h"

namespace sluice::fuzz {
namespace {

const std::string kFile = "fuzz.yaml";

std::string show(const Problem& problem) {
  return fmt::format("{}:{}: {} {}: {}", problem.where.line, problem.where.column, problem.code, problem.path,
                     problem.message);
}

// .inf and .nan, which JSON has not.
bool may_hold_no_number(std::string_view text) {
  for (const std::string_view word : {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"}) {
    if (text.contains(word)) return true;
  }
  return false;
}

void require_written(const api::BoundObject& bound) {
  const std::string written = api::write_object(bound.object);
  std::vector<Problem> problems;
  const std::vector<Document> documents = parse(written, "written.json", &problems);
  require(documents.size() == 1 && problems.empty(), "a written object can be read", written);
  const api::ReadObject again = api::read_object(documents[0].tree, api::Trust::kFromServer);
  require(again.bound.has_value(), "a written object can be bound", written);
  require(api::equal(again.bound->object, bound.object), "a written object is bound as it was", written);
}

void run(const std::string& input) {
  const auto text = std::make_shared<const std::string>(input);
  source::Manifest manifest = source::read_manifest(*text, kFile);
  for (const Problem& problem : manifest.problems) {
    require(!problem.code.empty() && !problem.message.empty(), "a problem has words", show(problem));
    require(is_readable(problem.message) && is_readable(problem.suggestion), "a problem can be read",
            show(problem));
    require(problem.where.line > 0 && problem.where.column > 0, "a problem has a place", show(problem));
  }
  for (const source::Manifest::Object& object : manifest.objects) {
    if (object.bound && !may_hold_no_number(input)) require_written(*object.bound);
  }

  // Whatever a server sends that we call trusted.
  std::vector<Problem> problems;
  for (const Document& document : parse(*text, kFile, &problems)) {
    const api::ReadObject checked = api::read_object(document.tree, api::Trust::kCheck);
    const api::ReadObject trusted = api::read_object(document.tree, api::Trust::kFromServer);
    require(!checked.bound || trusted.bound, "what is checked can be bound");
  }

  // The same text as a file among files: a place for each object's every problem.
  source::FileSet files;
  files.put(kFile, text, std::move(manifest));
  const std::optional<source::Batch> batch = files.take();
  if (!batch) return;
  for (Problem problem : batch->problems) {
    const std::uint32_t line = problem.where.line;
    require(line > 0, "a problem has a place", show(problem));
    files.line(kFile, line);
  }
  for (const api::BoundObject& object : batch->upserted) {
    Problem problem{.object = object.key, .path = "spec.rules[0].matches[0]"};
    files.locate(problem);
    require(problem.where.file == kFile && problem.where.line > 0, "an object has a place", show(problem));
  }
  files.remove(kFile);
  const std::optional<source::Batch> last = files.take();
  require(batch->upserted.empty() || (last && last->deleted.size() == batch->upserted.size()),
          "a file's objects go with it");
}

}  // namespace
}  // namespace sluice::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const sluice::fuzz::Watch watch;
  sluice::fuzz::run(std::string(sluice::fuzz::text_of(data, size)));
  return 0;
}
