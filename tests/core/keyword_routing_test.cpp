#include "ivr/keyword_routing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The rule of S4-02: complaints if there are more complaint than sales words, else sales, else reception. So
// sales come first: they win when both have as many.
KeywordRouter desk_router() {
  auto router = KeywordRouter::create(
      {{"sales", {"buy", "price", "prices", "offer", "new order", "شراء", "سعر", "أسعار", "عرض", "طلب جديد"}},
       {"complaints",
        {"complaint", "complain", "broken", "refund", "not working", "شكوى", "مشكلة", "معطل", "استرجاع",
         "لا يعمل"}}},
      "reception");
  EXPECT_TRUE(router.ok()) << router.status().message();
  return *std::move(router);
}

TEST(KeywordRouting, S4_02_RoutesByTheWordsOfTwoLanguages) {
  struct Row {
    const char* text;
    const char* department;
    double confidence;
  };
  const Row rows[] = {
      // English
      {"I want to buy one", "sales", 0.75},
      {"What is the price of your offer?", "sales", 0.9},
      {"BUY! Price, offer: please.", "sales", 0.95},
      {"buy price prices offer new order", "sales", 0.95},
      {"I have a complaint", "complaints", 0.75},
      {"It is broken and I want a refund", "complaints", 0.9},
      {"A complaint about the price", "sales", 0.75},  // as many of both: sales
      {"A complaint: the price was right, but it is broken", "complaints", 0.9},
      {"Hello, who is there?", "reception", 0.5},
      {"", "reception", 0.5},
      // words, not parts of words
      {"My prize was priceless, unbroken and offered by a buyer", "reception", 0.5},
      // phrases: both words, next to each other, in their order
      {"it is not working", "complaints", 0.75},
      {"it is not really working", "reception", 0.5},
      {"a New,  ORDER", "sales", 0.75},
      {"an order, new", "reception", 0.5},
      // one keyword counts once
      {"price price price", "sales", 0.75},
      {"complaint, complaint, complaint! buy at a price", "sales", 0.9},
      // apostrophes are no borders of words
      {"the offer's price", "sales", 0.75},
      // Arabic
      {"أريد شراء جهاز", "sales", 0.75},
      {"كم السعر؟", "sales", 0.75},
      {"ما هي الاسعار والعروض", "sales",
       0.75},  // inflection is not guessed: the plural of offer is not listed
      {"عندي شكوى", "complaints", 0.75},
      {"لدي مشكلة، الجهاز معطل", "complaints", 0.9},
      {"شكوى عن السعر", "sales", 0.75},
      {"مرحبا", "reception", 0.5},
      // vowel marks and tatweel
      {"شِراء", "sales", 0.75},
      {"شـــراء", "sales", 0.75},
      {"شَكْوَى", "complaints", 0.75},
      // alef, ya and ta marbuta as people write them
      {"اسعار", "sales", 0.75},
      {"إسعار", "sales", 0.75},
      {"شكوي", "complaints", 0.75},
      {"مشكله", "complaints", 0.75},
      {"المشکلة", "complaints", 0.75},  // Persian kaf
      // the article, alone and behind a one-letter word; one-letter words
      {"الشراء", "sales", 0.75},
      {"والشراء", "sales", 0.75},
      {"بالسعر", "sales", 0.75},
      {"للشراء", "sales", 0.75},
      {"وللشراء", "sales", 0.75},
      {"لشراء هاتف", "sales", 0.75},
      {"وشكوى", "complaints", 0.75},
      // not parts of words either
      {"مشكلتان", "reception", 0.5},
      {"معرض", "reception", 0.5},
      // phrases
      {"طلب جديد", "sales", 0.75},
      {"الطلب الجديد", "sales", 0.75},
      {"الهاتف لا يعمل", "complaints", 0.75},
      // both languages in one text
      {"شكوى: it is broken", "complaints", 0.9},
  };
  const KeywordRouter router = desk_router();
  for (const Row& row : rows) {
    const KeywordRoute route = router.route(row.text);
    EXPECT_EQ(route.department, row.department) << row.text;
    EXPECT_DOUBLE_EQ(route.confidence, row.confidence) << row.text;
  }
}

TEST(KeywordRouting, S4_03_NamesItsAlternativesAndWhatItFound) {
  const KeywordRouter router = desk_router();
  const KeywordRoute complaint = router.route("A refund: the price was for a broken one, a complaint");
  EXPECT_EQ(complaint.department, "complaints");
  EXPECT_DOUBLE_EQ(complaint.confidence, 0.95);
  EXPECT_THAT(complaint.matches, ElementsAre("complaint", "broken", "refund"));
  EXPECT_THAT(complaint.alternatives,
              ElementsAre(KeywordRoute::Candidate{"sales", 0.75}, KeywordRoute::Candidate{"reception", 0.5}));
  const KeywordRoute sale = router.route("السعر");
  EXPECT_THAT(sale.matches, ElementsAre("سعر"));
  EXPECT_THAT(sale.alternatives, ElementsAre(KeywordRoute::Candidate{"reception", 0.5}));
  const KeywordRoute other = router.route("good morning");
  EXPECT_EQ(other.department, "reception");
  EXPECT_DOUBLE_EQ(other.confidence, 0.5);
  EXPECT_THAT(other.alternatives, IsEmpty());
  EXPECT_THAT(other.matches, IsEmpty());
}

TEST(KeywordRouting, TheDefaultMayHaveKeywordsOfItsOwn) {
  const auto router =
      KeywordRouter::create({{"sales", {"buy"}}, {"reception", {"hours", "address"}}}, "reception");
  ASSERT_TRUE(router.ok());
  const KeywordRoute route = router->route("Your address and opening hours? I want to buy.");
  EXPECT_EQ(route.department, "reception");
  EXPECT_DOUBLE_EQ(route.confidence, 0.9);
  EXPECT_THAT(route.alternatives, ElementsAre(KeywordRoute::Candidate{"sales", 0.75}));
}

TEST(KeywordRouting, TwoSpellingsOfOneKeywordCountOnce) {
  const auto router = KeywordRouter::create({{"complaints", {"شكوى", "الشكوى", "شكوي"}}}, "reception");
  ASSERT_TRUE(router.ok());
  EXPECT_DOUBLE_EQ(router->route("الشكوى").confidence, 0.75);
}

TEST(KeywordRouting, BrokenBytesAreNoWords) {
  const KeywordRouter router = desk_router();
  EXPECT_EQ(router.route("\xff\xfe buy \xc3").department, "sales");
  EXPECT_EQ(router.route("\xe0\xa4").department, "reception");
  EXPECT_THAT(keyword_words("\xf0\x9f"), IsEmpty());
  EXPECT_THAT(keyword_words("Ça va, «bien»?"), ElementsAre("ça", "va", "bien"));
  EXPECT_THAT(keyword_words("رقم ٤٥ و ۴۵"), ElementsAre("رقم", "45", "و", "45"));
}

TEST(KeywordRouting, RefusesAListThatCannotWorkAndSaysWhy) {
  struct Row {
    std::vector<KeywordDepartment> departments;
    const char* otherwise;
    const char* message;
  };
  const Row rows[] = {
      {{}, "reception", "no department"},
      {{{"sales", {"buy"}}}, "", "no default department"},
      {{{"", {"buy"}}}, "reception", "department 1 has no name"},
      {{{"sales", {"buy"}}, {"sales", {"x"}}}, "reception", "'sales' is here twice"},
      {{{"sales", {"?!"}}}, "reception", "'?!' has no word in it"},
      {{{"sales", {"a b c d e f g h i"}}}, "reception", "9 words, at most 8"},
      {{{"sales", std::vector<std::string>(1001, "x")}}, "reception", "1001 keywords, at most 1000"},
  };
  for (const Row& row : rows) {
    const auto router = KeywordRouter::create(row.departments, row.otherwise);
    ASSERT_FALSE(router.ok()) << row.message;
    EXPECT_THAT(std::string(router.status().message()), testing::HasSubstr(row.message));
  }
}

}  // namespace
}  // namespace ivr
