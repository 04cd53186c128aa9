#include "ivr/spoken.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <iterator>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "core/spoken_language.hpp"

namespace ivr {
namespace {

using spoken::Language;

const Language* const kLanguages[] = {&spoken::kArabic, &spoken::kEnglish};

struct Currency {
  std::string_view code;
  int digits;  // of the minor unit (ISO 4217)
};
constexpr Currency kCurrencies[] = {{"AED", 2}, {"EGP", 2}, {"EUR", 2}, {"GBP", 2},
                                    {"INR", 2}, {"JOD", 3}, {"SAR", 2}, {"USD", 2}};

constexpr std::size_t kMaxWhole = 15;
constexpr std::uint64_t kMaxWholeValue = 999'999'999'999'999;
constexpr std::size_t kMaxFraction = 12;
constexpr std::size_t kMaxKeys = 128;

// A word from outside as it may stand in an error message.
std::string shown(std::string_view text) {
  std::string result = "'";
  for (const char c : text.substr(0, 64)) result += static_cast<unsigned char>(c) < ' ' ? '?' : c;
  return result += text.size() > 64 ? "...'" : "'";
}

template <class Range, class Name>
std::string listed(const Range& range, Name name) {
  std::string result;
  for (const auto& each : range) result.append(result.empty() ? "" : ", ").append(name(each));
  return result;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

absl::StatusOr<const Language*> find_language(std::string_view tag) {
  const auto primary = tag.substr(0, tag.find_first_of("-_"));
  for (const auto* language : kLanguages) {
    if (std::equal(primary.begin(), primary.end(), language->tag.begin(), language->tag.end(),
                   [](char a, char b) { return absl::ascii_tolower(a) == b; })) {
      return language;
    }
  }
  return absl::InvalidArgumentError("no spoken words for language " + shown(tag) + "; there are " +
                                    listed(kLanguages, [](const Language* l) { return l->tag; }));
}

// Arabic-Indic and Persian digits (U+0660.., U+06F0..) and the Arabic decimal separator (U+066B) as ASCII.
std::string plain_digits(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto first = static_cast<unsigned char>(text[i]);
    const auto second = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0u;
    if (first == 0xD9 && second >= 0xA0 && second <= 0xA9) {
      result += static_cast<char>('0' + (second - 0xA0)), ++i;
    } else if (first == 0xDB && second >= 0xB0 && second <= 0xB9) {
      result += static_cast<char>('0' + (second - 0xB0)), ++i;
    } else if (first == 0xD9 && second == 0xAB) {
      result += '.', ++i;
    } else {
      result += text[i];
    }
  }
  return result;
}

struct Decimal {
  bool negative = false;  // never for zero
  std::uint64_t whole = 0;
  std::string fraction;
};

absl::StatusOr<Decimal> parse_decimal(std::string_view given) {
  const auto plain = plain_digits(given);
  std::string_view text = plain;
  Decimal result;
  if (text.starts_with('-') || text.starts_with('+')) {
    result.negative = text.front() == '-';
    text.remove_prefix(1);
  }
  const auto point = std::min(text.find('.'), text.size());
  auto whole = text.substr(0, point);
  const auto fraction = text.substr(std::min(point + 1, text.size()));
  const bool has_point = point < text.size();
  if (whole.empty() || (has_point && fraction.empty()) ||
      !std::all_of(whole.begin(), whole.end(), is_digit) ||
      !std::all_of(fraction.begin(), fraction.end(), is_digit)) {
    return absl::InvalidArgumentError(shown(given) + " is not a number like -1042.50");
  }
  while (whole.size() > 1 && whole.front() == '0') whole.remove_prefix(1);
  if (whole.size() > kMaxWhole)
    return absl::InvalidArgumentError("number " + shown(given) + " has more than 15 digits before the point");
  if (fraction.size() > kMaxFraction)
    return absl::InvalidArgumentError("number " + shown(given) + " has more than 12 digits after the point");
  std::from_chars(whole.data(), whole.data() + whole.size(), result.whole);
  result.fraction = fraction;
  if (result.whole == 0 && fraction.find_first_not_of('0') == std::string_view::npos) result.negative = false;
  return result;
}

std::string join(std::string_view first, std::string_view second) {
  return std::string(first).append(" ").append(second);
}

// Digits [at, at + count) as a number; nullopt when they are not there.
std::optional<int> digits_at(std::string_view text, std::size_t at, std::size_t count) {
  if (at + count > text.size() ||
      !std::all_of(text.begin() + static_cast<std::ptrdiff_t>(at),
                   text.begin() + static_cast<std::ptrdiff_t>(at + count), is_digit)) {
    return std::nullopt;
  }
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) value = value * 10 + (text[i] - '0');
  return value;
}

std::optional<std::chrono::year_month_day> parse_date(std::string_view text) {
  const auto year = digits_at(text, 0, 4), month = digits_at(text, 5, 2), day = digits_at(text, 8, 2);
  if (!year || !month || !day || text[4] != '-' || text[7] != '-' || *year == 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return date;
}

bool separates_time(char c) { return c == 'T' || c == 't' || c == ' '; }

}  // namespace

std::vector<std::string_view> spoken_languages() {
  std::vector<std::string_view> result;
  for (const auto* language : kLanguages) result.push_back(language->tag);
  return result;
}

std::vector<std::string_view> spoken_currencies() {
  std::vector<std::string_view> result;
  for (const auto& currency : kCurrencies) result.push_back(currency.code);
  return result;
}

absl::StatusOr<std::string> say_number(std::string_view decimal, const Grammar& grammar) {
  const auto language = find_language(grammar.language);
  if (!language.ok()) return language.status();
  const auto number = parse_decimal(decimal);
  if (!number.ok()) return number.status();
  const auto& l = **language;
  std::string result = l.cardinal(number->whole, grammar.gender);
  if (number->negative) result = join(l.negative, result);
  if (!number->fraction.empty()) {
    result = join(result, l.point);
    for (const char digit : number->fraction) result = join(result, l.key(digit));
  }
  return result;
}

absl::StatusOr<std::string> say_number(std::int64_t number, const Grammar& grammar) {
  return say_number(std::to_string(number), grammar);
}

absl::StatusOr<std::string> say_ordinal(std::int64_t number, const Grammar& grammar) {
  const auto language = find_language(grammar.language);
  if (!language.ok()) return language.status();
  const auto& l = **language;
  if (number < 1 || static_cast<std::uint64_t>(number) > l.max_ordinal) {
    return absl::InvalidArgumentError("ordinal " + std::to_string(number) + " in language '" +
                                      std::string(l.tag) + "' is not from 1 to " +
                                      std::to_string(l.max_ordinal));
  }
  return l.ordinal(static_cast<std::uint64_t>(number), grammar.gender);
}

absl::StatusOr<std::string> say_digits(std::string_view digits, std::string_view language) {
  const auto found = find_language(language);
  if (!found.ok()) return found.status();
  std::string result;
  std::size_t keys = 0;
  for (const char key : plain_digits(digits)) {
    if (key == ' ' || key == '-') continue;
    const auto word = (*found)->key(key);
    if (word.empty())
      return absl::InvalidArgumentError("digits " + shown(digits) +
                                        ": only 0-9, *, #, + and A-D are read out");
    if (++keys > kMaxKeys)
      return absl::InvalidArgumentError("digits " + shown(digits) + ": more than 128 keys");
    result.append(result.empty() ? "" : " ").append(word);
  }
  if (result.empty())
    return absl::InvalidArgumentError("digits " + shown(digits) + ": there is nothing to read out");
  return result;
}

absl::StatusOr<std::string> say_money(std::string_view amount, std::string_view currency,
                                      std::string_view language) {
  const auto found = find_language(language);
  if (!found.ok()) return found.status();
  const auto unit = std::find_if(std::begin(kCurrencies), std::end(kCurrencies), [&](const Currency& c) {
    return std::equal(currency.begin(), currency.end(), c.code.begin(), c.code.end(),
                      [](char a, char b) { return absl::ascii_tolower(a) == absl::ascii_tolower(b); });
  });
  if (unit == std::end(kCurrencies)) {
    return absl::InvalidArgumentError("no spoken words for currency " + shown(currency) + "; there are " +
                                      listed(kCurrencies, [](const Currency& c) { return c.code; }));
  }
  const auto number = parse_decimal(amount);
  if (!number.ok()) return number.status();

  spoken::Money money{unit->code, number->negative, number->whole, 0};
  std::uint64_t whole_unit = 1;
  for (int i = 0; i < unit->digits; ++i) {
    const auto at = static_cast<std::size_t>(i);
    money.minor = money.minor * 10 +
                  (at < number->fraction.size() ? static_cast<std::uint64_t>(number->fraction[at] - '0') : 0);
    whole_unit *= 10;
  }
  const auto next = static_cast<std::size_t>(unit->digits);
  if (next < number->fraction.size() && number->fraction[next] >= '5' && ++money.minor == whole_unit) {
    money.minor = 0;
    if (++money.major > kMaxWholeValue) {
      return absl::InvalidArgumentError("amount " + shown(amount) + " rounds to more than 15 digits");
    }
  }
  std::string result = (*found)->money(money);
  if (money.negative && (money.major > 0 || money.minor > 0)) result = join((*found)->negative, result);
  return result;
}

absl::StatusOr<std::string> say_date(std::string_view date, std::string_view language) {
  const auto found = find_language(language);
  if (!found.ok()) return found.status();
  const auto day =
      date.size() == 10 || (date.size() > 10 && separates_time(date[10])) ? parse_date(date) : std::nullopt;
  if (!day) return absl::InvalidArgumentError("date " + shown(date) + " is not a day like 2026-03-15");
  return (*found)->date(static_cast<int>(day->year()), static_cast<unsigned>(day->month()),
                        static_cast<unsigned>(day->day()));
}

absl::StatusOr<std::string> say_time(std::string_view time, std::string_view language) {
  const auto found = find_language(language);
  if (!found.ok()) return found.status();
  auto text = time;
  if (text.size() > 10 && separates_time(text[10]) && parse_date(text)) text.remove_prefix(11);
  const auto hour = digits_at(text, 0, 2), minute = digits_at(text, 3, 2);
  const bool more = text.size() > 5;  // ":30", "Z", "+03:00"
  if (!hour || !minute || text[2] != ':' || *hour > 23 || *minute > 59 || (more && is_digit(text[5]))) {
    return absl::InvalidArgumentError("time " + shown(time) + " is not a time of day like 14:05");
  }
  return (*found)->time(*hour, *minute);
}

}  // namespace ivr
