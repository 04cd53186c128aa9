#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ivr/spoken.hpp"

namespace ivr::spoken {

// What a language has to know. A new language is a new file with one of these, and a line in spoken.cpp.
// Everything that comes in was checked.
struct Money {
  std::string_view currency;  // one of kCurrencies
  bool negative = false;
  std::uint64_t major = 0, minor = 0;
};

struct Language {
  std::string_view tag;
  std::string_view negative;                                     // "minus"
  std::string_view point;                                        // "point"
  std::string (*cardinal)(std::uint64_t number, Gender gender);  // up to 999,999,999,999,999
  std::uint64_t max_ordinal;
  std::string (*ordinal)(std::uint64_t number, Gender gender);
  std::string_view (*key)(char key);         // 0-9 * # + A-D
  std::string (*money)(const Money& money);  // without the sign
  std::string (*date)(int year, unsigned month, unsigned day);
  std::string (*time)(int hour, int minute);
};

extern const Language kEnglish;
extern const Language kArabic;

}  // namespace ivr::spoken
