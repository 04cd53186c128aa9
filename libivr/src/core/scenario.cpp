#include "ivr/scenario.hpp"

#include <algorithm>

#include "core/flow_json.hpp"
#include "core/simulator_read.hpp"

// Scenario documents.

namespace ivr {
namespace {

using flow::Fields;
using flow::Json;
using flow::pointer_to;
using simulation::CallersReader;

constexpr std::size_t kMostScenarios = 10'000, kMostSteps = 1'000;

std::string json_text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

class ScenariosReader {
 public:
  ScenariosReader(std::vector<Finding>& findings, const SimulatorOptions& world, absl::TimeZone local)
      : findings_(findings), world_(world), local_(local) {
    world_.calls = 1;
    world_.agent = {.miss = 0, .reject = 0, .busy = 0, .answer = exactly(3s)};
    world_.talk = exactly(60s);
    world_.talk_by_queue.clear();
    world_.agents_by_id.clear();
    world_.callers.ends_talk = 0;
    world_.callers.takes_callback = 1;
    world_.transfers = {
        {.to = "*", .answers = 1, .busy = 0, .rejects = 0, .ring = exactly(5s), .talk = exactly(60s)}};
  }

  std::vector<Scenario> read(const Json& json) {
    CallersReader all(findings_, world_);
    Fields root(all.context(), json, "");
    root.text("comment");
    const Json* const list = root.array("scenarios", true);
    common(root, "", world_, all);
    root.done();
    std::vector<Scenario> out;
    for (std::size_t i = 0; list != nullptr && i < list->size() && i < kMostScenarios; ++i)
      out.push_back(one((*list)[i], "/scenarios/" + std::to_string(i)));
    if (list != nullptr && list->empty())
      all.context().error("out-of-range", "/scenarios", "no scenario", "list at least one");
    if (list != nullptr && list->size() > kMostScenarios)
      all.context().error("out-of-range", "/scenarios",
                          std::to_string(list->size()) + " scenarios, at most 10000", "");
    return out;
  }

 private:
  Scenario one(const Json& json, const std::string& at) {
    Scenario out;
    out.world = world_;
    CallersReader reader(findings_, out.world);
    Fields f(reader.context(), json, at);
    out.name = f.text("name", true);
    f.text("comment");
    common(f, at, out.world, reader);
    out.world.arrivals = {{.at = out.world.start, .caller = f.text("from"), .called = f.text("to")}};
    if (out.world.arrivals[0].caller.empty()) out.world.arrivals[0].caller = "+15550100";
    if (const Json* variables = f.object("variables")) {
      for (const auto& [name, value] : variables->items())
        out.world.variables.emplace_back(name, json_text(value));
    }
    if (const Json* steps = f.array("caller", true)) {
      if (steps->size() > kMostSteps)
        reader.context().error("out-of-range", at + "/caller",
                               std::to_string(steps->size()) + " steps, at most 1000", "");
      for (std::size_t i = 0; i < steps->size() && i < kMostSteps; ++i)
        step((*steps)[i], at + "/caller/" + std::to_string(i), reader, out.caller);
    }
    if (const Json* expect = f.object("expect", true))
      out.expect = expectation(*expect, at + "/expect", reader);
    f.done();
    return out;
  }

  // What the document may say for all its scenarios, and each for itself.
  void common(Fields& f, const std::string& base, SimulatorOptions& world, CallersReader& reader) {
    if (const std::string at = f.text("at"); !at.empty()) {
      absl::Time time;
      absl::CivilMinute minute;
      std::string error;
      if (absl::ParseTime(absl::RFC3339_full, {at.data(), at.size()}, &time, &error)) {
        world.start = Time(Micros(absl::ToUnixMicros(time)));
      } else if (std::string iso = at;
                 absl::ParseLenientCivilTime((std::replace(iso.begin(), iso.end(), ' ', 'T'),
                                              absl::string_view(iso.data(), iso.size())),
                                             &minute)) {
        world.start = Time(Micros(absl::ToUnixMicros(absl::FromCivil(minute, local_))));
      } else {
        reader.context().error("bad-time", base + "/at", "'" + at + "' is no time",
                               "write \"2026-03-16 10:00\", or with a zone 2026-03-16T10:00:00+03:00");
      }
    }
    if (const Json* agents = f.object("agents")) {
      for (const auto& [id, value] : agents->items()) {
        SimulatedAgent* acts = &world.agent;
        if (id != "*") acts = &world.agents_by_id.try_emplace(id, world.agent).first->second;
        agent(value, pointer_to(base + "/agents", id), *acts, reader);
      }
    }
    const auto first = [](auto& list, std::size_t before) {  // what is nearer goes before what is general
      std::rotate(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(before), list.end());
    };
    if (const Json* replies = f.array("api")) {
      const std::size_t before = world.replies.size();
      for (std::size_t i = 0; i < replies->size(); ++i)
        reader.reply((*replies)[i], base + "/api/" + std::to_string(i));
      first(world.replies, before);
    }
    if (const Json* numbers = f.object("dialled")) {
      const std::size_t before = world.transfers.size();
      for (const auto& [to, value] : numbers->items())
        dialled(to, value, pointer_to(base + "/dialled", to), world, reader);
      first(world.transfers, before);
    }
    if (f.has("talk")) world.talk = exactly(f.duration("talk", 60s, 0ms, 24h));
    if (const std::string who = f.text("talk_ended_by"); !who.empty()) {
      if (who != "caller" && who != "other")
        reader.context().error("unknown-kind", base + "/talk_ended_by",
                               "'" + who + "' is neither \"caller\" nor \"other\"", "");
      world.callers.ends_talk = who == "caller" ? 1 : 0;
    }
  }

  void agent(const Json& json, const std::string& at, SimulatedAgent& acts, CallersReader& reader) {
    if (!json.is_string()) return reader.agent(json, at, acts);
    const std::string word = json.get<std::string>();
    acts.works = true;
    acts.miss = acts.busy = acts.reject = 0;
    if (word == "misses") {
      acts.miss = 1;
    } else if (word == "busy") {
      acts.busy = 1;
    } else if (word == "rejects") {
      acts.reject = 1;
    } else if (word == "offline") {
      acts.works = false;
    } else if (word != "answers") {
      reader.context().error("unknown-kind", at, "'" + word + "' is nothing that an agent does",
                             "known: answers, misses, busy, rejects, offline");
    }
  }

  void dialled(const std::string& to, const Json& json, const std::string& at, SimulatorOptions& world,
               CallersReader& reader) {
    SimulatedNumber number{
        .to = to, .answers = 0, .busy = 0, .rejects = 0, .ring = exactly(5s), .talk = world.talk};
    const std::string word = json.is_string() ? json.get<std::string>() : "";
    if (word == "answers") {
      number.answers = 1;
    } else if (word == "busy") {
      number.busy = 1;
    } else if (word == "rejects") {
      number.rejects = 1;
    } else if (word != "misses") {
      reader.context().error("unknown-kind", at, "what a dialled number does",
                             "known: answers, misses, busy, rejects");
    }
    world.transfers.push_back(std::move(number));
  }

  void step(const Json& json, const std::string& at, CallersReader& reader, std::vector<ScenarioStep>& out) {
    using Kind = ScenarioStep::Kind;
    if (json.is_string()) {  // "hang_up", "silent", or keys
      const std::string word = json.get<std::string>();
      if (word == "hang_up") return out.push_back({Kind::hang_up, {}, {}});
      if (word == "silent") return out.push_back({Kind::silent, {}, {}});
      return keys(word, at, reader, out);
    }
    Fields f(reader.context(), json, at);
    if (!json.is_object() || json.size() != 1) {
      return reader.context().error(
          "wrong-type", at, "a step is one thing that the caller does",
          R"(write {"hears": "..."}, {"press": "1"}, {"wait": "3s"}, {"speak": "2s"}, "silent" or "hang_up")");
    }
    if (f.has("hears")) {
      out.push_back({Kind::hears, f.text("hears", true), {}});
    } else if (f.has("press")) {
      keys(f.text("press", true), at + "/press", reader, out);
    } else if (f.has("wait")) {
      out.push_back({Kind::wait, {}, f.duration("wait", 0ms, 0ms, 24h)});
    } else if (f.has("speak")) {
      out.push_back({Kind::speak, {}, f.duration("speak", 0ms, 1ms, 1h)});
    }
    f.done();
  }

  static void keys(const std::string& keys, const std::string& at, CallersReader& reader,
                   std::vector<ScenarioStep>& out) {
    if (keys.empty() || keys.size() > 128 || keys.find_first_not_of("0123456789*#ABCD") != keys.npos)
      reader.context().error("bad-key", at, "'" + keys + "' is no key",
                             R"(use 0-9 * # A-D, "silent" or "hang_up")");
    out.push_back({ScenarioStep::Kind::press, keys, {}});
  }

  ScenarioExpectation expectation(const Json& json, const std::string& at, CallersReader& reader) {
    ScenarioExpectation out;
    Fields f(reader.context(), json, at);
    const auto nodes = [&](const char* name) {
      std::vector<std::string> list;
      if (const Json* given = f.array(name)) list = reader.texts(*given, at + "/" + name);
      for (const std::string& node : list) known(node, at + "/" + name, reader);
      return list;
    };
    if (f.has("path")) out.path = nodes("path");
    out.passes = nodes("passes");
    out.avoids = nodes("avoids");
    if (const Json* exits = f.object("exits")) {
      for (const auto& [node, exit] : exits->items()) {
        known(node, at + "/exits", reader);
        if (exit.is_string()) out.exits.emplace_back(node, exit.get<std::string>());
      }
    }
    const auto words = [&](const char* name) {
      std::vector<std::string> list;
      if (const Json* given = f.get(name)) {
        if (given->is_string()) {
          list = {given->get<std::string>()};
        } else {
          list = reader.texts(*given, at + "/" + name);
        }
      }
      return list;
    };
    out.hears = words("hears");
    out.never_hears = words("never_hears");
    if (const Json* variables = f.object("variables")) {
      for (const auto& [name, value] : variables->items()) out.variables.emplace_back(name, json_text(value));
    }
    const auto text = [&](const char* name, std::optional<std::string>& to) {
      if (f.has(name)) to = f.text(name);
    };
    text("queue", out.queue);
    text("agent", out.agent);
    text("dials", out.dials);
    text("language", out.language);
    text("ended_by", out.ended_by);
    text("reason", out.reason);
    if (f.has("within")) out.within = f.duration("within", 0ms, 0ms, 24h);
    if (json.is_object() && json.empty())
      reader.context().error("out-of-range", at, "nothing is expected",
                             "say at least where the call must come to");
    f.done();
    return out;
  }

  void known(const std::string& node, const std::string& at, CallersReader& reader) {
    const std::vector<std::string> nodes = world_.flow->node_names();
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end())
      reader.context().error("unknown-target", at, "no node '" + node + "'" + flow::suggestion(node, nodes),
                             "");
  }

  std::vector<Finding>& findings_;
  SimulatorOptions world_;
  absl::TimeZone local_;
};

}  // namespace

absl::StatusOr<std::vector<Scenario>> parse_scenarios(std::string_view text, const SimulatorOptions& world,
                                                      absl::TimeZone local) {
  if (!world.flow) return absl::InvalidArgumentError("scenarios need a flow");
  std::vector<Finding> findings;
  const Json json = flow::parse_document(text, findings);
  if (findings.empty() && !json.is_object())
    findings.push_back({"wrong-type", Severity::error, "", "an object expected", ""});
  std::vector<Scenario> scenarios;
  if (findings.empty()) scenarios = ScenariosReader(findings, world, local).read(json);
  for (std::size_t i = 0; i < scenarios.size() && findings.empty();
       ++i) {  // agents that are there, and so on
    if (const auto simulator = Simulator::create(scenarios[i].world); !simulator.ok())
      findings.push_back({"bad-scenario", Severity::error, "/scenarios/" + std::to_string(i),
                          std::string(simulator.status().message()), ""});
  }
  if (findings.empty()) return scenarios;
  std::string words;
  for (const Finding& finding : findings) words.append(words.empty() ? "" : "\n").append(to_string(finding));
  return absl::InvalidArgumentError(words);
}

}  // namespace ivr
