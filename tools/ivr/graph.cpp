#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <string_view>

#include "flow_files.hpp"
#include "ivr/flow.hpp"

// ivr graph: draws a flow.

int graph_main(int argc, char** argv);

namespace {

constexpr char kHelp[] =
    R"(Usage: ivr graph FLOW [--format dot|mermaid|svg] [--output FILE] [--env NAME[=VALUE]]...

Draws a flow: nodes coloured by what they do, exits as arrows with their names; dashed arrows are the exits that the
document leaves to 'on_error' and other fallbacks.

  FLOW             a flow document; - is the standard input
  --format dot     Graphviz (the default)
  --format mermaid a flowchart for Markdown pages
  --format svg     a picture, made by Graphviz' program 'dot', which must be installed
  --env NAME       what ${ENV:NAME} in the flow stands for: NAME=VALUE, or NAME as it is set here; may be repeated
  --output FILE    write there instead of to the standard output

Exit status: 0 drawn, 1 the flow has errors (see ivr check) or dot failed, 2 wrong usage or a file that cannot be read.

Example
  ivr graph examples/flows/balance_inquiry.json --format svg --output balance.svg
)";

int usage(const std::string& problem) {
  std::fprintf(stderr, "ivr graph: %s\nTry: ivr graph --help\n", problem.c_str());
  return 2;
}

int draw_svg(const std::string& dot) {
  std::fflush(stdout);
  std::signal(SIGPIPE, SIG_IGN);  // dot may be missing, then the pipe has no reader
  // The child writes to our standard output, wherever that leads.
  FILE* pipe = popen("dot -Tsvg", "w");
  if (!pipe) return 1;
  std::fwrite(dot.data(), 1, dot.size(), pipe);
  const int status = pclose(pipe);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  std::fprintf(stderr, WIFEXITED(status) && WEXITSTATUS(status) == 127
                           ? "ivr graph: no program 'dot'; install graphviz, or use --format dot\n"
                           : "ivr graph: dot failed\n");
  return 1;
}

}  // namespace

int graph_main(int argc, char** argv) {
  std::string file, format = "dot", output;
  FlowFiles files;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (arg == "--help" || arg == "-h") {
      std::fputs(kHelp, stdout);
      return 0;
    }
    if (arg == "--format" || arg == "--output" || arg == "-o") {
      if (++i == argc) return usage(std::string(arg) + " needs a value");
      (arg == "--format" ? format : output) = argv[i];
    } else if (arg == "--env") {
      if (++i == argc) return usage("--env needs a name");
      if (const auto allowed = files.allow(argv[i]); !allowed.ok())
        return usage(std::string(allowed.message()));
    } else if (arg.size() > 1 && arg[0] == '-') {
      return usage("no option '" + std::string(arg) + "'");
    } else if (!file.empty()) {
      return usage("one flow at a time");
    } else {
      file = arg;
    }
  }
  if (file.empty()) return usage("no flow given");
  if (format != "dot" && format != "mermaid" && format != "svg")
    return usage("no format '" + format + "'; known: dot, mermaid, svg");

  const auto text = files.document(file);
  if (absl::IsNotFound(text.status())) {
    std::fprintf(stderr, "ivr graph: %s: cannot be read\n", file.c_str());
    return 2;
  }
  const auto flow =
      text.ok() ? ivr::Flow::load(*text) : absl::StatusOr<std::shared_ptr<const ivr::Flow>>(text.status());
  if (!flow.ok()) {
    std::fprintf(stderr, "%s: the flow has errors\n%s\n", file.c_str(),
                 std::string(flow.status().message()).c_str());
    return 1;
  }
  if (!output.empty() && !std::freopen(output.c_str(), "w", stdout)) {
    std::fprintf(stderr, "ivr graph: %s: cannot be written\n", output.c_str());
    return 2;
  }
  if (format == "svg") return draw_svg((*flow)->to_dot());
  const std::string drawing = format == "dot" ? (*flow)->to_dot() : (*flow)->to_mermaid();
  std::fwrite(drawing.data(), 1, drawing.size(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}
