#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ivr/flow.hpp"

// The findings of `ivr check` as a SARIF 2.1.0 log (OASIS), which code hosts and editors show beside the
// text.
class SarifLog {
 public:
  // `text` is the document as it was read: places are lines and columns in it.
  void add(const std::string& file, std::string_view text, const std::vector<ivr::Finding>& findings);
  std::string text() const;

 private:
  struct File {
    std::string name, text;
    std::vector<ivr::Finding> findings;
  };
  std::vector<File> files_;
};

struct TextPlace {
  int line = 1, column = 1;
};

// Where JSON pointers lead in a text that is JSON up to there, from 1: their key, or the value where it has
// none. What it does not find is where the nearest thing around it is. The text is read once for all of them.
class TextPlaces {
 public:
  TextPlaces(std::string_view text, const std::vector<std::string>& pointers);
  TextPlace at(std::string_view pointer) const;

 private:
  class Finder;
  struct Step {
    std::map<std::string, int> then;
    TextPlace place;
    bool met = false;
  };
  int step(int from, const std::string& name) const;  // -1: none

  std::vector<Step> steps_;
};
