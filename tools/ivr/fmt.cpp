// ivr fmt: writes flow documents as all of us write them.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "ivr/flow_text.hpp"

namespace {

std::optional<std::string> text_of(const std::string& path) {
  std::ifstream stream;
  if (path != "-") stream.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : stream;
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (path == "-" || (stream.is_open() && !stream.bad())) return text;
  std::fprintf(stderr, "ivr fmt: %s: cannot be read\n", path.c_str());
  return std::nullopt;
}

// Whole or not at all: a flow that is half written is worse than one that is badly laid out.
bool replace(const std::string& path, const std::string& text) {
  const std::string beside = path + ".fmt-new";
  std::error_code problem;
  {
    std::ofstream out(beside, std::ios::binary);
    out << text;
    out.flush();
    if (!out) problem = std::make_error_code(std::errc::io_error);
  }
  if (!problem) {
    const auto rights = std::filesystem::status(path, problem).permissions();
    if (!problem) std::filesystem::permissions(beside, rights, problem);
    if (!problem) std::filesystem::rename(beside, path, problem);
  }
  if (!problem) return true;
  std::fprintf(stderr, "ivr fmt: %s: cannot be written: %s\n", path.c_str(), problem.message().c_str());
  std::filesystem::remove(beside, problem);
  return false;
}

}  // namespace

int fmt_main(int argc, char** argv) {
  std::vector<std::string> files;
  bool check = false;
  CLI::App app{
      "Writes flow documents as all of us write them: the language's fields in the order of "
      "docs/flow-format.md, "
      "names in the order in which they were written, what fits into 120 columns on one line. Files are "
      "written in "
      "place; their digest stays the same.\n\n"
      "Exit status: 0 done, or nothing to do; 1 --check found a file that is written otherwise; 2 wrong "
      "usage, or "
      "no JSON.",
      "ivr fmt"};
  app.add_option("FILE", files, "flow document; - reads the standard input and writes the standard output")
      ->required();
  app.add_flag("--check", check, "write nothing, name the files that are written otherwise");
  app.footer(
      "Examples\n  ivr fmt examples/flows/*.json\n  ivr fmt --check flows/*.json    in a pre-commit hook\n"
      "  ivr fmt - <my.json >tidy.json");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  bool failed = false, otherwise = false;
  for (const std::string& file : files) {
    const auto text = text_of(file);
    const auto tidy = text ? ivr::format_flow(*text) : absl::StatusOr<std::string>();
    if (!text || !tidy.ok()) {
      failed = true;
      if (text)
        std::fprintf(stderr, "ivr fmt: %s:\n%s\n", file.c_str(),
                     std::string(tidy.status().message()).c_str());
      continue;
    }
    const bool same = *tidy == *text;
    otherwise = otherwise || !same;
    if (check) {
      if (!same) std::printf("%s\n", file.c_str());
    } else if (file == "-") {
      std::fputs(tidy->c_str(), stdout);
    } else if (!same) {
      failed = !replace(file, *tidy) || failed;
    }
  }
  return failed ? 2 : check && otherwise ? 1 : 0;
}
