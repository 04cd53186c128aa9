#include <algorithm>

#include "core/flow_json.hpp"
#include "core/simulator_read.hpp"

// What a file says of callers, agents and services: docs/simulation.md.

namespace ivr {
namespace {

using flow::FieldContext;
using flow::Fields;
using flow::Json;
using flow::pointer_to;

constexpr Millis kLongestSpread = 24h * 7;

template <class F>
void each_member(const Json* object, const std::string& at, F&& read) {
  if (object == nullptr) return;
  for (const auto& [name, value] : object->items()) read(name, value, pointer_to(at, name));
}

}  // namespace

namespace simulation {

void CallersReader::read(const Json& json) {
  Fields root(context_, json, "");
  root.text("comment");
  options_.day = root.duration("day", options_.day, 1min, 24h * 366);
  options_.letter = root.duration("letter", options_.letter, 1ms, 1s);
  options_.file = root.duration("file", options_.file, 1ms, 1h);
  if (const Json* arrivals = root.object("arrivals")) arrivals_of(*arrivals);
  if (const Json* callers = root.object("callers")) callers_of(*callers);
  each_member(root.object("agents"), "/agents",
              [&](const std::string& id, const Json& value, const std::string& at) {
                if (id == "*") return agent(value, at, options_.agent);
                const auto [own, fresh] = options_.agents_by_id.try_emplace(id, options_.agent);
                (void)fresh;
                agent(value, at, own->second);
              });
  each_member(root.object("queues"), "/queues",
              [&](const std::string& id, const Json& value, const std::string& at) {
                Fields f(context_, value, at);
                if (const Json* talk = f.get("talk", true)) {
                  (id == "*" ? options_.talk : options_.talk_by_queue[id]) = spread(*talk, at + "/talk");
                }
                f.done();
              });
  if (const Json* replies = root.array("api")) {
    for (std::size_t i = 0; i < replies->size(); ++i) reply((*replies)[i], "/api/" + std::to_string(i));
  }
  if (const Json* numbers = root.array("transfers")) {
    for (std::size_t i = 0; i < numbers->size(); ++i)
      number((*numbers)[i], "/transfers/" + std::to_string(i));
  }
  if (const Json* goals = root.array("goals")) options_.goals = texts(*goals, "/goals");
  root.done();
}

void CallersReader::agent(const Json& json, const std::string& at, SimulatedAgent& agent) {
  Fields f(context_, json, at);
  agent.miss = f.number("miss", agent.miss, 0, 1);
  agent.reject = f.number("reject", agent.reject, 0, 1);
  agent.busy = f.number("busy", agent.busy, 0, 1);
  agent.works = f.boolean("works", agent.works);
  if (const Json* answer = f.get("answer")) agent.answer = spread(*answer, at + "/answer");
  if (const Json* talk = f.get("talk")) agent.talk = spread(*talk, at + "/talk");
  if (const Json* hours = f.array("hours")) {
    agent.hours.clear();
    for (const std::string& text : texts(*hours, at + "/hours")) {
      const auto minute = [&](std::size_t from) {
        const bool good = text.size() == 11 && text[2] == ':' && text[5] == '-' && text[8] == ':' &&
                          flow::is_digit(text[from]) && flow::is_digit(text[from + 1]) &&
                          flow::is_digit(text[from + 3]) && flow::is_digit(text[from + 4]);
        if (!good) return -1;
        const int hour = (text[from] - '0') * 10 + (text[from + 1] - '0');
        const int rest = (text[from + 3] - '0') * 10 + (text[from + 4] - '0');
        return hour > 24 || rest > 59 ? -1 : hour * 60 + rest;
      };
      const int begin = minute(0), end = minute(6);
      if (begin < 0 || end < 0) {
        context_.error("bad-hours", at + "/hours", "'" + text + "' is no stretch of a day",
                       "write \"09:00-17:30\"");
      } else {
        agent.hours.emplace_back(begin, end);
      }
    }
  }
  f.done();
}

void CallersReader::reply(const Json& json, const std::string& at) {
  Fields f(context_, json, at);
  SimulatedReply reply;
  reply.url = f.text("url", true);
  reply.method = f.text("method");
  reply.weight = f.number("weight", 1, 0, 1e9);
  reply.times = f.integer("times", 0, 0, 1'000'000);
  reply.reply.status = f.integer("status", 200, 0, 599);
  reply.reply.error = f.text("error");
  if (!reply.reply.error.empty()) reply.reply.status = 0;
  if (const Json* body = f.get("body"))
    reply.reply.body = body->is_string() ? body->get<std::string>()
                                         : body->dump(-1, ' ', false, Json::error_handler_t::replace);
  if (reply.reply.status == 0) reply.reply.body.clear();
  if (const Json* after = f.get("after")) reply.after = spread(*after, at + "/after");
  f.done();
  options_.replies.push_back(std::move(reply));
}

void CallersReader::number(const Json& json, const std::string& at) {
  Fields f(context_, json, at);
  SimulatedNumber number;
  number.to = f.text("to", true);
  number.answers = f.number("answers", number.answers, 0, 1);
  number.busy = f.number("busy", number.busy, 0, 1);
  number.rejects = f.number("rejects", number.rejects, 0, 1);
  if (number.answers + number.busy + number.rejects > 1.000001)
    context_.error("out-of-range", at, "answers, busy and rejects are more than 1 together",
                   "what is left does not answer");
  if (const Json* ring = f.get("ring")) number.ring = spread(*ring, at + "/ring");
  if (const Json* talk = f.get("talk")) number.talk = spread(*talk, at + "/talk");
  f.done();
  options_.transfers.push_back(std::move(number));
}

std::vector<std::string> CallersReader::texts(const Json& list, const std::string& at) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].is_string()) {
      out.push_back(list[i].get<std::string>());
    } else {
      context_.error("wrong-type", at + "/" + std::to_string(i), "a text expected", "");
    }
  }
  return out;
}

void CallersReader::arrivals_of(const Json& json) {
  Fields f(context_, json, "/arrivals");
  if (const Json* rates = f.get("per_hour", true)) {
    options_.per_hour.clear();
    const auto one = [&](const Json& rate, const std::string& at) {
      if (rate.is_number() && rate.get<double>() >= 0 && rate.get<double>() <= 1e6) {
        options_.per_hour.push_back(rate.get<double>());
      } else {
        context_.error("out-of-range", at, "calls an hour: a number from 0 to 1000000", "");
      }
    };
    if (!rates->is_array()) one(*rates, "/arrivals/per_hour");
    for (std::size_t i = 0; rates->is_array() && i < rates->size(); ++i)
      one((*rates)[i], "/arrivals/per_hour/" + std::to_string(i));
    if (options_.per_hour.empty()) options_.per_hour = {60};
  }
  f.done();
}

void CallersReader::callers_of(const Json& json) {
  Fields f(context_, json, "/callers");
  SimulatedCallers& c = options_.callers;
  c.wrong = f.number("wrong", c.wrong, 0, 1);
  c.silent = f.number("silent", c.silent, 0, 1);
  c.hang_up = f.number("hang_up", c.hang_up, 0, 1);
  c.barge_in = f.number("barge_in", c.barge_in, 0, 1);
  c.talk_over = f.number("talk_over", c.talk_over, 0, 1);
  c.ends_talk = f.number("ends_talk", c.ends_talk, 0, 1);
  c.takes_callback = f.number("takes_callback", c.takes_callback, 0, 1);
  const auto given = [&](const char* name, Spread& to) {
    if (const Json* value = f.get(name)) to = spread(*value, std::string("/callers/") + name);
  };
  given("think", c.think);
  given("between_keys", c.between_keys);
  given("patience", c.patience);
  given("message", c.message);
  if (const Json* numbers = f.array("numbers")) c.numbers = texts(*numbers, "/callers/numbers");
  each_member(f.object("answers"), "/callers/answers",
              [&](const std::string& node, const Json& value, const std::string& at) {
                answers_of(node, value, at);
              });
  f.done();
}

void CallersReader::answers_of(const std::string& node, const Json& value, const std::string& at) {
  if (!value.is_object() || value.empty()) {
    context_.error("wrong-type", at, "an object of keys and how often they are pressed",
                   "write {\"1\": 5, \"silence\": 1}");
    return;
  }
  auto& answers = options_.callers.answers[node];
  answers.clear();
  double sum = 0;
  for (const auto& [keys, weight] : value.items()) {
    SimulatedAnswer answer{SimulatedAnswer::Kind::keys, keys, 0};
    if (keys == "silence") answer = {SimulatedAnswer::Kind::silence, {}, 0};
    if (keys == "hang_up") answer = {SimulatedAnswer::Kind::hang_up, {}, 0};
    if (answer.kind == SimulatedAnswer::Kind::keys &&
        (keys.empty() || keys.find_first_not_of("0123456789*#ABCD") != std::string::npos)) {
      context_.error("bad-key", pointer_to(at, keys), "'" + keys + "' is no key",
                     "use keys of a telephone, \"silence\" or \"hang_up\"");
    }
    if (!weight.is_number() || weight.get<double>() < 0 || weight.get<double>() > 1e9) {
      context_.error("out-of-range", pointer_to(at, keys), "how often: a number from 0", "");
    } else {
      answer.weight = weight.get<double>();
    }
    sum += answer.weight;
    answers.push_back(std::move(answer));
  }
  if (sum <= 0) context_.error("out-of-range", at, "nothing is ever done", "give something a weight above 0");
}

std::vector<RecordedArrival> CallersReader::recorded(const Json& json) {
  std::vector<RecordedArrival> out;
  Fields root(context_, json, "");
  const Json* const list = root.array("arrivals", true);
  root.done();
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const std::string at = "/arrivals/" + std::to_string(i);
    Fields f(context_, (*list)[i], at);
    RecordedArrival& arrival = out.emplace_back();
    const std::string time = f.text("at", true);
    absl::Time parsed;
    std::string error;
    if (absl::ParseTime(absl::RFC3339_full, {time.data(), time.size()}, &parsed, &error)) {
      arrival.at = Time(Micros(absl::ToUnixMicros(parsed)));
    } else {
      context_.error("bad-time", at + "/at", "'" + time + "' is no time", "write 2026-03-16T09:12:30+03:00");
    }
    arrival.caller = f.text("caller");
    arrival.called = f.text("called");
    if (f.has("talk")) arrival.talk = f.duration("talk", 0ms, 0ms, kLongestSpread);
    if (f.has("patience")) arrival.patience = f.duration("patience", 0ms, 0ms, kLongestSpread);
    if (const Json* answers = f.array("answers")) {
      for (std::size_t k = 0; k < answers->size(); ++k) {
        const auto pair = texts((*answers)[k].is_array() ? (*answers)[k] : Json::array(), at + "/answers");
        if (pair.size() == 2) {
          arrival.answers.emplace_back(pair[0], pair[1]);
        } else {
          context_.error("wrong-type", at + "/answers/" + std::to_string(k),
                         "a node and what was pressed there expected", R"(write ["menu", "2"])");
        }
      }
    }
    f.done();
  }
  return out;
}

Spread CallersReader::spread(const Json& json, const std::string& at) {
  Spread out;
  if (json.is_string()) {
    out.a = context_.duration(json, at, 0ms, kLongestSpread);
    return out;
  }
  Fields f(context_, json, at);
  if (!json.is_object()) {
    context_.error("wrong-type", at, "a duration or a spread of them expected",
                   "write \"5s\", {\"mean\": \"3m\"}, {\"median\": \"2m\", \"sigma\": 0.7}, {\"from\": "
                   "\"1s\", \"to\": \"4s\"} or {\"values\": [\"1s\", \"2s\"]}");
    return out;
  }
  if (f.has("mean")) {
    out.kind = Spread::Kind::exponential;
    out.a = f.duration("mean", 0ms, 1ms, kLongestSpread, true);
  } else if (f.has("median")) {
    out.kind = Spread::Kind::lognormal;
    out.a = f.duration("median", 0ms, 1ms, kLongestSpread, true);
    out.sigma = f.number("sigma", 0.7, 0, 4);
  } else if (f.has("values")) {
    out.kind = Spread::Kind::values;
    if (const Json* values = f.array("values", true)) {
      for (std::size_t i = 0; i < values->size(); ++i)
        out.values.push_back(
            context_.duration((*values)[i], at + "/values/" + std::to_string(i), 0ms, kLongestSpread));
    }
    if (out.values.empty()) context_.error("out-of-range", at + "/values", "no values", "list at least one");
  } else {
    out.kind = Spread::Kind::uniform;
    out.a = f.duration("from", 0ms, 0ms, kLongestSpread, true);
    out.b = f.duration("to", 0ms, 0ms, kLongestSpread, true);
    if (out.b < out.a) context_.error("out-of-range", at + "/to", "it is before 'from'", "");
  }
  f.done();
  return out;
}

}  // namespace simulation

absl::Status read_callers(std::string_view text, SimulatorOptions& options) {
  std::vector<Finding> findings;
  const Json json = flow::parse_document(text, findings);
  if (findings.empty() && !json.is_object())
    findings.push_back({"wrong-type", Severity::error, "", "an object expected", ""});
  SimulatorOptions read = options;
  if (findings.empty()) simulation::CallersReader(findings, read).read(json);
  if (findings.empty()) {
    options = std::move(read);
    return absl::OkStatus();
  }
  std::string words;
  for (const Finding& finding : findings) words.append(words.empty() ? "" : "\n").append(to_string(finding));
  return absl::InvalidArgumentError(words);
}

absl::StatusOr<std::vector<RecordedArrival>> parse_arrivals(std::string_view text) {
  std::vector<Finding> findings;
  const Json json = flow::parse_document(text, findings);
  if (findings.empty() && !json.is_object())
    findings.push_back({"wrong-type", Severity::error, "", "an object expected", ""});
  SimulatorOptions unused;
  std::vector<RecordedArrival> arrivals;
  if (findings.empty()) arrivals = simulation::CallersReader(findings, unused).recorded(json);
  if (findings.empty()) return arrivals;
  std::string words;
  for (const Finding& finding : findings) words.append(words.empty() ? "" : "\n").append(to_string(finding));
  return absl::InvalidArgumentError(words);
}

}  // namespace ivr
