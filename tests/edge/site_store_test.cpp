#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "edge/sqlite_store.hpp"
#include "ivr/site.hpp"

namespace ivr {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kSite = R"({"site": 1,
  "agents": {"omar": {"score": 2, "name": "Omar"}, "ali": {}},
  "queues": {"q": {"members": ["omar", "ali"], "retry": "5s"}},
  "calendars": {"desk": {"time_zone": "UTC", "hours": {"mon": ["09:00-17:00"]}}},
  "lists": {"block": ["1*"]}, "callers": {"rate": {"calls": 7}},
  "departments": {"d": {"queue": "q"}},
  "extensions": {"2001": {"flow": "a.json", "variables": {"x": 1}}},
  "demo_users": {"1001": "1001pass"}, "access": {"boss": ["*"]}})";

constexpr const char* kFlow =
    R"({"ivr": 1, "id": "help", "start": "a", "nodes": {"a": {"type": "hangup", "say": "WORDS"}}})";

std::string flow_with(const std::string& words) {
  std::string flow = kFlow;
  return flow.replace(flow.find("WORDS"), 5, words);
}

class SiteStoreTest : public testing::Test {
 protected:
  SiteStoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivr-site-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    auto store = SqliteStore::open((folder_ / "site.db").string());
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  ~SiteStoreTest() override { std::filesystem::remove_all(folder_); }

  SiteChanges put(const std::string& json, const std::string& flow = flow_with("hello")) {
    auto site = parse_site(json);
    EXPECT_TRUE(site.ok()) << site.status();
    for (const SiteFlow& each : std::vector(site->flows)) EXPECT_TRUE(add_flow(*site, each.file, flow).ok());
    auto changes = store_site(json, *site, Time{1s}, *store_);
    EXPECT_TRUE(changes.ok()) << changes.status();
    return changes.ok() ? *changes : SiteChanges{};
  }
  static std::string with(const std::string& from, const std::string& to) {
    std::string json = kSite;
    return json.replace(json.find(from), from.size(), to);
  }

  std::filesystem::path folder_;
  std::unique_ptr<SqliteStore> store_;
};

// S0-43
TEST_F(SiteStoreTest, TheSecondTimeNothingChanges) {
  const SiteChanges first = put(kSite);
  EXPECT_THAT(first.added, ElementsAre("agent omar", "agent ali", "queue q", "calendar desk", "list block",
                                       "extension 2001", "department d", "demo_user 1001", "access boss",
                                       "callers", "flow a.json"));
  EXPECT_THAT(first.changed, IsEmpty());
  const SiteChanges second = put(kSite);
  EXPECT_FALSE(second.any());
  EXPECT_EQ(second.unchanged, 11);
  const SiteChanges other_layout =
      put(with(R"({"score": 2, "name": "Omar"})", R"({ "name":"Omar","score":2 })"));
  EXPECT_FALSE(other_layout.any());
}

TEST_F(SiteStoreTest, SaysWhatIsNewChangedAndRemoved) {
  put(kSite);
  EXPECT_THAT(put(with(R"("score": 2)", R"("score": 3)")).changed, ElementsAre("agent omar"));
  put(kSite);
  SiteChanges changes = put(with(R"("ali": {}})", R"("ali": {}, "eve": {}})"));
  EXPECT_THAT(changes.added, ElementsAre("agent eve"));
  EXPECT_THAT(changes.changed, IsEmpty());
  changes = put(kSite);
  EXPECT_THAT(changes.removed, ElementsAre("agent eve"));
  EXPECT_TRUE(changes.any());
  changes = put(with(R"("omar": {"score": 2, "name": "Omar"}, "ali": {})",
                     R"("ali": {}, "omar": {"score": 2, "name": "Omar"})"));
  EXPECT_THAT(changes.changed, ElementsAre("order agent"));
  put(kSite);
  changes = put(kSite, flow_with("good bye"));
  EXPECT_THAT(changes.changed, ElementsAre("flow a.json"));
}

TEST_F(SiteStoreTest, ComesBackAsItWasStored) {
  EXPECT_EQ(load_site_from(*store_).status().code(), absl::StatusCode::kNotFound);
  put(kSite);
  put(kSite, flow_with("good bye"));
  const auto site = load_site_from(*store_);
  ASSERT_TRUE(site.ok()) << site.status();
  ASSERT_EQ(site->agents.size(), 2u);
  EXPECT_EQ(site->agents[0].id, "omar") << "in the order of the file";
  EXPECT_EQ(site->agents[0].score, 2);
  ASSERT_EQ(site->queues.size(), 1u);
  EXPECT_EQ(site->queues[0].retry, 5s);
  EXPECT_EQ(site->queues[0].members.size(), 2u);
  EXPECT_EQ(site->calendars[0].second.time_zone, "UTC");
  EXPECT_EQ(site->lists[0].callers, std::vector<std::string>{"1*"});
  EXPECT_EQ(site->callers.rate_calls, 7);
  EXPECT_EQ(site->departments[0].queue, "q");
  EXPECT_EQ(site->extensions[0].variables[0].second, "1");
  EXPECT_EQ(site->demo_users[0].password, "1001pass");
  EXPECT_EQ(site->access[0].user, "boss");
  ASSERT_EQ(site->flows.size(), 1u);
  EXPECT_EQ(site->flows[0].document, flow_with("good bye"));
  EXPECT_EQ(site->flows[0].id, "help");
}

TEST_F(SiteStoreTest, IsStoredWholeOrNotAtAll) {
  put(kSite);
  const std::string next = with(R"("score": 2)", R"("score": 9)");
  auto site = parse_site(next);
  ASSERT_TRUE(site.ok());
  EXPECT_EQ(store_site(next, *site, Time{1s}, *store_).status().code(), absl::StatusCode::kFailedPrecondition)
      << "its flow was not added";
  SqliteOptions options;
  options.busy_timeout = 1ms;
  auto other = SqliteStore::open((folder_ / "site.db").string(), options);
  ASSERT_TRUE(other.ok());
  ASSERT_TRUE(add_flow(*site, "a.json", flow_with("hello")).ok());
  ASSERT_TRUE(store_->begin().ok());
  EXPECT_EQ(store_site(next, *site, Time{1s}, **other).status().code(), absl::StatusCode::kUnavailable);
  store_->rollback();
  EXPECT_EQ(load_site_from(*store_)->agents[0].score, 2);
  ASSERT_TRUE(store_site(next, *site, Time{1s}, **other).ok());
  EXPECT_EQ(load_site_from(*store_)->agents[0].score, 9);
}

}  // namespace
}  // namespace ivr
