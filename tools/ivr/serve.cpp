// ivr serve: one or more flows on extensions.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>

#include "board.hpp"
#include "commands.hpp"
#include "config.hpp"
#include "narrator.hpp"
#include "published.hpp"
#include "refusal_log.hpp"

namespace {

std::atomic<int> signals{0};

}  // namespace

int serve_main(int argc, char** argv) {
  ServeConfig config;
  std::string file, listen, ports, codecs, database, recordings, prompts, cache, external_ip, refusal_log;
  std::vector<std::string> flows, variables, allow;
  int port = -1, threads = -1, calls = -1, drain_s = 5;
  bool narrate = false, as_json = false, record = false, board = false, demo_users = false,
       shared_ports = false;
  CLI::App app{
      "Answers calls with flows until Ctrl-C, which drains: calls in progress may end, new ones get 503.\n"
      "Everything can stand in a config file (docs/ivr-serve.md); the command line goes over it.\n"
      "A flow that has been published into --db runs in place of its file, and new calls have what is\n"
      "published while the server runs (docs/publishing.md).",
      "ivr serve"};
  app.add_option("--config", file, "JSON file")->check(CLI::ExistingFile);
  app.add_option(
      "--flow", flows,
      "EXTENSION=FILE, as often as needed; an extension may end in *. EXTENSION=@ID: the flow that "
      "'ivr publish' has put into --db");
  app.add_option("--var", variables, "NAME=VALUE for every --flow, as often as needed");
  app.add_option("--listen", listen,
                 "ADDRESS[:PORT] for SIP, and the address for RTP (default 127.0.0.1:5060)");
  app.add_option("--port", port, "SIP port; 0 takes a free one")->check(CLI::Range(0, 65535));
  app.add_option("--external-ip", external_ip,
                 "address that far peers see (NAT), or stun:HOST[:PORT] to ask that server");
  app.add_option(
         "--allow", allow,
         "take calls and registrations from this network only, as often as needed: 192.0.2.0/24, 2001:db8::1")
      ->take_all();
  app.add_option("--refusal-log", refusal_log,
                 "append a line for each refused request to this file, for fail2ban; -: standard error");
  app.add_option("--rtp-ports", ports, "LOW-HIGH (default 10000-20000)");
  app.add_flag(
      "--shared-ports", shared_ports,
      "one RTP port for each media thread in place of one for each call: for callers behind a proxy or "
      "rtpengine");
  app.add_option("--codecs", codecs,
                 "taken, and offered in this order (default pcmu,pcma,g722,opus,l16); there is l16-16k too");
  app.add_option("--media-threads", threads, "0: one a core")->check(CLI::Range(0, 256));
  app.add_option("--max-calls", calls, "at once; more get 503")->check(CLI::Range(1, 1000000));
  app.add_option("--db", database, "SQLite file for records and events; none: nothing is kept");
  app.add_option("--recordings", recordings, "folder (default ./recordings)");
  app.add_option("--prompts", prompts, "folder of prompt files (default .)");
  app.add_option("--speech-cache", cache, "folder for rendered speech");
  config.flows.add_option(app);
  app.add_flag("--record", record, "record every call of a --flow whole, in stereo");
  app.add_option("--drain", drain_s, "seconds that calls in progress have at the end")->capture_default_str();
  app.add_flag("--narrate", narrate, "tell the conversations as they happen");
  app.add_flag("--board", board, "tell who waits, rings and talks, a line a change");
  app.add_flag("--demo-users", demo_users,
               "let telephones register with the demo passwords of the site: for demonstrations only");
  app.add_flag("--json", as_json, "one JSON object a line for each event");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  const auto fail = [](const absl::Status& why, int code) {
    std::fprintf(stderr, "ivr serve: %s\n", std::string(why.message()).c_str());
    return code;
  };
  config.engine.recordings = "recordings";
  if (!file.empty()) {
    if (auto read = read_config(file, config); !read.ok()) return fail(read, 2);
  }
  ivr::EngineOptions& o = config.engine;
  if (!listen.empty()) {
    if (auto parsed = parse_listen(listen, o); !parsed.ok()) return fail(parsed, 2);
  }
  if (!allow.empty()) {
    if (auto parsed = parse_allow(allow, o); !parsed.ok()) return fail(parsed, 2);
  }
  if (!refusal_log.empty()) config.refusal_log = refusal_log;
  if (!ports.empty()) {
    if (auto parsed = parse_ports(ports, o); !parsed.ok()) return fail(parsed, 2);
  }
  if (!codecs.empty()) {
    if (auto parsed = parse_codecs(codecs, o); !parsed.ok()) return fail(parsed, 2);
  }
  if (port >= 0) o.sip.port = static_cast<std::uint16_t>(port);
  if (threads >= 0) o.media.threads = threads;
  if (shared_ports) o.media.shared_ports = true;
  if (calls > 0) o.limits.calls = calls;
  if (!database.empty()) o.database = database;
  if (!recordings.empty()) o.recordings = recordings;
  if (!prompts.empty()) o.prompts = prompts;
  if (!cache.empty()) o.speech_cache = cache;
  if (!external_ip.empty()) o.sip.external_ip = o.media.external_ip = external_ip;
  o.narrate = narrate || as_json;
  std::vector<std::pair<std::string, std::string>> given;
  for (const std::string& text : variables) {
    auto variable = parse_variable(text);
    if (!variable.ok()) return fail(variable.status(), 2);
    given.push_back(*std::move(variable));
  }
  for (const std::string& text : flows) {
    const auto equals = text.find('=');
    if (equals == std::string::npos) {
      return fail(absl::InvalidArgumentError("--flow '" + text + "': must be EXTENSION=FILE"), 2);
    }
    config.extensions.push_back({text.substr(0, equals), text.substr(equals + 1), record, given});
  }
  if (!o.database.empty()) {
    if (auto loaded = load_site(demo_users, config); !loaded.ok()) return fail(loaded, 1);
  }
  if (config.extensions.empty() && o.routes.empty()) {
    return fail(
        absl::InvalidArgumentError("no extension: give --flow EXTENSION=FILE, a --config with some, or "
                                   "a --db into which 'ivr load' has put a site"),
        2);
  }
  if (auto loaded = load_routes(config); !loaded.ok()) return fail(loaded, 1);

  PublishedRoutes published(o.database, o.routes, config.site, config.host, as_json);
  if (auto begun = published.begin(o.routes); !begun.ok()) return fail(begun, 1);

  const bool asks = o.sip.external_ip.starts_with("stun:");
  std::vector<std::string> site_extensions;
  for (const ivr::Route& route : o.routes) {
    if (std::ranges::find(config.extensions, route.extension, &ServeConfig::Extension::number) ==
        config.extensions.end())
      site_extensions.push_back(route.extension);
  }
  if (auto writable = RefusalLog(config.refusal_log).check(); !writable.ok()) return fail(writable, 1);
  auto engine = ivr::Engine::create(std::move(config.engine));
  if (!engine.ok()) return fail(engine.status(), 1);
  if (auto started = (*engine)->start(); !started.ok()) return fail(started, 1);
  std::signal(SIGINT, [](int) { ++signals; });
  std::signal(SIGTERM, [](int) { ++signals; });
  std::signal(SIGPIPE, SIG_IGN);
  const ivr::Address at = (*engine)->sip_address();
  if (as_json) {
    std::printf("{\"event\":\"listening\",\"address\":\"%s\",\"port\":%d,\"recovered_calls\":%d}\n",
                at.ip.c_str(), at.port, (*engine)->recovered_calls());
  } else {
    if (const int n = (*engine)->recovered_calls(); n > 0) {
      std::printf("%d calls were open when the last run died; their records are closed with cause 'system'\n",
                  n);
    }
    for (const auto& e : config.extensions) {
      std::printf("  %-8s %s\n", e.number.c_str(), e.flow.c_str());
    }
    for (const std::string& number : site_extensions) std::printf("  %-8s of the site\n", number.c_str());
    published.tell();
    std::printf("listening on %s:%d\n", at.ip.c_str(), at.port);
  }
  std::fflush(stdout);

  std::string outside, unasked;  // as they were told last
  const auto tell_outside = [&] {
    const ivr::EngineStats now = (*engine)->stats();
    if (asks && now.external_ip != outside) {
      std::printf(as_json ? "{\"event\":\"external_ip\",\"address\":\"%s\"}\n" : "known outside as %s\n",
                  now.external_ip.c_str());
      std::fflush(stdout);
    }
    if (now.external_ip_error != unasked && !now.external_ip_error.empty())
      std::fprintf(stderr, "ivr serve: %s; it stays %s\n", now.external_ip_error.c_str(),
                   now.external_ip.c_str());
    outside = now.external_ip;
    unasked = now.external_ip_error;
  };
  tell_outside();
  const ivr::SharedPorts shared = (*engine)->stats().shared_ports;
  if (shared.receive_buffer < shared.receive_buffer_asked)
    std::fprintf(
        stderr,
        "ivr serve: shared RTP ports have a receive buffer of %d bytes, %d were asked for: bursts of many "
        "calls may be lost; set net.core.rmem_max to %d\n",
        shared.receive_buffer, shared.receive_buffer_asked, shared.receive_buffer_asked);

  Narrator narrator(as_json);
  RefusalLog refusals(config.refusal_log);
  const auto tell = [&](const ivr::EngineEvent& event) {
    refusals.tell(event);
    if (const auto* e = std::get_if<ivr::EngineEvent::Unreadable>(&event.what))
      std::fprintf(stderr, "ivr serve: dropped, unreadable: %s\n", e->why.c_str());
    if (narrate || as_json) narrator.tell(event);
  };
  constexpr ivr::Millis kLook(200);  // so often at what no event tells
  auto looked = std::chrono::steady_clock::now();
  Board desk(**engine);
  while (signals == 0) {
    const auto event = (*engine)->next_event(kLook);
    if (event) tell(*event);
    if (board && !as_json) desk.show();
    if (const auto now = std::chrono::steady_clock::now(); now - looked >= kLook) {
      looked = now;
      if (asks) tell_outside();
      published.look(**engine);
    }
  }
  published.end();
  if (!as_json) std::printf("stopping: %d calls in progress\n", (*engine)->stats().calls);
  std::fflush(stdout);
  (*engine)->stop(ivr::Millis(drain_s * 1000));
  while (const auto event = (*engine)->next_event(ivr::Millis(0))) {
    tell(*event);
  }
  if (!refusals.error().empty()) std::fprintf(stderr, "ivr serve: %s\n", refusals.error().c_str());
  const auto stats = (*engine)->stats();
  const ivr::SharedPorts& s = stats.shared_ports;
  if (s.pairs > 0) {
    std::printf(as_json
                    ? "{\"event\":\"shared_ports\",\"received\":%llu,\"strangers\":%llu,\"late\":%llu,"
                      "\"unread\":%llu,\"unsent\":%llu}\n"
                    : "shared RTP ports: %llu packets, %llu of no call, %llu of calls that were over, %llu "
                      "not read in time, %llu not sent\n",
                static_cast<unsigned long long>(s.received), static_cast<unsigned long long>(s.strangers),
                static_cast<unsigned long long>(s.late), static_cast<unsigned long long>(s.unread),
                static_cast<unsigned long long>(s.unsent));
  }
  if (!stats.store_error.empty())
    std::fprintf(stderr, "ivr serve: not everything was kept: %s\n", stats.store_error.c_str());
  if (!as_json) {
    std::printf("stopped after %llu calls, %llu refused\n", static_cast<unsigned long long>(stats.answered),
                static_cast<unsigned long long>(stats.refused));
  }
  return stats.store_error.empty() ? 0 : 1;
}
