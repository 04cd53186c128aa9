#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "ivr/script.hpp"

// What the robot caller does, and how it went.
struct RobotStep {
  std::string text;  // as it was written
  ivr::Intent intent;
  bool expectation = false;  // it fails when nobody speaks, or hangs up
};

struct RobotReport {
  struct Done {
    std::string text;
    ivr::Millis at{0};  // since the call was up
    bool ok = true;
    std::string detail;
  };
  bool answered = false;
  ivr::Time up{}, over{};
  std::vector<Done> steps;
  std::string digits_sent;
  std::string ended_by, reason;
};

// "wait 2s; press 12345#; expect-audio 5s; listen; say hello.wav; say \"good morning\"; hangup".
// InvalidArgument names the step that cannot be read. WAV paths are made absolute.
absl::StatusOr<std::vector<RobotStep>> parse_robot(std::string_view text, std::string_view language);

// The report is complete when the call has ended.
std::unique_ptr<ivr::Script> make_robot(std::vector<RobotStep> steps, std::shared_ptr<RobotReport> report);
