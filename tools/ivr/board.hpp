#pragma once
#include <string>

#include "ivr/engine.hpp"

// The desk at a glance: who waits where, who talks, rings, wraps up. One line a change, so that it reads the
// same on a terminal and in a file.
class Board {
 public:
  explicit Board(ivr::Engine& engine) : engine_(engine) {}
  // Call it often; it looks at most four times a second, and prints when something has changed.
  void show();

 private:
  ivr::Engine& engine_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now(), looked_{};
  std::string last_;
};
