#include "ivr/number_masking.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>

#include "core/time_at.hpp"
#include "ivr/ports.hpp"

namespace ivr {
namespace {

NumberMasking masking_of(MaskingOptions options) {
  auto masking = NumberMasking::create(options);
  EXPECT_TRUE(masking.ok()) << masking.status();
  return *std::move(masking);
}

TEST(NumberMasking, ConnectsEachOfTwoToTheOther) {
  NumberMasking masking = masking_of({.numbers = {"800", "801"}});
  const std::string number = *masking.connect("0501", "0502", 60s, at(0s));
  EXPECT_EQ(number, "800");
  const auto there = masking.route("800", "0501", at(1s));
  ASSERT_TRUE(there.has_value());
  EXPECT_EQ(there->party, "0502");
  EXPECT_EQ(there->shown, "800");
  EXPECT_EQ(masking.route("800", "0502", at(1s))->party, "0501") << "and back";
  EXPECT_FALSE(masking.route("801", "0501", at(1s)).has_value());
  EXPECT_FALSE(masking.route("800", "0503", at(1s)).has_value()) << "a stranger reaches nobody";
  EXPECT_EQ(*masking.connect("0502", "0501", 60s, at(2s)), "800") << "the same pair, the same number";
  EXPECT_EQ(masking.pairs(at(2s)), 1u);
}

// S2-14: what is sent to one party is made of the party's own number and the virtual one.
TEST(NumberMasking, NothingOfTheOtherPartyIsNeededToCall) {
  NumberMasking masking = masking_of({.numbers = {"800"}});
  ASSERT_TRUE(masking.connect("0501111", "0502222", 60s, at(0s)).ok());
  for (const auto& [caller, other] : {std::pair{"0501111", "0502222"}, {"0502222", "0501111"}}) {
    const auto route = masking.route("800", caller, at(1s));
    ASSERT_TRUE(route.has_value());
    const sip::Invite invite{.uri = "sip:" + route->party + "@trunk",
                             .from_uri = "sip:" + route->shown + "@us",
                             .from_display = route->shown};
    EXPECT_EQ((invite.uri + invite.from_uri + invite.from_display).find(caller), std::string::npos);
    EXPECT_NE(invite.uri.find(other), std::string::npos);
  }
}

// S2-16
TEST(NumberMasking, RefusesAfterItsTimeAndGivesTheNumberToOthers) {
  NumberMasking masking = masking_of({.numbers = {"800"}});
  ASSERT_TRUE(masking.connect("a", "b", 60s, at(0s)).ok());
  EXPECT_TRUE(masking.route("800", "a", at(60s) - Micros{1}).has_value());
  EXPECT_EQ(masking.connect("a", "c", 60s, at(30s)).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(masking.route("800", "a", at(61s)).has_value());
  EXPECT_FALSE(masking.route("800", "b", at(61s)).has_value());
  EXPECT_EQ(*masking.connect("a", "c", 60s, at(61s)), "800");
  EXPECT_EQ(masking.route("800", "a", at(62s))->party, "c");
  EXPECT_FALSE(masking.route("800", "b", at(62s)).has_value());

  ASSERT_TRUE(masking.connect("a", "c", 60s, at(100s)).ok()) << "longer";
  EXPECT_TRUE(masking.route("800", "a", at(159s)).has_value());
  EXPECT_TRUE(masking.disconnect("c", "a", at(159s)));
  EXPECT_FALSE(masking.disconnect("c", "a", at(159s)));
  EXPECT_FALSE(masking.route("800", "a", at(159s)).has_value());
}

TEST(NumberMasking, OneNumberServesManyPairsOfDifferentParties) {
  NumberMasking masking = masking_of({.numbers = {"800"}, .max_pairs = 50});
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(masking.connect("a" + std::to_string(i), "b" + std::to_string(i), 60s, at(0s)).ok());
  }
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(masking.route("800", "a" + std::to_string(i), at(1s))->party, "b" + std::to_string(i));
  }
  const auto full = masking.connect("x", "y", 60s, at(1s));
  EXPECT_EQ(full.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(std::string(full.status().message()).find("50 pairs"), std::string::npos);
}

TEST(NumberMasking, RefusesWhatMakesNoSense) {
  EXPECT_FALSE(NumberMasking::create({}).ok());
  EXPECT_FALSE(NumberMasking::create({.numbers = {"1", "1"}}).ok());
  EXPECT_FALSE(NumberMasking::create({.numbers = {""}}).ok());
  NumberMasking masking = masking_of({.numbers = {"800"}});
  for (const auto& [one, other] : {std::pair{"", "b"}, {"a", ""}, {"a", "a"}, {"800", "b"}, {"a", "800"}}) {
    EXPECT_EQ(masking.connect(one, other, 1s, at(0s)).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(masking.connect("a", "b", 0s, at(0s)).ok());
}

// P-86: what a store kept is there after a restart, with the number that the parties know.
TEST(NumberMasking, GoesOnWhereAnEarlierRunWas) {
  const MaskingOptions options{.numbers = {"800", "801"}};
  NumberMasking before = masking_of(options);
  ASSERT_TRUE(before.connect("x", "y", 10s, at(0s)).ok());
  ASSERT_EQ(*before.connect("05\"1", "0502", 60s, at(0s)), "801");
  const NumberMasking::Mapping pair{"801", "05\"1", "0502", at(60s)};
  const StoredDocument kept = document_of(pair);
  EXPECT_EQ(kept.id, document_of({"800", "0502", "05\"1", at(1s)}).id) << "one pair, one document";
  const auto read = mapping_of(kept);
  ASSERT_TRUE(read.ok()) << read.status();

  NumberMasking masking = masking_of(options);
  ASSERT_TRUE(masking.restore(*read, at(30s)).ok());
  EXPECT_EQ(masking.route("801", "0502", at(30s))->party, "05\"1");
  EXPECT_EQ(*masking.connect("0502", "05\"1", 60s, at(31s)), "801");
  EXPECT_FALSE(masking.restore(*read, at(32s)).ok()) << "it is there already";
  EXPECT_FALSE(masking.restore({"801", "a", "0502", at(60s)}, at(32s)).ok()) << "in use with one of them";
  EXPECT_FALSE(masking.restore({"802", "a", "b", at(60s)}, at(32s)).ok()) << "no virtual number any more";
  EXPECT_FALSE(masking.restore({"800", "a", "b", at(32s)}, at(32s)).ok()) << "expired while it was down";
  EXPECT_FALSE(masking.restore({"800", "a", "a", at(60s)}, at(32s)).ok());
  EXPECT_TRUE(masking.expire(at(91s) - Micros{1}).empty());
  const auto gone = masking.expire(at(91s));
  ASSERT_EQ(gone.size(), 1u);
  EXPECT_EQ(document_of(gone[0]).id, kept.id) << "so that the store forgets it too";
  for (const char* json : {"", "[]", "{}", R"({"number": 1, "one": "a", "other": "b", "expires": 1})",
                           R"({"number": "800", "one": "a", "other": "b", "expires": "soon"})"}) {
    EXPECT_EQ(mapping_of({kMaskingKind, "x", json}).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

// Against a list that is searched through, with random pairs, times and numbers.
TEST(NumberMasking, DoesWhatAPlainListDoes) {
  struct Pair {
    std::string number, one, other;
    Time expires;
  };
  std::mt19937 random(11);
  NumberMasking masking = masking_of({.numbers = {"800", "801", "802"}});
  std::vector<Pair> list;
  Time now = at(0s);
  for (int i = 0; i < 20'000; ++i) {
    now += Millis{random() % 2000};
    std::erase_if(list, [&](const Pair& p) { return p.expires <= now; });
    const std::string one = "p" + std::to_string(random() % 12), other = "p" + std::to_string(random() % 12);
    const auto same = [&](const Pair& p) {
      return (p.one == one && p.other == other) || (p.one == other && p.other == one);
    };
    switch (random() % 4) {
      case 0: {
        const auto number = masking.connect(one, other, 30s, now);
        if (one == other) {
          EXPECT_FALSE(number.ok());
          break;
        }
        const auto known = std::find_if(list.begin(), list.end(), same);
        if (known != list.end()) {
          EXPECT_EQ(*number, known->number);
          known->expires = now + 30s;
          break;
        }
        int used = 0;
        for (const char* each : {"800", "801", "802"}) {
          used += std::any_of(list.begin(), list.end(), [&](const Pair& p) {
            return p.number == each && (p.one == one || p.other == one || p.one == other || p.other == other);
          });
        }
        ASSERT_EQ(number.ok(), used < 3) << number.status();
        if (number.ok()) list.push_back({*number, one, other, now + 30s});
        break;
      }
      case 1: {
        const auto known = std::find_if(list.begin(), list.end(), same);
        EXPECT_EQ(masking.disconnect(one, other, now), known != list.end());
        if (known != list.end()) list.erase(known);
        break;
      }
      default: {
        const std::string number = "80" + std::to_string(random() % 3);
        std::string expected;
        for (const Pair& p : list) {
          if (p.number == number && p.one == one) expected = p.other;
          if (p.number == number && p.other == one) expected = p.one;
        }
        const auto route = masking.route(number, one, now);
        EXPECT_EQ(route ? route->party : "", expected) << i;
      }
    }
    EXPECT_EQ(masking.pairs(now), list.size());
  }
}

}  // namespace
}  // namespace ivr
