#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

// Numbers, money, dates and times as the words that a voice reads out, by the rules of each language.
// This is text only; a SpeechPort makes sound of it.
//
// A language is a BCP 47 tag of which the first part counts: "ar-SA" is "ar". Numbers come as text, so that
// money never meets binary fractions: "-1042.50", digits ASCII or Arabic-Indic, at most 15 before and 12
// after the point.
//
// Errors: InvalidArgument, naming what was given and what there is.
// Thread: any; nothing here has state.

namespace ivr {

enum class Gender { masculine, feminine };  // of the thing that is counted

struct Grammar {
  std::string language = "en";
  Gender gender = Gender::masculine;  // Arabic; English has none
};

std::vector<std::string_view> spoken_languages();   // "ar", "en"
std::vector<std::string_view> spoken_currencies();  // "AED", "EGP", ...

// "1042.5": "one thousand forty two point five"
absl::StatusOr<std::string> say_number(std::string_view decimal, const Grammar& grammar);
absl::StatusOr<std::string> say_number(std::int64_t number, const Grammar& grammar);

// 21: "twenty first". From 1; Arabic, in the definite form, up to 99.
absl::StatusOr<std::string> say_ordinal(std::int64_t number, const Grammar& grammar);

// "+20 12#": "plus two zero one two hash", one key after the other; blanks and hyphens are skipped. At most
// 128.
absl::StatusOr<std::string> say_digits(std::string_view digits, std::string_view language);

// "12.50", "USD": "twelve dollars and fifty cents". What is finer than the minor unit is rounded, half away
// from zero.
absl::StatusOr<std::string> say_money(std::string_view amount, std::string_view currency,
                                      std::string_view language);

// "2026-03-15", also with a time behind it: "the fifteenth of March, two thousand twenty six". Years 1 to
// 9999.
absl::StatusOr<std::string> say_date(std::string_view date, std::string_view language);

// "14:05", "14:05:30" or a date with a time: "two oh five p.m."; seconds and zone are not said.
absl::StatusOr<std::string> say_time(std::string_view time, std::string_view language);

}  // namespace ivr
