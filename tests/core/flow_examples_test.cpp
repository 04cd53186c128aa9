#include <gtest/gtest.h>

#include <filesystem>

#include "core/flow_caller.hpp"

namespace ivr {
namespace {

TEST(ExampleFlows, AllLoadWithoutAnyFinding) {
  int flows = 0;
  for (const auto& entry : std::filesystem::directory_iterator(IVR_SOURCE_DIR "/examples/flows")) {
    if (entry.path().extension() != ".json") continue;
    ++flows;
    for (const Finding& f : Flow::check(read_text(entry.path())))
      ADD_FAILURE() << entry.path() << " " << to_string(f);
  }
  EXPECT_GE(flows, 2);
}

}  // namespace
}  // namespace ivr
