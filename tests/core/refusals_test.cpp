#include "ivr/refusals.hpp"

#include <gtest/gtest.h>

namespace ivr {
namespace {

constexpr Time kThen{1'763'761'275s};  // 2025-11-21T21:41:15Z

std::string line(RefusedRequest request) { return refusal_line(request, kThen + 999ms); }

TEST(RefusalLine, P_42_HasTheFormThatFiltersLookFor) {
  EXPECT_EQ(
      line({.why = RefusedFor::not_allowed,
            .status = 403,
            .address = "192.0.2.7",
            .from = "sip:1001@example",
            .to = "2001"}),
      R"(2025-11-21T21:41:15Z refused address=192.0.2.7 reason=not-allowed status=403 method=INVITE from="sip:1001@example" to="2001")");
  EXPECT_EQ(
      line({.why = RefusedFor::bad_password, .status = 401, .method = "REGISTER", .address = "2001:db8::1"}),
      R"(2025-11-21T21:41:15Z refused address=2001:db8::1 reason=bad-password status=401 method=REGISTER from="" to="")");
}

// The words are for ever.
TEST(RefusalLine, P_42_EveryReasonHasItsWord) {
  const char* const words[] = {"not-allowed", "bad-password", "barred",         "no-extension", "limit",
                               "blocked",     "too-often",    "not-acceptable", "busy"};
  for (std::size_t i = 0; i < std::size(words); ++i)
    EXPECT_EQ(to_string(static_cast<RefusedFor>(i)), words[i]);
}

TEST(RefusalLine, P_42_HostileBytesStayInTheirQuotes) {
  const std::string text = line({.status = 403,
                                 .method = "INVITE from=",
                                 .address = "1.2.3.4 reason=x",
                                 .from = "a\" to=\"b\r\n2025-11-21T00:00:00Z refused address=8.8.8.8\\",
                                 .to = std::string("\0\x80\xff ", 4)});
  EXPECT_EQ(
      text,
      R"(2025-11-21T21:41:15Z refused address=unknown reason=busy status=403 method=INVITE )"
      R"(from="a\x22\x20to=\x22b\x0D\x0A2025-11-21T00:00:00Z\x20refused\x20address=8.8.8.8\x5C" to="\x00\x80\xFF\x20")");
  const std::string lengthy = line({.from = std::string(100'000, '"'), .to = std::string(201, 'x')});
  EXPECT_LT(lengthy.size(), 1200u);
  EXPECT_NE(lengthy.find(std::string(200, 'x') + "...\""), std::string::npos);
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one = line({.from = std::string(1, static_cast<char>(byte))});
    for (const char c : one) EXPECT_TRUE(c >= ' ' && c < 0x7F) << byte;
    const std::string inside = one.substr(one.find("from=\"") + 6);
    EXPECT_EQ(inside.find(' '), inside.find("\" to=") + 1) << byte;
  }
}

}  // namespace
}  // namespace ivr
