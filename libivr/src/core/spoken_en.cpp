#include <algorithm>
#include <array>
#include <iterator>

#include "core/spoken_language.hpp"

namespace ivr::spoken {
namespace {
namespace english {

constexpr std::string_view kSmall[] = {"zero",    "one",     "two",       "three",    "four",
                                       "five",    "six",     "seven",     "eight",    "nine",
                                       "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                       "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
constexpr std::string_view kTens[] = {"",      "",      "twenty",  "thirty", "forty",
                                      "fifty", "sixty", "seventy", "eighty", "ninety"};

struct Scale {
  std::uint64_t value;
  std::string_view name;
};
constexpr Scale kScales[] = {{1'000'000'000'000, "trillion"},
                             {1'000'000'000, "billion"},
                             {1'000'000, "million"},
                             {1'000, "thousand"},
                             {100, "hundred"}};

struct Pair {
  std::string_view cardinal, ordinal;
};
constexpr Pair kIrregular[] = {{"one", "first"},     {"two", "second"},   {"three", "third"},
                               {"five", "fifth"},    {"eight", "eighth"}, {"nine", "ninth"},
                               {"twelve", "twelfth"}};

struct Unit {
  std::string_view one, many;
};
struct CurrencyNames {
  std::string_view code;
  Unit major, minor;
};
constexpr CurrencyNames kNames[] = {
    {"AED", {"dirham", "dirhams"}, {"fils", "fils"}},
    {"EGP", {"Egyptian pound", "Egyptian pounds"}, {"piastre", "piastres"}},
    {"EUR", {"euro", "euros"}, {"cent", "cents"}},
    {"GBP", {"pound", "pounds"}, {"penny", "pence"}},
    {"INR", {"rupee", "rupees"}, {"paisa", "paise"}},
    {"JOD", {"dinar", "dinars"}, {"fils", "fils"}},
    {"SAR", {"riyal", "riyals"}, {"halala", "halalas"}},
    {"USD", {"dollar", "dollars"}, {"cent", "cents"}},
};

constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};

void add(std::string& out, std::string_view word) { out.append(out.empty() ? "" : " ").append(word); }

std::string cardinal(std::uint64_t number, Gender) {
  if (number < 20) return std::string(kSmall[number]);
  std::string out;
  for (const auto& scale : kScales) {
    if (number < scale.value) continue;
    add(out, cardinal(number / scale.value, {}));
    add(out, scale.name);
    number %= scale.value;
  }
  if (number >= 20) {
    add(out, kTens[number / 10]);
    number %= 10;
  }
  if (number > 0) add(out, kSmall[number]);
  return out;
}

// Only the last word changes: "twenty one" is "twenty first".
std::string ordinal(std::uint64_t number, Gender) {
  std::string out = cardinal(number, {});
  const auto last = out.rfind(' ') + 1;  // npos + 1 is 0
  const std::string word = out.substr(last);
  out.resize(last);
  const auto irregular = std::find_if(std::begin(kIrregular), std::end(kIrregular),
                                      [&](const Pair& p) { return p.cardinal == word; });
  if (irregular != std::end(kIrregular)) return out.append(irregular->ordinal);
  if (word.back() == 'y') return out.append(word, 0, word.size() - 1).append("ieth");
  return out.append(word).append("th");
}

std::string_view key(char key) {
  switch (key) {
    case '*': return "star";
    case '#': return "hash";
    case '+': return "plus";
    case 'A': return "A";
    case 'B': return "B";
    case 'C': return "C";
    case 'D': return "D";
  }
  return key >= '0' && key <= '9' ? kSmall[key - '0'] : std::string_view();
}

std::string counted(std::uint64_t number, const Unit& unit) {
  return cardinal(number, {}).append(" ").append(number == 1 ? unit.one : unit.many);
}

std::string money(const Money& money) {
  const auto& names = *std::find_if(std::begin(kNames), std::end(kNames),
                                    [&](const CurrencyNames& n) { return n.code == money.currency; });
  if (money.minor == 0) return counted(money.major, names.major);
  if (money.major == 0) return counted(money.minor, names.minor);
  return counted(money.major, names.major) + " and " + counted(money.minor, names.minor);
}

// 1905 is "nineteen oh five", 1900 "nineteen hundred"; from 2000 on a plain number, which nobody mistakes.
std::string year_words(int year) {
  const auto number = static_cast<std::uint64_t>(year);
  if (number < 1100 || number >= 2000) return cardinal(number, {});
  std::string out = cardinal(number / 100, {});
  const auto rest = number % 100;
  if (rest == 0) return out += " hundred";
  if (rest < 10) add(out, "oh");
  add(out, cardinal(rest, {}));
  return out;
}

std::string date(int year, unsigned month, unsigned day) {
  return "the " + ordinal(day, {}) + " of " + std::string(kMonths[month - 1]) + ", " + year_words(year);
}

std::string time(int hour, int minute) {
  if (minute == 0 && hour % 12 == 0) return hour == 0 ? "twelve midnight" : "twelve noon";
  std::string out = cardinal(static_cast<std::uint64_t>(hour % 12 == 0 ? 12 : hour % 12), {});
  if (minute > 0 && minute < 10) add(out, "oh");
  if (minute > 0) add(out, cardinal(static_cast<std::uint64_t>(minute), {}));
  return out += hour < 12 ? " a.m." : " p.m.";
}

}  // namespace english
}  // namespace

const Language kEnglish = {
    "en",         "minus",        "point",       english::cardinal, 999'999'999'999'999, english::ordinal,
    english::key, english::money, english::date, english::time};

}  // namespace ivr::spoken
