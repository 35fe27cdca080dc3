#include "cli/translate.h"

#include <filesystem>
#include <memory>

#include "cli/check.h"
#include "cli/commands.h"
#include "cli/file.h"
#include "cli/report.h"
#include "control/dump.h"
#include "source/files.h"

namespace sluice::cli {

namespace {

bool write_folder(const std::filesystem::path& folder, const control::Dump& dump, Console& console) {
  std::error_code error;
  std::filesystem::create_directories(folder / "xds", error);  // what is wrong, writing will tell
  for (const auto& [proxy, json] : dump.xds) {
    if (!write_file(folder / "xds" / (proxy + ".json"), json, console, Access::kOwner)) return false;
  }
  return write_file(folder / "status.yaml", dump.status_yaml, console, Access::kOwner);
}

}  // namespace

int translate(const TranslateOptions& options, Console& console) {
  source::Batch batch;
  const std::unique_ptr<source::Source> source = source::read_files(options.paths, &batch);
  const bool show = options.show_secrets || options.output != "-";
  control::Dump dump = control::translate_all(batch, options.settings,
                                              show ? control::Secrets::kShown : control::Secrets::kRedacted);
  const std::vector<Problem> problems = merge_problems(*source, batch.problems, std::move(dump.problems));
  const LineOf line_of = [&source](const std::string& file, unsigned line) {
    return source::source_line(*source, file, line);
  };
  console.err << print_problems(problems, line_of, console.err_color);

  if (options.output != "-") {
    if (!write_folder(options.output, dump, console)) return kProblems;
  } else {
    // JSON is YAML: one stream of documents.
    for (const auto& [proxy, json] : dump.xds) console.out << "---\n# xds/" << proxy << ".json\n" << json;
    console.out << "---\n# status.yaml\n" << dump.status_yaml;
  }
  return has_errors(problems) ? kProblems : kOk;
}

}  // namespace sluice::cli
