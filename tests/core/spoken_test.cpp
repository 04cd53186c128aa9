#include "ivr/spoken.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Grammar kEn{"en"};
const Grammar kAr{"ar"};
const Grammar kArFeminine{"ar", Gender::feminine};

template <class T>
std::string text(const absl::StatusOr<T>& result) {
  return result.ok() ? *result : std::string(result.status().message());
}

// ----------------------------------------------------------------------------------------- English

TEST(SpokenEnglish, Numbers) {
  const struct {
    const char* number;
    const char* words;
  } kCases[] = {
      {"0", "zero"},
      {"-0", "zero"},
      {"7", "seven"},
      {"13", "thirteen"},
      {"20", "twenty"},
      {"21", "twenty one"},
      {"99", "ninety nine"},
      {"100", "one hundred"},
      {"101", "one hundred one"},
      {"999", "nine hundred ninety nine"},
      {"1000", "one thousand"},
      {"2026", "two thousand twenty six"},
      {"10000", "ten thousand"},
      {"123456", "one hundred twenty three thousand four hundred fifty six"},
      {"1000000", "one million"},
      {"7000001", "seven million one"},
      {"1000000000000", "one trillion"},
      {"999999999999999",
       "nine hundred ninety nine trillion nine hundred ninety nine billion nine hundred ninety nine million "
       "nine hundred ninety nine thousand nine hundred ninety nine"},
      {"-42", "minus forty two"},
      {"+42", "forty two"},
      {"0042", "forty two"},
      {"000000000000000000042", "forty two"},
      {"3.14", "three point one four"},
      {"1042.50", "one thousand forty two point five zero"},
      {"-0.5", "minus zero point five"},
      {"-0.0", "zero point zero"},
      {"٤٢٫٥", "forty two point five"},
      {"۴۲", "forty two"},
  };
  for (const auto& c : kCases) EXPECT_EQ(text(say_number(c.number, kEn)), c.words) << c.number;
  EXPECT_EQ(text(say_number(std::int64_t{-15}, kEn)), "minus fifteen");
}

TEST(SpokenEnglish, Ordinals) {
  const struct {
    std::int64_t number;
    const char* words;
  } kCases[] = {{1, "first"},
                {2, "second"},
                {3, "third"},
                {4, "fourth"},
                {5, "fifth"},
                {8, "eighth"},
                {9, "ninth"},
                {12, "twelfth"},
                {14, "fourteenth"},
                {20, "twentieth"},
                {21, "twenty first"},
                {42, "forty second"},
                {100, "one hundredth"},
                {101, "one hundred first"},
                {1000, "one thousandth"},
                {1000000, "one millionth"}};
  for (const auto& c : kCases) EXPECT_EQ(text(say_ordinal(c.number, kEn)), c.words) << c.number;
}

TEST(SpokenEnglish, Money) {
  const struct {
    const char* amount;
    const char* currency;
    const char* words;
  } kCases[] = {
      {"12.50", "USD", "twelve dollars and fifty cents"},
      {"1", "USD", "one dollar"},
      {"1.01", "usd", "one dollar and one cent"},
      {"0", "USD", "zero dollars"},
      {"0.5", "USD", "fifty cents"},
      {"0.01", "GBP", "one penny"},
      {"2.02", "GBP", "two pounds and two pence"},
      {"-3.1", "EUR", "minus three euros and ten cents"},
      {"1042.75", "SAR", "one thousand forty two riyals and seventy five halalas"},
      {"1.5", "JOD", "one dinar and five hundred fils"},
      {"0.001", "JOD", "one fils"},
      {"5.25", "AED", "five dirhams and twenty five fils"},
      {"1.01", "INR", "one rupee and one paisa"},
      {"100", "EGP", "one hundred Egyptian pounds"},
      {"7.30", "EGP", "seven Egyptian pounds and thirty piastres"},
      {"12.345", "USD", "twelve dollars and thirty five cents"},
      {"12.344999", "USD", "twelve dollars and thirty four cents"},
      {"0.999", "USD", "one dollar"},
      {"-0.004", "USD", "zero dollars"},
      {"-0.005", "USD", "minus one cent"},
      {"1042.500000", "USD", "one thousand forty two dollars and fifty cents"},
  };
  for (const auto& c : kCases)
    EXPECT_EQ(text(say_money(c.amount, c.currency, "en-US")), c.words) << c.amount << c.currency;
}

TEST(SpokenEnglish, DatesAndTimes) {
  const struct {
    const char* date;
    const char* words;
  } kDates[] = {{"2026-03-15", "the fifteenth of March, two thousand twenty six"},
                {"1999-12-31", "the thirty first of December, nineteen ninety nine"},
                {"1905-01-01", "the first of January, nineteen oh five"},
                {"1900-02-28", "the twenty eighth of February, nineteen hundred"},
                {"2000-02-29", "the twenty ninth of February, two thousand"},
                {"2026-11-21T10:00:00Z", "the twenty first of November, two thousand twenty six"},
                {"0800-12-25", "the twenty fifth of December, eight hundred"}};
  for (const auto& c : kDates) EXPECT_EQ(text(say_date(c.date, "en")), c.words) << c.date;
  const struct {
    const char* time;
    const char* words;
  } kTimes[] = {{"00:00", "twelve midnight"},
                {"12:00", "twelve noon"},
                {"00:30", "twelve thirty a.m."},
                {"09:00", "nine a.m."},
                {"09:05:59", "nine oh five a.m."},
                {"14:05", "two oh five p.m."},
                {"23:59", "eleven fifty nine p.m."},
                {"12:45", "twelve forty five p.m."},
                {"2026-03-15T17:30:00+03:00", "five thirty p.m."},
                {"2026-03-15 17:30", "five thirty p.m."}};
  for (const auto& c : kTimes) EXPECT_EQ(text(say_time(c.time, "en")), c.words) << c.time;
}

TEST(SpokenEnglish, DigitsOneByOne) {
  EXPECT_EQ(text(say_digits("0123456789", "en")), "zero one two three four five six seven eight nine");
  EXPECT_EQ(text(say_digits("+20 12-3*#A", "en")), "plus two zero one two three star hash A");
  EXPECT_EQ(text(say_digits("٠١٩", "en")), "zero one nine");
  EXPECT_TRUE(say_digits(std::string(128, '1'), "en").ok());
}

// ------------------------------------------------------------------------------------------ Arabic

TEST(SpokenArabic, S3_34_RulesOneByOne) {
  const struct {
    std::uint64_t number;
    const char* masculine;
    const char* feminine;
  } kCases[] = {
      {0, "صفر", "صفر"},
      // One and two agree, three to ten do the opposite.
      {1, "واحد", "واحدة"},
      {2, "اثنان", "اثنتان"},
      {3, "ثلاثة", "ثلاث"},
      {8, "ثمانية", "ثمان"},
      {10, "عشرة", "عشر"},
      // Eleven and twelve agree whole; from thirteen the unit is opposite and the ten agrees.
      {11, "أحد عشر", "إحدى عشرة"},
      {12, "اثنا عشر", "اثنتا عشرة"},
      {13, "ثلاثة عشر", "ثلاث عشرة"},
      {18, "ثمانية عشر", "ثماني عشرة"},
      {19, "تسعة عشر", "تسع عشرة"},
      // Units before tens, tied with و; tens have no gender.
      {20, "عشرون", "عشرون"},
      {21, "واحد وعشرون", "إحدى وعشرون"},
      {22, "اثنان وعشرون", "اثنتان وعشرون"},
      {35, "خمسة وثلاثون", "خمس وثلاثون"},
      {88, "ثمانية وثمانون", "ثمان وثمانون"},
      {99, "تسعة وتسعون", "تسع وتسعون"},
      // Hundreds: the dual, then compounds.
      {100, "مئة", "مئة"},
      {101, "مئة وواحد", "مئة وواحدة"},
      {200, "مئتان", "مئتان"},
      {300, "ثلاثمئة", "ثلاثمئة"},
      {999, "تسعمئة وتسعة وتسعون", "تسعمئة وتسع وتسعون"},
      // Thousand is a masculine noun: single, dual, plural after 3-10, accusative after 11-99, singular after
      // hundreds.
      {1000, "ألف", "ألف"},
      {1001, "ألف وواحد", "ألف وواحدة"},
      {2000, "ألفان", "ألفان"},
      {3000, "ثلاثة آلاف", "ثلاثة آلاف"},
      {10000, "عشرة آلاف", "عشرة آلاف"},
      {11000, "أحد عشر ألفًا", "أحد عشر ألفًا"},
      {12000, "اثنا عشر ألفًا", "اثنا عشر ألفًا"},
      {21000, "واحد وعشرون ألفًا", "واحد وعشرون ألفًا"},
      {100000, "مئة ألف", "مئة ألف"},
      {101000, "مئة ألف وألف", "مئة ألف وألف"},
      {102000, "مئة ألف وألفان", "مئة ألف وألفان"},
      {103000, "مئة وثلاثة آلاف", "مئة وثلاثة آلاف"},
      {111000, "مئة وأحد عشر ألفًا", "مئة وأحد عشر ألفًا"},
      {200000, "مئتا ألف", "مئتا ألف"},
      {201000, "مئتا ألف وألف", "مئتا ألف وألف"},
      {203000, "مئتان وثلاثة آلاف", "مئتان وثلاثة آلاف"},
      {1'000'000, "مليون", "مليون"},
      {2'000'000, "مليونان", "مليونان"},
      {3'000'000, "ثلاثة ملايين", "ثلاثة ملايين"},
      {11'000'000, "أحد عشر مليونًا", "أحد عشر مليونًا"},
      {9'999'999, "تسعة ملايين وتسعمئة وتسعة وتسعون ألفًا وتسعمئة وتسعة وتسعون",
       "تسعة ملايين وتسعمئة وتسعة وتسعون ألفًا وتسعمئة وتسع وتسعون"},
      {1'000'000'000, "مليار", "مليار"},
      {2'000'000'000, "ملياران", "ملياران"},
      {5'000'000'000, "خمسة مليارات", "خمسة مليارات"},
      {1'000'000'000'000, "تريليون", "تريليون"},
      {3'000'000'000'000, "ثلاثة تريليونات", "ثلاثة تريليونات"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(text(say_number(static_cast<std::int64_t>(c.number), kAr)), c.masculine) << c.number;
    EXPECT_EQ(text(say_number(static_cast<std::int64_t>(c.number), kArFeminine)), c.feminine) << c.number;
  }
  EXPECT_EQ(text(say_number("-5", kAr)), "سالب خمسة");
  EXPECT_EQ(text(say_number("3.14", kAr)), "ثلاثة فاصلة واحد أربعة");
}

// A second speller, written from the rules as plain cases over whole written-out lists, to hold against the
// first.
class ReferenceArabic {
 public:
  static std::string spell(int number, bool feminine) {
    if (number == 0) return "صفر";
    std::vector<std::string> parts;
    const int millions = number / 1'000'000, thousands = number / 1000 % 1000, rest = number % 1000;
    if (millions == 1) parts.push_back("مليون");
    if (millions == 2) parts.push_back("مليونان");
    if (millions >= 3) parts.push_back(kMen[millions] + std::string(" ملايين"));
    if (thousands > 0) parts.push_back(thousand(thousands));
    if (rest > 0) parts.push_back(small(rest, feminine));
    return tied(parts);
  }

 private:
  static constexpr const char* kMen[] = {"",         "واحد",    "اثنان",    "ثلاثة",      "أربعة",
                                         "خمسة",     "ستة",     "سبعة",     "ثمانية",     "تسعة",
                                         "عشرة",     "أحد عشر", "اثنا عشر", "ثلاثة عشر",  "أربعة عشر",
                                         "خمسة عشر", "ستة عشر", "سبعة عشر", "ثمانية عشر", "تسعة عشر"};
  static constexpr const char* kWomen[] = {"",         "واحدة",     "اثنتان",     "ثلاث",       "أربع",
                                           "خمس",      "ست",        "سبع",        "ثمان",       "تسع",
                                           "عشر",      "إحدى عشرة", "اثنتا عشرة", "ثلاث عشرة",  "أربع عشرة",
                                           "خمس عشرة", "ست عشرة",   "سبع عشرة",   "ثماني عشرة", "تسع عشرة"};
  static constexpr const char* kTens[] = {"",      "",     "عشرون", "ثلاثون", "أربعون",
                                          "خمسون", "ستون", "سبعون", "ثمانون", "تسعون"};
  static constexpr const char* kHundreds[] = {"",       "مئة",   "مئتان",  "ثلاثمئة", "أربعمئة",
                                              "خمسمئة", "ستمئة", "سبعمئة", "ثمانمئة", "تسعمئة"};

  static std::string tied(const std::vector<std::string>& parts) {
    std::string result = parts[0];
    for (std::size_t i = 1; i < parts.size(); ++i) result += " و" + parts[i];
    return result;
  }

  static std::string small(int number, bool feminine) {
    std::vector<std::string> parts;
    if (number >= 100) parts.push_back(kHundreds[number / 100]);
    const int rest = number % 100;
    if (rest > 0 && rest < 20) parts.push_back(feminine ? kWomen[rest] : kMen[rest]);
    if (rest >= 20) {
      if (rest % 10 == 1) parts.push_back(feminine ? "إحدى" : "واحد");
      if (rest % 10 > 1) parts.push_back(feminine ? kWomen[rest % 10] : kMen[rest % 10]);
      parts.push_back(kTens[rest / 10]);
    }
    return tied(parts);
  }

  static std::string thousand(int number) {
    const int rest = number % 100;
    const std::string hundreds = number / 100 == 2 ? "مئتا" : kHundreds[number / 100];
    if (number == 1) return "ألف";
    if (number == 2) return "ألفان";
    if (rest == 0) return hundreds + " ألف";
    if (rest == 1) return hundreds + " ألف وألف";
    if (rest == 2) return hundreds + " ألف وألفان";
    return small(number, false) + (rest <= 10 ? " آلاف" : " ألفًا");
  }
};

void expect_like_reference(int number) {
  for (const bool feminine : {false, true}) {
    const auto words = say_number(std::int64_t{number}, feminine ? kArFeminine : kAr);
    ASSERT_TRUE(words.ok());
    ASSERT_EQ(*words, ReferenceArabic::spell(number, feminine))
        << number << (feminine ? " feminine" : " masculine");
  }
}

TEST(SpokenArabic, S3_34_EveryNumberBelow100000IsAsTheReferenceSpellsIt) {
  for (int number = 0; number < 100'000; ++number) ASSERT_NO_FATAL_FAILURE(expect_like_reference(number));
}

TEST(SpokenArabic, S3_34_NumbersUpTo9999999AreAsTheReferenceSpellsThem) {
  for (int number = 0; number <= 9'999'999; number += 97)
    ASSERT_NO_FATAL_FAILURE(expect_like_reference(number));
  for (int thousands = 0; thousands <= 9'999; ++thousands) {  // every group, at its edges
    for (const int rest : {0, 1, 2, 3, 10, 11, 99, 100, 101, 200, 999})
      ASSERT_NO_FATAL_FAILURE(expect_like_reference(thousands * 1000 + rest));
  }
}

TEST(SpokenArabic, MoneyCountsItsNouns) {
  const struct {
    const char* amount;
    const char* currency;
    const char* words;
  } kCases[] = {
      {"0", "USD", "صفر دولار"},
      {"1", "USD", "دولار واحد"},
      {"2", "USD", "دولاران"},
      {"3", "USD", "ثلاثة دولارات"},
      {"10", "USD", "عشرة دولارات"},
      {"11", "USD", "أحد عشر دولارًا"},
      {"99", "USD", "تسعة وتسعون دولارًا"},
      {"100", "USD", "مئة دولار"},
      {"101", "USD", "مئة دولار ودولار واحد"},
      {"102", "USD", "مئة دولار ودولاران"},
      {"103", "USD", "مئة وثلاثة دولارات"},
      {"111", "USD", "مئة وأحد عشر دولارًا"},
      {"200", "USD", "مئتا دولار"},
      {"1000", "USD", "ألف دولار"},
      {"2000", "USD", "ألفا دولار"},
      {"1200", "USD", "ألف ومئتا دولار"},
      {"11000", "USD", "أحد عشر ألف دولار"},
      {"11003", "USD", "أحد عشر ألفًا وثلاثة دولارات"},
      {"2000000", "USD", "مليونا دولار"},
      {"102000", "USD", "مئة ألف وألفا دولار"},
      {"12.50", "USD", "اثنا عشر دولارًا وخمسون سنتًا"},
      {"0.02", "USD", "سنتان"},
      {"-1.01", "USD", "سالب دولار واحد وسنت واحد"},
      // A feminine unit.
      {"0.01", "SAR", "هللة واحدة"},
      {"0.02", "SAR", "هللتان"},
      {"0.03", "SAR", "ثلاث هللات"},
      {"0.08", "SAR", "ثماني هللات"},
      {"0.11", "SAR", "إحدى عشرة هللة"},
      {"5.25", "SAR", "خمسة ريالات وخمس وعشرون هللة"},
      {"3", "INR", "ثلاث روبيات"},
      {"21", "INR", "إحدى وعشرون روبية"},
      {"108", "INR", "مئة وثماني روبيات"},
      {"4.05", "AED", "أربعة دراهم وخمسة فلوس"},
      {"7.30", "EGP", "سبعة جنيهات وثلاثون قرشًا"},
      {"2", "GBP", "جنيهان إسترلينيان"},
      {"1.5", "JOD", "دينار واحد وخمسمئة فلس"},
      {"3", "EUR", "ثلاثة يورو"},
  };
  for (const auto& c : kCases)
    EXPECT_EQ(text(say_money(c.amount, c.currency, "ar-SA")), c.words) << c.amount << ' ' << c.currency;
}

TEST(SpokenArabic, DatesTimesOrdinalsAndDigits) {
  EXPECT_EQ(text(say_date("2026-03-15", "ar")), "الخامس عشر من مارس عام ألفين وستة وعشرين");
  EXPECT_EQ(text(say_date("2012-01-01", "ar")), "الأول من يناير عام ألفين واثني عشر");
  EXPECT_EQ(text(say_date("1999-12-31", "ar")), "الحادي والثلاثون من ديسمبر عام ألف وتسعمئة وتسعة وتسعين");
  EXPECT_EQ(text(say_date("2200-07-20", "ar")), "العشرون من يوليو عام ألفين ومئتين");
  EXPECT_EQ(text(say_time("09:05", "ar")), "الساعة التاسعة وخمس دقائق صباحًا");
  EXPECT_EQ(text(say_time("13:00", "ar")), "الساعة الواحدة مساءً");
  EXPECT_EQ(text(say_time("12:15", "ar")), "الساعة الثانية عشرة والربع ظهرًا");
  EXPECT_EQ(text(say_time("23:30", "ar")), "الساعة الحادية عشرة والنصف مساءً");
  EXPECT_EQ(text(say_time("00:22", "ar")), "الساعة الثانية عشرة واثنتان وعشرون دقيقة بعد منتصف الليل");
  EXPECT_EQ(text(say_ordinal(1, kAr)), "الأول");
  EXPECT_EQ(text(say_ordinal(21, kArFeminine)), "الحادية والعشرون");
  EXPECT_EQ(text(say_ordinal(12, kArFeminine)), "الثانية عشرة");
  EXPECT_EQ(text(say_digits("0123456789", "ar")), "صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة");
  EXPECT_EQ(text(say_digits("+٢#", "ar")), "زائد اثنان مربع");
}

// ---------------------------------------------------------------------------------------- refusing

TEST(Spoken, SaysWhatLanguagesAndCurrenciesThereAre) {
  EXPECT_THAT(spoken_languages(), ElementsAre("ar", "en"));
  EXPECT_THAT(spoken_currencies(), ElementsAre("AED", "EGP", "EUR", "GBP", "INR", "JOD", "SAR", "USD"));
  EXPECT_EQ(text(say_number("1", {"fr"})), "no spoken words for language 'fr'; there are ar, en");
  EXPECT_EQ(text(say_money("1", "XYZ", "en")),
            "no spoken words for currency 'XYZ'; there are AED, EGP, EUR, GBP, INR, JOD, SAR, USD");
  for (const char* tag : {"EN", "en-GB", "en_US", "ar-EG", "AR"})
    EXPECT_TRUE(say_number("1", {tag}).ok()) << tag;
  for (const char* tag : {"", "e", "eng", "-en", "arabic"}) EXPECT_FALSE(say_number("1", {tag}).ok()) << tag;
}

TEST(Spoken, EveryLanguageKnowsEveryCurrencyAndKey) {
  for (const auto language : spoken_languages()) {
    for (const auto currency : spoken_currencies()) {
      for (const char* amount : {"0", "0.01", "1", "2.02", "3.03", "11.11", "100", "999999999999999.99"}) {
        EXPECT_TRUE(say_money(amount, currency, language).ok()) << language << ' ' << currency;
      }
    }
    for (const char key : std::string("0123456789*#+ABCD"))
      EXPECT_TRUE(say_digits(std::string(1, key), language).ok()) << language << ' ' << key;
    for (int hour = 0; hour < 24; ++hour) {
      for (int minute = 0; minute < 60; ++minute) {
        char time[8];
        std::snprintf(time, sizeof time, "%02d:%02d", hour, minute);
        EXPECT_TRUE(say_time(time, language).ok()) << language << ' ' << time;
      }
    }
  }
}

TEST(Spoken, RefusesWhatIsNoNumberDateOrTime) {
  for (const char* number : {"", "-", "+", ".", "1.", ".5", "1,000", "1e3", "0x10", "--1", "1-", " 1", "1 ",
                             "1.2.3", "NaN", "١,٢", "1234567890123456", "0.1234567890123"}) {
    EXPECT_EQ(say_number(number, kEn).status().code(), absl::StatusCode::kInvalidArgument) << number;
    EXPECT_EQ(say_money(number, "USD", "ar").status().code(), absl::StatusCode::kInvalidArgument) << number;
  }
  EXPECT_THAT(text(say_number("1,000", kEn)), HasSubstr("'1,000' is not a number like"));
  EXPECT_FALSE(say_number(std::numeric_limits<std::int64_t>::min(), kEn).ok());
  for (const char* date : {"", "2026", "2026-13-01", "2026-02-29", "2026-1-1", "15/03/2026", "2026-03-15x",
                           "0000-01-01", "2026-03-", "20260315"}) {
    EXPECT_FALSE(say_date(date, "en").ok()) << date;
  }
  for (const char* time :
       {"", "9:00", "24:00", "12:60", "12", "12:5", "12:055", "noon", "2026-03-15", "2026-03-15T"}) {
    EXPECT_FALSE(say_time(time, "en").ok()) << time;
  }
  for (const std::string& digits :
       {std::string(), std::string("-"), std::string("12x"), std::string("1.5"), std::string(129, '1')}) {
    EXPECT_FALSE(say_digits(digits, "en").ok()) << digits;
  }
  EXPECT_FALSE(say_money("999999999999999.995", "USD", "ar").ok());
  EXPECT_FALSE(say_ordinal(0, kEn).ok());
  EXPECT_FALSE(say_ordinal(-1, kEn).ok());
  EXPECT_EQ(text(say_ordinal(100, kAr)), "ordinal 100 in language 'ar' is not from 1 to 99");
}

}  // namespace
}  // namespace ivr
