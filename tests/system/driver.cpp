// An engine whose application is a test: it serves the site of a database as `ivr serve` does, tells its
// events the same way, and does what it is told on standard input, a JSON object a line:
//   {"do": "hold", "call": "...", "on": true}  ->  {"event": "did", "ok": true, "value": "", "error": ""}
#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "ivr/config.hpp"
#include "ivr/narrator.hpp"

namespace {

using nlohmann::json;

std::atomic<bool> interrupted{false};

absl::StatusOr<std::string> value_of(const absl::Status& status) {
  if (!status.ok()) return status;
  return std::string();
}

absl::StatusOr<std::string> carry_out(ivr::Engine& engine, const json& order) {
  const std::string what = order.at("do");
  const auto text = [&order](const char* key) { return order.value(key, std::string()); };
  const bool on = order.value("on", true);
  if (what == "transfer") return value_of(engine.transfer(text("call"), text("uri")));
  if (what == "warm_transfer") {
    ivr::Prompts brief;
    if (!text("brief").empty()) {
      brief.push_back({});
      brief.back().kind = ivr::Prompt::Kind::file;
      brief.back().value = text("brief");
    }
    return value_of(engine.warm_transfer(text("call"), text("uri"), brief, text("keys")));
  }
  if (what == "join_partners") return value_of(engine.join_partners(text("call"), text("other")));
  if (what == "hold") return value_of(engine.hold(text("call"), on));
  if (what == "mute") return value_of(engine.mute(text("call"), on));
  if (what == "hang_up") return value_of(engine.hang_up(text("call"), "the test"));
  if (what == "connect") return engine.connect(text("first"), text("second"), text("shown"));
  if (what == "mask")
    return engine.mask(text("one"), text("other"), ivr::Millis(order.at("lifetime_ms").get<std::int64_t>()));
  if (what == "state") {
    for (const auto state :
         {ivr::AgentState::available, ivr::AgentState::on_break, ivr::AgentState::offline}) {
      if (ivr::to_string(state) == text("state"))
        return value_of(engine.set_agent_state(text("agent"), state, text("reason")));
    }
  }
  if (what == "supervise") {
    const std::string mode = text("mode");
    return engine.supervise(text("call"), text("uri"),
                            mode == "barge"     ? ivr::Supervision::barge
                            : mode == "whisper" ? ivr::Supervision::whisper
                                                : ivr::Supervision::listen);
  }
  return absl::InvalidArgumentError("cannot do '" + what + "'");
}

}  // namespace

int main(int argc, char** argv) {
  ServeConfig config;
  ivr::EngineOptions& options = config.engine;
  std::string listen, ports, command;
  int port = 0;
  bool as_json = false;
  CLI::App app{"An engine that a test tells what to do."};
  app.add_option("command", command);
  app.add_option("--listen", listen);
  app.add_option("--port", port);
  app.add_option("--rtp-ports", ports);
  app.add_option("--db", options.database);
  app.add_option("--recordings", options.recordings);
  app.add_option("--prompts", options.prompts);
  app.add_option("--masking-number", options.masking_numbers);
  app.add_option("--trunk", options.trunk);
  app.add_flag("--json", as_json);
  CLI11_PARSE(app, argc, argv);
  options.sip.listen = options.media.bind_ip = listen;
  options.sip.port = static_cast<std::uint16_t>(port);
  options.media.threads = 1;
  options.narrate = true;
  const auto fail = [](const absl::Status& why) {
    std::cout << why.message() << std::endl;
    return 1;
  };
  if (auto read = parse_ports(ports, options); !read.ok()) return fail(read);
  if (auto loaded = load_site(true, config); !loaded.ok()) return fail(loaded);
  auto made = ivr::Engine::create(std::move(config.engine));
  if (!made.ok()) return fail(made.status());
  ivr::Engine& engine = **made;
  if (auto started = engine.start(); !started.ok()) return fail(started);
  std::signal(SIGINT, [](int) { interrupted = true; });

  std::mutex out;
  const auto say = [&out](const std::string& line) {
    const std::lock_guard lock(out);
    std::cout << line << std::endl;
  };
  say(json{{"event", "listening"}, {"port", engine.sip_address().port}}.dump());
  std::thread orders([&] {
    for (std::string line; std::getline(std::cin, line);) {
      const auto done = carry_out(engine, json::parse(line));
      say(json{{"event", "did"},
               {"ok", done.ok()},
               {"value", done.ok() ? *done : ""},
               {"error", std::string(done.status().message())}}
              .dump());
    }
    interrupted = true;  // the test is over
  });
  Narrator narrator(true);
  while (!interrupted) {
    const auto event = engine.next_event(ivr::Millis(100));
    const std::lock_guard lock(out);
    if (event) narrator.tell(*event);
    std::cout.flush();
  }
  engine.stop(ivr::Millis(0));
  while (const auto event = engine.next_event(ivr::Millis(0))) narrator.tell(*event);
  std::fflush(stdout);
  orders.detach();
  std::_Exit(0);
}
