#include "edge/time_zones.hpp"

#include <gtest/gtest.h>

namespace ivr {
namespace {

TEST(TimeZones, AreLoadedByTheirIanaName) {
  for (const char* name : {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"}) {
    const auto zone = load_time_zone(name);
    ASSERT_TRUE(zone.ok()) << zone.status();
    EXPECT_EQ(zone->name(), name);
  }
  const auto summer = load_time_zone("Europe/Berlin")->At(absl::FromUnixSeconds(1782864000));  // July 2026
  EXPECT_EQ(summer.offset, 7200);
}

TEST(TimeZones, SayWhichNameIsWrong) {
  EXPECT_EQ(load_time_zone("Europe/Berlim").status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(load_time_zone("Europe/Berlim").status().message().find("Europe/Berlim"), std::string::npos);
  for (const char* name : {"", "/etc/localtime", "../../etc/passwd", "file:/etc/localtime", "a b"}) {
    EXPECT_EQ(load_time_zone(name).status().code(), absl::StatusCode::kInvalidArgument) << name;
  }
}

}  // namespace
}  // namespace ivr
