#pragma once
#include <string>
#include <string_view>

namespace ivr {

// Writes CSV as RFC 4180 has it: CRLF after each record, a cell in quotes where it has a comma, a quote or a
// line break. A text that a spreadsheet would take for a formula, beginning with = + - @, a tab or a carriage
// return, gets an apostrophe before it; numbers are written as they are.
//
// Thread: one at a time.
class CsvWriter {
 public:
  explicit CsvWriter(std::string& out) : out_(out) {}

  CsvWriter& text(std::string_view cell);
  CsvWriter& number(std::string_view digits);  // our own, never somebody's text
  void end();                                  // of the record

 private:
  void separate();
  std::string& out_;
  bool first_ = true;
};

}  // namespace ivr
