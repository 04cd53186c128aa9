#include <algorithm>
#include <iterator>

#include "core/spoken_language.hpp"

// Arabic counts like this (and everything below is this list in tables):
//
//  - one and two agree with the gender of what is counted; three to ten take the opposite form, ثلاثة for a
//    masculine thing and ثلاث for a feminine one; in 13-19 the unit is opposite and "ten" agrees; 11 and 12
//    agree.
//  - units come before tens, and every further part is tied on with و: 123 is "a hundred and three and
//  twenty".
//  - two of anything is the noun's dual, without a number: ألفان, دولاران. Before its noun a dual drops the
//  ن.
//  - after 3-10 the noun is plural, after 11-99 accusative singular, after whole hundreds and thousands
//  singular;
//    the last two digits decide. After one or two beyond a hundred the noun is said twice: مئة ألف وألف.
//  - thousand, million and so on are masculine nouns that are counted by these same rules.

namespace ivr::spoken {
namespace {
namespace arabic {

enum class Case { nominative, oblique };  // oblique: after a preposition or a noun, "the year 2026"

struct Two {  // both genders of the thing counted
  std::string_view masculine, feminine;
  std::string_view of(Gender gender) const { return gender == Gender::masculine ? masculine : feminine; }
};

// As said of a masculine and of a feminine thing.
constexpr Two kUnits[] = {{"صفر", "صفر"},     {"واحد", "واحدة"}, {"اثنان", "اثنتان"}, {"ثلاثة", "ثلاث"},
                          {"أربعة", "أربع"},  {"خمسة", "خمس"},   {"ستة", "ست"},       {"سبعة", "سبع"},
                          {"ثمانية", "ثمان"}, {"تسعة", "تسع"},   {"عشرة", "عشر"}};
constexpr Two kTwoOblique = {"اثنين", "اثنتين"};
constexpr Two kTeens[] = {{"عشرة", "عشر"},
                          {"أحد عشر", "إحدى عشرة"},
                          {"اثنا عشر", "اثنتا عشرة"},
                          {"ثلاثة عشر", "ثلاث عشرة"},
                          {"أربعة عشر", "أربع عشرة"},
                          {"خمسة عشر", "خمس عشرة"},
                          {"ستة عشر", "ست عشرة"},
                          {"سبعة عشر", "سبع عشرة"},
                          {"ثمانية عشر", "ثماني عشرة"},
                          {"تسعة عشر", "تسع عشرة"}};
constexpr Two kTwelveOblique = {"اثني عشر", "اثنتي عشرة"};
constexpr Two kOneWithTens = {"واحد", "إحدى"};                 // 21, 31, ...
constexpr std::string_view kEightFeminineConstruct = "ثماني";  // directly before its noun

// The stem takes ون, or ين in the oblique case.
constexpr std::string_view kTens[] = {"", "", "عشر", "ثلاث", "أربع", "خمس", "ست", "سبع", "ثمان", "تسع"};
constexpr std::string_view kHundreds[] = {"",       "مئة",   "",       "ثلاثمئة", "أربعمئة",
                                          "خمسمئة", "ستمئة", "سبعمئة", "ثمانمئة", "تسعمئة"};

struct Noun {
  std::string_view singular, dual, plural, accusative;
  Gender gender = Gender::masculine;
  std::string_view dual_construct = {}, dual_oblique = {};  // scales only
};

struct Scale {
  std::uint64_t value;
  Noun noun;
};
constexpr Scale kScales[] = {
    {1'000'000'000'000,
     {"تريليون", "تريليونان", "تريليونات", "تريليونًا", Gender::masculine, "تريليونا", "تريليونين"}},
    {1'000'000'000, {"مليار", "ملياران", "مليارات", "مليارًا", Gender::masculine, "مليارا", "مليارين"}},
    {1'000'000, {"مليون", "مليونان", "ملايين", "مليونًا", Gender::masculine, "مليونا", "مليونين"}},
    {1'000, {"ألف", "ألفان", "آلاف", "ألفًا", Gender::masculine, "ألفا", "ألفين"}},
};

struct CurrencyNames {
  std::string_view code;
  Noun major, minor;
};
constexpr Noun kCent = {"سنت", "سنتان", "سنتات", "سنتًا"};
constexpr Noun kFils = {"فلس", "فلسان", "فلوس", "فلسًا"};
constexpr CurrencyNames kNames[] = {
    {"AED", {"درهم", "درهمان", "دراهم", "درهمًا"}, kFils},
    {"EGP", {"جنيه", "جنيهان", "جنيهات", "جنيهًا"}, {"قرش", "قرشان", "قروش", "قرشًا"}},
    {"EUR", {"يورو", "يوروان", "يورو", "يورو"}, kCent},
    {"GBP",
     {"جنيه إسترليني", "جنيهان إسترلينيان", "جنيهات إسترلينية", "جنيهًا إسترلينيًا"},
     {"بنس", "بنسان", "بنسات", "بنسًا"}},
    {"INR",
     {"روبية", "روبيتان", "روبيات", "روبية", Gender::feminine},
     {"بيسة", "بيستان", "بيسات", "بيسة", Gender::feminine}},
    {"JOD", {"دينار", "ديناران", "دنانير", "دينارًا"}, kFils},
    {"SAR", {"ريال", "ريالان", "ريالات", "ريالًا"}, {"هللة", "هللتان", "هللات", "هللة", Gender::feminine}},
    {"USD", {"دولار", "دولاران", "دولارات", "دولارًا"}, kCent},
};
constexpr Noun kMinute = {"دقيقة", "دقيقتان", "دقائق", "دقيقة", Gender::feminine};

constexpr std::string_view kMonths[] = {"يناير", "فبراير", "مارس",   "أبريل",  "مايو",   "يونيو",
                                        "يوليو", "أغسطس",  "سبتمبر", "أكتوبر", "نوفمبر", "ديسمبر"};

constexpr Two kOrdinals[] = {{"", ""},
                             {"الأول", "الأولى"},
                             {"الثاني", "الثانية"},
                             {"الثالث", "الثالثة"},
                             {"الرابع", "الرابعة"},
                             {"الخامس", "الخامسة"},
                             {"السادس", "السادسة"},
                             {"السابع", "السابعة"},
                             {"الثامن", "الثامنة"},
                             {"التاسع", "التاسعة"},
                             {"العاشر", "العاشرة"}};
constexpr Two kFirstBeforeTens = {"الحادي", "الحادية"};

// "and" is a letter that leans on the next word.
void add(std::string& out, std::string_view word) { out.append(out.empty() ? "" : " و").append(word); }

struct Form {
  Gender gender = Gender::masculine;
  Case grammatical_case = Case::nominative;
  bool before_noun = false;  // the noun that is counted follows at once

  bool oblique() const { return grammatical_case == Case::oblique; }
};

std::string tens(std::uint64_t ten, bool oblique) {
  return std::string(kTens[ten]).append(oblique ? "ين" : "ون");
}

std::string under_hundred(std::uint64_t number, const Form& form) {
  const auto unit = number % 10;
  if (number == 2 && form.oblique()) return std::string(kTwoOblique.of(form.gender));
  if (number == 8 && form.before_noun && form.gender == Gender::feminine)
    return std::string(kEightFeminineConstruct);
  if (number < 10) return std::string(kUnits[number].of(form.gender));
  if (number == 12 && form.oblique()) return std::string(kTwelveOblique.of(form.gender));
  if (number < 20) return std::string(kTeens[unit].of(form.gender));
  std::string out;
  if (unit == 1) add(out, kOneWithTens.of(form.gender));
  if (unit > 1) add(out, under_hundred(unit, {form.gender, form.grammatical_case, false}));
  add(out, tens(number / 10, form.oblique()));
  return out;
}

std::string under_thousand(std::uint64_t number, const Form& form) {
  std::string out;
  const auto hundred = number / 100, rest = number % 100;
  if (hundred == 2) {
    add(out, rest == 0 && form.before_noun ? (form.oblique() ? "مئتي" : "مئتا")
             : form.oblique()              ? "مئتين"
                                           : "مئتان");
  } else if (hundred > 0) {
    add(out, kHundreds[hundred]);
  }
  if (rest > 0) add(out, under_hundred(rest, form));
  return out;
}

// So many thousands, millions...; 1 <= number < 1000.
std::string scaled(std::uint64_t number, const Noun& scale, const Form& form) {
  const auto two = [&] {
    return form.before_noun ? scale.dual_construct : form.oblique() ? scale.dual_oblique : scale.dual;
  };
  if (number == 1) return std::string(scale.singular);
  if (number == 2) return std::string(two());
  const auto last = number % 100;
  const Form counting{scale.gender, form.grammatical_case, true};
  if (last == 1 || last == 2) {  // مئة ألف وألف
    std::string out = under_thousand(number - last, counting).append(" ").append(scale.singular);
    add(out, last == 1 ? scale.singular : two());
    return out;
  }
  const auto noun = last == 0          ? scale.singular
                    : last <= 10       ? scale.plural
                    : form.before_noun ? scale.singular
                                       : scale.accusative;
  return under_thousand(number, counting).append(" ").append(noun);
}

std::string words(std::uint64_t number, const Form& form) {
  if (number == 0) return std::string(kUnits[0].masculine);
  std::string out;
  for (const auto& scale : kScales) {
    if (number < scale.value) continue;
    const auto group = number / scale.value;  // NOLINT(clang-analyzer-core.DivideZero): constants, none is 0
    number %= scale.value;
    add(out,
        scaled(group, scale.noun, {form.gender, form.grammatical_case, form.before_noun && number == 0}));
  }
  if (number > 0) add(out, under_thousand(number, form));
  return out;
}

// So many of a thing.
std::string counted(std::uint64_t number, const Noun& noun) {
  const auto last = number % 100;
  const Form form{noun.gender, Case::nominative, true};
  const auto one = [&] { return std::string(noun.singular).append(" ").append(kUnits[1].of(noun.gender)); };
  if (number == 1) return one();
  if (number == 2) return std::string(noun.dual);
  if (last == 1 || last == 2) {
    std::string out = words(number - last, form).append(" ").append(noun.singular);
    add(out, last == 1 ? one() : std::string(noun.dual));
    return out;
  }
  return words(number, form)
      .append(" ")
      .append(last == 0    ? noun.singular
              : last <= 10 ? noun.plural
                           : noun.accusative);
}

std::string cardinal(std::uint64_t number, Gender gender) { return words(number, {gender}); }

std::string ordinal(std::uint64_t number, Gender gender) {
  if (number <= 10) return std::string(kOrdinals[number].of(gender));
  const auto unit = number % 10;
  const auto first = unit == 1 ? kFirstBeforeTens.of(gender) : kOrdinals[unit].of(gender);
  if (number < 20) return std::string(first).append(gender == Gender::masculine ? " عشر" : " عشرة");
  std::string out;
  if (unit > 0) add(out, first);
  add(out, "ال" + tens(number / 10, false));
  return out;
}

std::string_view key(char key) {
  switch (key) {
    case '*': return "نجمة";
    case '#': return "مربع";
    case '+': return "زائد";
    case 'A': return "إيه";
    case 'B': return "بي";
    case 'C': return "سي";
    case 'D': return "دي";
  }
  return key >= '0' && key <= '9' ? kUnits[key - '0'].masculine : std::string_view();
}

std::string money(const Money& money) {
  const auto& names = *std::find_if(std::begin(kNames), std::end(kNames),
                                    [&](const CurrencyNames& n) { return n.code == money.currency; });
  std::string out;
  if (money.major > 0 || money.minor == 0) add(out, counted(money.major, names.major));
  if (money.minor > 0) add(out, counted(money.minor, names.minor));
  return out;
}

std::string date(int year, unsigned month, unsigned day) {
  return ordinal(day, Gender::masculine) + " من " + std::string(kMonths[month - 1]) + " عام " +
         words(static_cast<std::uint64_t>(year), {Gender::masculine, Case::oblique});
}

std::string time(int hour, int minute) {
  const auto twelve = static_cast<std::uint64_t>(hour % 12 == 0 ? 12 : hour % 12);
  std::string out = "الساعة " + (twelve == 1 ? std::string("الواحدة") : ordinal(twelve, Gender::feminine));
  if (minute == 15) {
    add(out, "الربع");
  } else if (minute == 30) {
    add(out, "النصف");
  } else if (minute > 0) {
    add(out, counted(static_cast<std::uint64_t>(minute), kMinute));
  }
  return out.append(hour == 0 ? " بعد منتصف الليل" : hour < 12 ? " صباحًا" : hour == 12 ? " ظهرًا" : " مساءً");
}

}  // namespace arabic
}  // namespace

const Language kArabic = {"ar",        "سالب",        "فاصلة",      arabic::cardinal, 99, arabic::ordinal,
                          arabic::key, arabic::money, arabic::date, arabic::time};

}  // namespace ivr::spoken
