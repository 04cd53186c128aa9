#pragma once
#include <cstdio>
#include <map>
#include <string>

#include "ivr/engine.hpp"

// Tells what happens in an engine: a conversation that people read, or one JSON object a line that programs
// read.
class Narrator {
 public:
  explicit Narrator(bool json) : json_(json) {}
  void tell(const ivr::EngineEvent& event);

 private:
  void tell_json(const ivr::EngineEvent& event);
  void tell_text(const ivr::EngineEvent& event);
  void line(const ivr::EngineEvent& event, const std::string& text);

  bool json_;
  std::map<std::string, ivr::Time> started_;
  std::map<std::string, ivr::Time> entered_;  // the node a call is in
};

std::string record_json(const ivr::CallRecord& record);
std::string stats_json(const ivr::StreamStats& stats);
// The record as people read it, several lines.
std::string record_text(const ivr::CallRecord& record);
std::string seconds(ivr::Micros duration);  // "12.3 s"
