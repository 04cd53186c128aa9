// The ivr program: looks up the sub-command and hands over.
#include <cstdio>
#include <cstring>
#include <string_view>

#include "commands.hpp"
#include "ivr/version.hpp"

namespace {

struct Command {
  const char* name;
  int (*main)(int, char**);
  const char* what;
};

constexpr Command kCommands[] = {
    {"serve", serve_main, "answer calls with flows"},
    {"call", call_main, "call somebody as a robot, and say how it went"},
    {"agent", agent_main, "be an agent as a robot: register, ring, answer, talk"},
    {"check", check_main, "find every defect of flow documents"},
    {"graph", graph_main, "draw a flow"},
    {"diff", diff_main, "what is different between two flows, in what they mean"},
    {"fmt", fmt_main, "write flow documents as all of us write them"},
    {"log", log_main, "show calls and their timelines"},
    {"simulate", simulate_main, "run a flow with made-up callers, and say what became of them"},
    {"test", test_main, "run the scenarios of a flow: what a caller does, and what must come of it"},
    {"replay", replay_main, "run recorded calls through their flow again, or through another one"},
    {"publish", publish_main, "make a flow live after recorded calls have been through it"},
    {"versions", versions_main, "list what was published of flows, and who has which version"},
    {"rollout", rollout_main, "give a new version to more of the callers"},
    {"rollback", rollback_main, "go back to the version before, for new calls"},
    {"dtmf", dtmf_main, "find the digits in a WAV file"},
    {"load", load_main, "store a site: agents, queues, calendars, extensions and their flows"},
    {"report", report_main, "say what calls, queues and agents did in a day"},
    {"why", why_main, "say why the router chose this agent, and not that one"},
    {"doctor", doctor_main, "say why calls go wrong, from a capture or a configuration"},
};

void help(std::FILE* out) {
  std::fputs("ivr: answers phone calls with flows, over SIP\n\nusage: ivr COMMAND [options]\n\n", out);
  for (const Command& c : kCommands) std::fprintf(out, "  %-9s %s\n", c.name, c.what);
  std::fputs(
      "\n'ivr COMMAND --help' explains one. A first call, in two terminals:\n"
      "  ivr serve --flow 2001=examples/flows/greeting.json --port 5062 --narrate\n"
      "  ivr call sip:2001@127.0.0.1:5062 --do 'expect-audio; press 1; listen'\n",
      out);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h" || name == "help") return help(stdout), 0;
  if (name == "--version")
    return std::printf("ivr %.*s\n", static_cast<int>(ivr::version().size()), ivr::version().data()), 0;
  for (const Command& c : kCommands) {
    if (name == c.name) return c.main(argc - 1, argv + 1);
  }
  if (!name.empty()) std::fprintf(stderr, "ivr: no command '%s'\n\n", argv[1]);
  return help(stderr), 2;
}
