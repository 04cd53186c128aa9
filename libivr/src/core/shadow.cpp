#include "ivr/shadow.hpp"

#include <algorithm>
#include <optional>

#include "core/event_fields.hpp"
#include "core/flow_model.hpp"

namespace ivr {
namespace {

constexpr int kMaxSteps = 20'000;  // of one call in another version; a flow that asks nobody ends by its fuel

template <class... F>
struct ShadowOverload : F... {
  using F::operator()...;
};
template <class... F>
ShadowOverload(F...) -> ShadowOverload<F...>;

std::string prompt_words(const Prompts& prompts) {
  std::string text;
  for (const Prompt& prompt : prompts) {
    text += ' ';
    if (prompt.secret) {
      text += "***";
    } else if (prompt.kind == Prompt::Kind::text) {
      text += '"' + prompt.value + '"';
    } else if (prompt.kind == Prompt::Kind::silence) {
      text += "silence of " + std::to_string(prompt.length.count()) + " ms";
    } else {
      text +=
          std::string(Words<Prompt::Kind>::kAll[static_cast<std::size_t>(prompt.kind)]) + ' ' + prompt.value;
    }
  }
  return text;
}

// An intent in a line. Not `shown` to anybody it is whole: what makes two of them the same question.
std::string intent_words(const Intent& intent, bool shown = true) {
  return std::visit(
      ShadowOverload{
          [](const intent::Play& x) { return "play" + prompt_words(x.prompts); },
          [](const intent::Collect& x) { return "ask" + prompt_words(x.prompts); },
          [](const intent::Record& x) { return "record" + prompt_words(x.prompts); },
          [shown](const intent::Fetch& x) {
            if (x.request.secret && shown) return x.request.method + " ***";
            return x.request.method + ' ' + x.request.url +
                   (x.request.body.empty() ? "" : ' ' + x.request.body);
          },
          [](const intent::Transfer& x) { return (x.refer ? "refer to " : "call ") + x.uri; },
          [](const intent::Wait& x) { return "wait " + std::to_string(x.duration.count()) + " ms"; },
          [](const intent::SendDigits& x) { return "send keys " + (x.secret ? "***" : x.digits); },
          [](const intent::Listen&) { return std::string("listen"); },
          [](const intent::Answer&) { return std::string("answer"); },
          [](const intent::Queue& x) {
            return "queue " + x.queue + (x.direct ? " for " + x.agent : std::string());
          },
          [](const intent::Callback& x) { return "call back " + x.number; },
          [](const intent::Serve&) { return std::string("serve"); },
          [](const intent::Decline&) { return std::string("decline"); },
          [](const intent::AgentStatus& x) {
            return "agent " + x.agent + " is to be " +
                   (x.state ? std::string(Words<AgentState>::kAll[static_cast<std::size_t>(*x.state)])
                            : "toggled");
          },
          [](const intent::Hangup& x) { return "hang up (" + x.reason + ")"; }},
      intent);
}

// Others than the caller are asked, and answer this question only.
bool asks_others(const Intent& intent) {
  return std::holds_alternative<intent::Fetch>(intent) || std::holds_alternative<intent::Transfer>(intent) ||
         std::holds_alternative<intent::Queue>(intent) || std::holds_alternative<intent::Callback>(intent) ||
         std::holds_alternative<intent::AgentStatus>(intent);
}

// Ends by itself when nobody does anything.
bool passes(const Intent& intent) {
  if (const auto* play = std::get_if<intent::Play>(&intent)) return play->loops > 0;
  return std::holds_alternative<intent::Wait>(intent) || std::holds_alternative<intent::SendDigits>(intent) ||
         std::holds_alternative<intent::Answer>(intent);
}

std::string_view word(outcome::QueueEnd end) {
  return Words<outcome::QueueEnd>::kAll[static_cast<std::size_t>(end)];
}

std::string_view word(outcome::TransferEnd end) {
  static constexpr std::string_view kWords[] = {"completed", "busy", "no answer", "rejected", "failed"};
  return kWords[static_cast<std::size_t>(end)];
}

// Keeps what a run says of its way.
class Tracer {
 public:
  void note(const ScriptOutput& out) {
    for (const Note& note : out.notes) {
      if (const auto* entered = std::get_if<note::NodeEntered>(&note)) {
        again_ = !path.nodes.empty() && path.nodes.back().node == entered->node &&
                 path.nodes.back().exit == "retry";
        path.nodes.push_back({entered->node, entered->type, {}, {}});
      } else if (const auto* left = std::get_if<note::NodeLeft>(&note);
                 left != nullptr && !path.nodes.empty()) {
        path.nodes.back().exit = left->exit;
      }
    }
    for (const Intent& intent : out.intent) {
      if (!path.nodes.empty()) path.nodes.back().wants.push_back(intent_words(intent));
    }
  }

  // What came of an intent that matters to whoever called, or was called.
  void came(const Intent& intent, const Outcome& outcome) {
    if (const auto* queued = std::get_if<outcome::Queued>(&outcome)) {
      const auto* queue = std::get_if<intent::Queue>(&intent);
      add("queue " + (queue ? queue->queue : std::string()) + ": " + std::string(word(queued->end)));
    } else if (const auto* transferred = std::get_if<outcome::Transferred>(&outcome)) {
      add(intent_words(intent) + ": " + std::string(word(transferred->end)));
    } else if (const auto* callback = std::get_if<outcome::CallbackTaken>(&outcome);
               callback && callback->taken) {
      add("to be called back");
    } else if (const auto* recorded = std::get_if<outcome::Recorded>(&outcome);
               recorded && recorded->end != outcome::RecordEnd::failed) {
      add("a message is recorded");
    } else if (const auto* ended = std::get_if<outcome::Ended>(&outcome); ended && !over_) {
      over_ = true;
      const std::string at = path.nodes.empty() ? "" : " at " + path.nodes.back().node;
      switch (ended->by) {
        case outcome::EndedBy::caller: add("the caller hung up" + at); break;
        case outcome::EndedBy::script: add("hung up" + at + " (" + ended->reason + ")"); break;
        case outcome::EndedBy::system: add("ended" + at + ": " + ended->reason); break;
      }
    }
  }

  bool again() const { return again_; }  // the question of this node is asked once more
  bool over() const { return over_; }

  ShadowPath path;

 private:
  void add(const std::string& text) { path.outcome += (path.outcome.empty() ? "" : ", then ") + text; }
  bool again_ = false, over_ = false;
};

// What was asked in the recorded call, and what came of it.
struct Asked {
  std::string node;
  bool again = false;
  Intent intent;
  std::string words;
  Outcome outcome;
  Time at{};
};

struct Recorded {
  Tracer tracer;
  std::vector<Asked> asked;
  outcome::Started started;
  Time began{};
};

class RecordedScript : public Script {
 public:
  RecordedScript(std::unique_ptr<FlowRun> run, Recorded& to) : run_(std::move(run)), to_(to) {}

  void step(const Outcome& outcome, Time now, ScriptOutput& out) override {
    if (const auto* started = std::get_if<outcome::Started>(&outcome)) {
      to_.started = *started;
      to_.began = now;
    } else if (open_) {
      to_.tracer.came(*open_, outcome);
      to_.asked.push_back(
          {run_->node(), to_.tracer.again(), *open_, intent_words(*open_, false), outcome, now});
    }
    run_->step(outcome, now, out);
    to_.tracer.note(out);
    open_.reset();
    if (!out.intent.empty()) open_ = out.intent.front();
  }
  std::string variables() const override { return run_->variables(); }

 private:
  std::unique_ptr<FlowRun> run_;
  Recorded& to_;
  std::optional<Intent> open_;
};

// Recorded answers, given to the questions of another version.
class Answers {
 public:
  Answers(const std::vector<Asked>& asked, const std::vector<std::string>& known_nodes)
      : asked_(asked), nodes_(known_nodes) {}

  // The outcome of this intent; none: the log does not hold it, and lacks() says what.
  std::optional<Outcome> to(const Intent& intent, const std::string& node, bool again, Time& now) {
    const std::string words = intent_words(intent, false);
    if (const auto* hangup = std::get_if<intent::Hangup>(&intent))
      return outcome::Ended{outcome::EndedBy::script, hangup->reason};
    const auto* collect = std::get_if<intent::Collect>(&intent);
    if (collect != nullptr && !collect->carry) ahead_.clear();
    if (collect != nullptr && !ahead_.empty())
      return cut(*collect, std::exchange(ahead_, {}), std::nullopt, false);

    const Asked* found = nullptr;
    for (std::size_t i = next_; i < asked_.size() && found == nullptr; ++i) {
      const Asked& then = asked_[i];
      const bool ended = std::holds_alternative<outcome::Ended>(then.outcome);
      const bool alike =
          then.node == node && then.again == again && (ended || then.intent.index() == intent.index());
      // After the end nobody hangs up any more: what stands open then was asked by the flow.
      if (then.words == words || (alike && !asks_others(intent))) {
        found = &then;
        next_ = i + 1;
      } else if (passes(intent) && !passes(then.intent)) {
        break;  // what only passes does not come before an answer that is still to be given
      }
    }
    if (found == nullptr) return passes(intent) ? passed(intent) : lack(intent, node);
    now = std::max(now, found->at);
    if (const auto* collected = std::get_if<outcome::Collected>(&found->outcome); collected && collect) {
      std::string keys = collected->digits;
      if (collected->terminator != 0) keys.push_back(collected->terminator);
      const bool silence =
          collected->end == outcome::CollectEnd::no_input || collected->end == outcome::CollectEnd::timeout;
      return cut(*collect, std::move(keys), *collected, silence);
    }
    // A prompt that was a question then, and the other way round.
    if (!std::holds_alternative<outcome::Ended>(found->outcome) && found->intent.index() != intent.index())
      return passes(intent) ? passed(intent) : lack(intent, node);
    return found->outcome;
  }

  const std::string& lacks() const { return lacks_; }

 private:
  // Keys by the terms of this question; those too many are pressed ahead of the next.
  std::optional<Outcome> cut(const intent::Collect& want, std::string keys,
                             const std::optional<outcome::Collected>& then, bool silence) {
    if (!want.sensitive && keys.find('?') != std::string::npos) {
      lacks_ = "keys that the log does not show";
      return std::nullopt;
    }
    outcome::Collected now;
    now.redacted = then ? then->redacted : keys.find('?') != std::string::npos;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (want.terminators.find(keys[i]) != std::string::npos) {
        now.end = outcome::CollectEnd::terminator, now.terminator = keys[i];
        ahead_ = keys.substr(i + 1);
        return now;
      }
      now.digits.push_back(keys[i]);
      const bool secret = now.digits.find('?') != std::string::npos;
      if (static_cast<int>(now.digits.size()) >= want.max ||
          (want.map && !secret && !want.map->judge(now.digits).more)) {
        now.end = outcome::CollectEnd::full;
        ahead_ = keys.substr(i + 1);
        return now;
      }
      if (want.map && secret) {
        lacks_ = "keys that the log does not show";
        return std::nullopt;
      }
    }
    if (silence) {
      now.end = now.digits.empty() ? outcome::CollectEnd::no_input : outcome::CollectEnd::timeout;
      return now;
    }
    lacks_ = "more keys than the caller was asked for: " + std::to_string(keys.size()) + " of up to " +
             std::to_string(want.max);
    return std::nullopt;
  }

  static Outcome passed(const Intent& intent) {
    if (std::holds_alternative<intent::Wait>(intent)) return outcome::Waited{};
    if (std::holds_alternative<intent::SendDigits>(intent)) return outcome::DigitsSent{};
    if (std::holds_alternative<intent::Answer>(intent)) return outcome::Answered{};
    return outcome::Played{};
  }

  std::optional<Outcome> lack(const Intent& intent, const std::string& node) {
    if (std::holds_alternative<intent::Collect>(intent)) {
      lacks_ = std::ranges::find(nodes_, node) == nodes_.end()
                   ? "an answer of the caller, who was never asked this"
                   : "another answer of the caller";
    } else if (asks_others(intent)) {
      lacks_ = "what comes of: " + intent_words(intent);
    } else {
      lacks_ = "what the caller does: " + intent_words(intent);
    }
    return std::nullopt;
  }

  const std::vector<Asked>& asked_;
  const std::vector<std::string>& nodes_;
  std::size_t next_ = 0;
  std::string ahead_;  // keys pressed before they were asked for
  std::string lacks_;
};

std::unique_ptr<FlowRun> run_of(const ShadowFlow& flow, const CallInfo& call, std::vector<FlowStep> way) {
  return std::make_unique<FlowRun>(flow.flow, FlowRunOptions{.seed = flow_seed(call.id),
                                                             .variables = call.variables,
                                                             .calendars = flow.calendars,
                                                             .lists = flow.lists,
                                                             .zone = flow.zone,
                                                             .recorded_way = std::move(way)});
}

ShadowPath run_again(const Recorded& recorded, FlowRun& run) {
  std::vector<std::string> nodes;
  for (const ShadowNode& node : recorded.tracer.path.nodes) nodes.push_back(node.node);
  Answers answers(recorded.asked, nodes);
  Tracer tracer;
  ScriptOutput out;
  Time now = recorded.began;
  Outcome outcome = recorded.started;
  for (int steps = 0;; ++steps) {
    out.clear();
    run.step(outcome, now, out);
    tracer.note(out);
    if (!run.guessed().empty()) {
      // Behind the node that had to guess nothing is certain.
      auto& path = tracer.path.nodes;
      const auto guess = std::ranges::find(path, run.guessed(), &ShadowNode::node);
      if (guess != path.end()) path.erase(guess + 1, path.end());
      if (!path.empty()) path.back().exit.clear();
      tracer.path.lacks = "what decides this, a secret or something of the site";
      break;
    }
    if (run.ended() || out.intent.empty()) break;
    if (steps == kMaxSteps) {
      tracer.path.lacks = "an end: it goes on after " + std::to_string(kMaxSteps) + " steps";
      break;
    }
    const Intent& intent = out.intent.front();
    auto came = answers.to(intent, run.node(), tracer.again(), now);
    if (!came) {
      tracer.path.lacks = answers.lacks();
      break;
    }
    tracer.came(intent, *came);
    outcome = *std::move(came);
  }
  return tracer.path;
}

bool same_way(const ShadowNode& a, const ShadowNode& b) { return a.node == b.node && a.exit == b.exit; }

void compare_paths(ShadowResult& result) {
  const auto& before = result.before.nodes;
  const auto& after = result.after.nodes;
  const std::size_t shorter = std::min(before.size(), after.size());
  for (std::size_t i = 0; i < shorter && result.parts_at < 0; ++i) {
    if (!same_way(before[i], after[i])) result.parts_at = static_cast<int>(i);
    if (result.differs_at < 0 && before[i] != after[i]) result.differs_at = static_cast<int>(i);
  }
  if (result.parts_at < 0 && before.size() != after.size()) result.parts_at = static_cast<int>(shorter);
  if (result.differs_at < 0) result.differs_at = result.parts_at;
  result.kind = !result.after.lacks.empty()                     ? ShadowKind::unknown
                : result.before.outcome != result.after.outcome ? ShadowKind::outcome
                : result.parts_at >= 0                          ? ShadowKind::way
                : result.differs_at >= 0                        ? ShadowKind::words
                                                                : ShadowKind::same;
}

// Where they part, in a line.
std::string parting(const ShadowResult& result) {
  if (!result.after.lacks.empty())
    return result.after.nodes.empty() ? "the start" : result.after.nodes.back().node;
  const int at = result.parts_at >= 0 ? result.parts_at : result.differs_at;
  if (at < 0) return "";
  const auto i = static_cast<std::size_t>(at);
  const auto& before = result.before.nodes;
  const auto& after = result.after.nodes;
  const std::string behind = i == 0 ? "the start" : before[i - 1].node + " (" + before[i - 1].exit + ")";
  if (i >= before.size()) return "after " + behind + ": now " + after[i].node;
  if (i >= after.size()) return "after " + behind + ": no " + before[i].node + " any more";
  if (before[i].node != after[i].node)
    return "after " + behind + ": " + before[i].node + ", now " + after[i].node;
  if (before[i].exit != after[i].exit)
    return before[i].node + ": " + before[i].exit + ", now " + after[i].exit;
  return before[i].node + ": other words";
}

}  // namespace

std::string_view to_string(ShadowKind kind) noexcept {
  switch (kind) {
    case ShadowKind::same: return "same";
    case ShadowKind::words: return "words";
    case ShadowKind::way: return "way";
    case ShadowKind::outcome: return "outcome";
    case ShadowKind::unknown: return "unknown";
  }
  return "";
}

// FNV-1a, 64 bits.
std::uint64_t flow_seed(std::string_view call_id) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const char c : call_id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  return hash;
}

CallSessionOptions recorded_options(std::span<const LogEntry> entries, const Flow& flow) {
  CallSessionOptions options;
  if (entries.empty()) return options;
  options.record =
      entries.size() > 1 &&
      entries[1].out.find("{\"start_record\":{\"record\":1,\"name\":\"call\"") != std::string::npos;
  options.answer_later = entries.front().out.find("{\"ring\":") != std::string::npos;
  options.secret_type_ahead = flow.asks_for_secrets();
  options.record_digits =
      !options.record || entries[1].out.find("\"without_digits\":true") == std::string::npos;
  return options;
}

absl::StatusOr<ShadowResult> shadow(std::span<const LogEntry> entries, const ShadowFlow& before,
                                    const ShadowFlow& after) {
  const auto* invited = entries.empty() ? nullptr : std::get_if<event::Invited>(&entries.front().event);
  if (invited == nullptr)
    return absl::InvalidArgumentError("event log: it does not begin with the call's invitation");
  const std::vector<FlowStep> way = recorded_way(entries);
  Recorded recorded;
  const auto replayed =
      replay(entries, std::make_unique<RecordedScript>(run_of(before, invited->call, way), recorded),
             recorded_options(entries, *before.flow));
  if (!replayed.ok()) return replayed.status();
  if (replayed->differs_at >= 0) {
    return absl::FailedPreconditionError("step " + std::to_string(replayed->differs_at) +
                                         " differs already on the version it ran on; 'ivr replay' shows how");
  }
  if (recorded.began == Time{}) return absl::InvalidArgumentError("the call never came to its flow");
  if (!recorded.tracer.over()) return absl::InvalidArgumentError("the call has no end in the log");
  ShadowResult result;
  result.before = recorded.tracer.path;
  result.after = run_again(recorded, *run_of(after, invited->call, way));
  compare_paths(result);
  return result;
}

// --------------------------------------------------------------------------------------- many calls

void ShadowReport::add(std::string_view call, const ShadowResult& result) {
  ++calls_;
  ++kinds_[static_cast<std::size_t>(result.kind)];
  if (result.kind != ShadowKind::unknown) {
    longer_ += result.after.nodes.size() > result.before.nodes.size();
    shorter_ += result.after.nodes.size() < result.before.nodes.size();
    // Once for each call, however often it took it.
    std::map<std::pair<std::string, std::string>, Taken> taken;
    for (const ShadowNode& node : result.before.nodes) taken[{node.node, node.exit}].before = 1;
    for (const ShadowNode& node : result.after.nodes) taken[{node.node, node.exit}].after = 1;
    for (const auto& [exit, count] : taken) {
      exits_[exit].before += count.before;
      exits_[exit].after += count.after;
    }
  }
  if (result.kind == ShadowKind::same) return;
  ShadowGroup group{.kind = result.kind,
                    .at = parting(result),
                    .before = result.before.outcome,
                    .after = result.kind == ShadowKind::unknown ? result.after.lacks : result.after.outcome};
  // Where it cannot be told what becomes of them, it does not matter what became of them.
  if (group.kind == ShadowKind::unknown) group.before.clear();
  std::string key(to_string(group.kind));
  for (const std::string* part : {&group.at, &group.before, &group.after}) key += '\n' + *part;
  ShadowGroup& all = groups_.try_emplace(key, std::move(group)).first->second;
  ++all.calls;
  if (all.examples.size() < 3) all.examples.emplace_back(call);
}

void ShadowReport::fail(std::string_view call, std::string why) {
  failed_.emplace_back(std::string(call), std::move(why));
}

int ShadowReport::count(ShadowKind kind) const noexcept { return kinds_[static_cast<std::size_t>(kind)]; }

double ShadowReport::changed() const noexcept {
  const int changed = count(ShadowKind::outcome) + count(ShadowKind::unknown);
  return calls_ == 0 ? 0 : static_cast<double>(changed) / calls_;
}

std::vector<ShadowGroup> ShadowReport::groups() const {
  std::vector<ShadowGroup> list;
  for (const auto& [key, group] : groups_) list.push_back(group);
  std::ranges::stable_sort(list, std::greater{}, &ShadowGroup::calls);
  return list;
}

std::vector<DeadExit> ShadowReport::dead_exits(const Flow& flow) const {
  std::vector<DeadExit> dead;
  for (const flow::Node& node : flow.model().nodes) {
    for (const flow::Exit& exit : node.exits) {
      const auto taken = exits_.find({node.name, exit.name});
      if (taken != exits_.end() && taken->second.before > 0 && taken->second.after == 0)
        dead.push_back({node.name, exit.name, taken->second.before});
    }
  }
  return dead;
}

}  // namespace ivr
