#pragma once
#include <string>

#include "absl/status/status.h"
#include "ivr/engine.hpp"

// A line for each refused request, as ivr/refusals.hpp has it, at the end of a file. The file is opened anew
// for each line: it may be moved away at any time.
class RefusalLog {
 public:
  explicit RefusalLog(std::string path) : path_(std::move(path)) {}  // "-": standard error; empty: no log

  absl::Status check() const;  // can it be written?
  void tell(const ivr::EngineEvent& event);
  const std::string& error() const { return error_; }  // the last one

 private:
  std::string path_, error_;
};
