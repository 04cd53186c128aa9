#include "robot.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

namespace {

using ivr::Millis;
using namespace std::chrono_literals;

constexpr std::string_view kKeys = "0123456789*#ABCDabcdwW";

std::string_view trim(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\n' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\n' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

// "2s", "1.5s", "300ms", "2m"
std::optional<Millis> duration(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > 86'400) return std::nullopt;
  const std::string_view unit(end, text.data() + text.size());
  if (unit == "ms") return Millis(static_cast<std::int64_t>(number));
  if (unit == "s" || unit.empty()) return Millis(static_cast<std::int64_t>(number * 1000));
  if (unit == "m") return Millis(static_cast<std::int64_t>(number * 60'000));
  return std::nullopt;
}

absl::StatusOr<RobotStep> parse_step(std::string_view text, std::string_view language) {
  const auto space = text.find(' ');
  const std::string_view verb = text.substr(0, space);
  const std::string_view argument = space == std::string_view::npos ? "" : trim(text.substr(space));
  const auto bad = [&](const std::string& why) {
    return absl::InvalidArgumentError("cannot do '" + std::string(text) + "': " + why);
  };
  RobotStep step{.text = std::string(text)};
  if (verb == "wait") {
    const auto d = duration(argument);
    if (!d) return bad("wait wants a duration, such as 2s or 300ms");
    step.intent = ivr::intent::Wait{*d};
  } else if (verb == "press") {
    if (argument.empty() || argument.find_first_not_of(kKeys) != std::string_view::npos) {
      return bad("press wants keys out of 0-9 * # A-D, w for a pause");
    }
    std::string keys(argument);
    std::ranges::transform(keys, keys.begin(),
                           [](char c) { return c >= 'a' && c <= 'd' ? static_cast<char>(c - 32) : c; });
    step.intent = ivr::intent::SendDigits{keys};
  } else if (verb == "expect-audio" || verb == "expect-hangup" || verb == "listen") {
    const bool expects = verb != "listen";
    Millis limit = expects ? 10s : 30s;
    if (!argument.empty()) {
      const auto d = duration(argument);
      if (!d) return bad(std::string(verb) + " wants a duration, such as 5s, or nothing");
      limit = *d;
    }
    step.expectation = expects;
    if (verb == "expect-hangup") {
      step.intent = ivr::intent::Wait{limit};
    } else {
      step.intent = ivr::intent::Listen{limit, !expects};
    }
  } else if (verb == "say") {
    if (argument.empty()) return bad("say wants a WAV file or a text in quotes");
    ivr::Prompt prompt;
    if (argument.size() >= 2 && argument.front() == '"' && argument.back() == '"') {
      prompt.value = argument.substr(1, argument.size() - 2);
      prompt.language = language;
    } else {
      prompt.kind = ivr::Prompt::Kind::file;
      std::error_code none;
      prompt.value = std::filesystem::absolute(argument).lexically_relative("/");
      if (!std::filesystem::exists(std::string(argument), none))
        return bad("there is no file " + std::string(argument));
    }
    step.intent = ivr::intent::Play{{prompt}, 1, ivr::BargeIn::none};
  } else if (verb == "hangup") {
    step.intent = ivr::intent::Hangup{};
  } else {
    return bad("there are wait, press, expect-audio, expect-hangup, listen, say and hangup");
  }
  return step;
}

class Robot final : public ivr::Script {
 public:
  Robot(std::vector<RobotStep> steps, std::shared_ptr<RobotReport> report)
      : steps_(std::move(steps)), report_(std::move(report)) {}

  void step(const ivr::Outcome& outcome, ivr::Time now, ivr::ScriptOutput& out) override {
    if (std::holds_alternative<ivr::outcome::Started>(outcome)) {
      report_->answered = true;
      report_->up = now;
    } else if (const auto* ended = std::get_if<ivr::outcome::Ended>(&outcome)) {
      report_->over = now;
      report_->ended_by = ended->by == ivr::outcome::EndedBy::script   ? "robot"
                          : ended->by == ivr::outcome::EndedBy::caller ? "peer"
                                                                       : "system";
      report_->reason = ended->reason;
      if (report_->ended_by == "peer" && next_ > 0 && awaits_hangup(steps_[next_ - 1])) {
        auto& done = report_->steps.back();
        done.ok = true;
        done.detail = "hung up after " + std::to_string((since_up(now) - done.at).count()) + " ms";
      }
      return;
    } else {
      finish(outcome);
    }
    if (next_ == steps_.size()) {
      out.intent.push_back(ivr::intent::Hangup{"done"});
      return;
    }
    const RobotStep& step = steps_[next_++];
    report_->steps.push_back({step.text, since_up(now), false, "not finished"});
    if (std::holds_alternative<ivr::intent::Hangup>(step.intent)) {
      report_->steps.back().ok = true;
      report_->steps.back().detail.clear();
    }
    out.intent.push_back(step.intent);
  }

 private:
  Millis since_up(ivr::Time now) const { return std::chrono::duration_cast<Millis>(now - report_->up); }

  static bool awaits_hangup(const RobotStep& step) {
    return step.expectation && std::holds_alternative<ivr::intent::Wait>(step.intent);
  }

  void finish(const ivr::Outcome& outcome) {
    auto& done = report_->steps.back();
    done.ok = true;
    done.detail.clear();
    if (const auto* heard = std::get_if<ivr::outcome::Listened>(&outcome)) {
      done.ok = heard->voice || !steps_[next_ - 1].expectation;
      done.detail =
          heard->voice ? "heard after " + std::to_string(heard->after.count()) + " ms" : "heard nothing";
    } else if (awaits_hangup(steps_[next_ - 1])) {
      done.ok = false;
      done.detail = "nobody hung up";
    } else if (const auto* played = std::get_if<ivr::outcome::Played>(&outcome)) {
      done.ok = played->end != ivr::outcome::PlayEnd::failed;
      done.detail = done.ok ? std::to_string(played->heard.count()) + " ms" : played->error;
    } else if (std::holds_alternative<ivr::outcome::DigitsSent>(outcome)) {
      for (const char c : std::get<ivr::intent::SendDigits>(steps_[next_ - 1].intent).digits) {
        if (c != 'w' && c != 'W') report_->digits_sent.push_back(c);
      }
    }
  }

  std::vector<RobotStep> steps_;
  std::size_t next_ = 0;
  std::shared_ptr<RobotReport> report_;
};

}  // namespace

absl::StatusOr<std::vector<RobotStep>> parse_robot(std::string_view text, std::string_view language) {
  std::vector<RobotStep> steps;
  bool quoted = false;
  std::size_t from = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '"') quoted = !quoted;
    if (i < text.size() && (text[i] != ';' || quoted)) continue;
    const std::string_view one = trim(text.substr(from, i - from));
    from = i + 1;
    if (one.empty()) continue;
    auto step = parse_step(one, language);
    if (!step.ok()) return step.status();
    steps.push_back(*std::move(step));
  }
  return steps;
}

std::unique_ptr<ivr::Script> make_robot(std::vector<RobotStep> steps, std::shared_ptr<RobotReport> report) {
  return std::make_unique<Robot>(std::move(steps), std::move(report));
}
