#include "ivr/address_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace ivr {
namespace {

using testing::HasSubstr;

AddressList list_of(const std::vector<std::string>& entries) {
  auto list = AddressList::create(entries);
  EXPECT_TRUE(list.ok()) << list.status();
  return list.ok() ? *std::move(list) : AddressList{};
}

TEST(AddressList, P_42_KnowsWhichAddressesLieInItsNetworks) {
  const AddressList list = list_of({"192.0.2.0/24", "10.0.0.0/8", "198.51.100.7", "2001:db8::/32", "::1",
                                    "10.1.0.0/16", "203.0.113.128/25"});
  for (const char* in :
       {"192.0.2.0", "192.0.2.255", "10.255.255.255", "10.1.2.3", "198.51.100.7",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:DB8::", "::1", "::ffff:10.0.0.1", "203.0.113.128"})
    EXPECT_TRUE(list.contains(in)) << in;
  for (const char* out : {"192.0.1.255", "192.0.3.0", "11.0.0.0", "9.255.255.255", "198.51.100.8",
                          "2001:db7::1", "2001:db9::", "::2", "::10.0.0.1", "203.0.113.127", "", "localhost",
                          "10.0.0", "10.0.0.1 ", "10.0.0.1:5060"})
    EXPECT_FALSE(list.contains(out)) << out;
  EXPECT_FALSE(AddressList().contains("127.0.0.1"));
  EXPECT_TRUE(AddressList().empty());
  EXPECT_TRUE(list_of({"0.0.0.0/0"}).contains("8.8.8.8"));
  EXPECT_FALSE(list_of({"0.0.0.0/0"}).contains("2001:db8::1")) << "all of IPv4 is not all";
  EXPECT_TRUE(list_of({"::/0"}).contains("8.8.8.8"));
}

TEST(AddressList, P_42_ABadNetworkIsRefusedWithHowToMendIt) {
  struct Row {
    const char* entry;
    const char* says;
  };
  for (const Row& row : {Row{"", "'' is no address"}, Row{"pbx.example", "is no address or network"},
                         Row{"10.0.0.256", "is no address"}, Row{"10.0.0/8", "is no address"},
                         Row{"10.0.0.0/33", "between /0 and /32"}, Row{"10.0.0.0/", "between /0 and /32"},
                         Row{"10.0.0.0/-1", "between /0 and /32"}, Row{"10.0.0.0/8x", "between /0 and /32"},
                         Row{"2001:db8::/129", "between /0 and /128"},
                         Row{"10.0.0.1/8", "write 10.0.0.1 for this address, or 10.0.0.0/8"},
                         Row{"2001:db8::1/32", "or 2001:db8:0:0:0:0:0:0/32 for the network"},
                         Row{"/8", "is no address"}, Row{"10.0.0.0/255.0.0.0", "between /0 and /32"}}) {
    const auto list = AddressList::create(std::vector<std::string>{"127.0.0.1", row.entry});
    ASSERT_FALSE(list.ok()) << row.entry;
    EXPECT_THAT(std::string(list.status().message()), HasSubstr(row.says));
  }
}

// Against arithmetic on plain numbers.
TEST(AddressList, AgreesWithABruteForceCheck) {
  std::mt19937 random(7);
  const auto text = [](std::uint32_t ip) {
    return std::to_string(ip >> 24) + "." + std::to_string(ip >> 16 & 255) + "." +
           std::to_string(ip >> 8 & 255) + "." + std::to_string(ip & 255);
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> entries;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
    for (int i = 0; i < 8; ++i) {
      const int bits = static_cast<int>(random() % 17) + 16;
      const std::uint32_t size = 1u << (32 - bits);
      const std::uint32_t first = (0x0A000000u | (random() & 0xFFFFFu)) & ~(size - 1);
      entries.push_back(text(first) + "/" + std::to_string(bits));
      ranges.emplace_back(first, first + size - 1);
    }
    const AddressList list = list_of(entries);
    for (int i = 0; i < 300; ++i) {
      const std::uint32_t ip = 0x0A000000u | (random() & 0xFFFFFu);
      const bool in = std::any_of(ranges.begin(), ranges.end(),
                                  [&](const auto& r) { return r.first <= ip && ip <= r.second; });
      EXPECT_EQ(list.contains(text(ip)), in) << text(ip);
    }
  }
}

}  // namespace
}  // namespace ivr
