#include "ivr/csv.hpp"

namespace ivr {

void CsvWriter::separate() {
  if (!first_) out_.push_back(',');
  first_ = false;
}

CsvWriter& CsvWriter::text(std::string_view cell) {
  separate();
  const bool formula =
      !cell.empty() && std::string_view("=+-@\t\r").find(cell.front()) != std::string_view::npos;
  if (cell.find_first_of(",\"\r\n") == cell.npos) {
    out_.append(formula ? "'" : "").append(cell);
    return *this;
  }
  out_.append(formula ? "\"'" : "\"");
  for (const char c : cell) {
    if (c == '"') out_.push_back('"');
    out_.push_back(c);
  }
  out_.push_back('"');
  return *this;
}

CsvWriter& CsvWriter::number(std::string_view digits) {
  separate();
  out_.append(digits);
  return *this;
}

void CsvWriter::end() {
  out_.append("\r\n");
  first_ = true;
}

}  // namespace ivr
