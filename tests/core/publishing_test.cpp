#include "ivr/publishing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "time_at.hpp"

namespace ivr {
namespace {

using testing::ElementsAre;

// Documents and flows in memory, all or nothing; nothing else is asked of it.
class Shelf : public StorePort {
 public:
  absl::Status begin() override { return kept_ = {documents_, flows_}, absl::OkStatus(); }
  absl::Status commit() override { return absl::OkStatus(); }
  void rollback() override { documents_ = kept_.first, flows_ = kept_.second; }
  absl::Status put_flow(const FlowVersion& version) override {
    return flows_.emplace(version.digest, version), absl::OkStatus();
  }
  absl::StatusOr<FlowVersion> flow(std::string_view digest) override {
    const auto it = flows_.find(digest);
    if (it == flows_.end()) return absl::NotFoundError("no flow");
    return it->second;
  }
  absl::StatusOr<Stored> put_document(const StoredDocument& document) override {
    documents_[{document.kind, document.id}] = document.json;
    return Stored::added;
  }
  absl::StatusOr<std::vector<StoredDocument>> documents(std::string_view kind) override {
    std::vector<StoredDocument> list;
    for (const auto& [key, json] : documents_) {
      if (key.first == kind) list.push_back({key.first, key.second, json});
    }
    return list;
  }

  absl::Status put_call(const CallRecord&) override { return not_here(); }
  absl::Status append(const CallEvent&) override { return not_here(); }
  absl::Status put_visit(const NodeVisit&) override { return not_here(); }
  absl::StatusOr<CallRecord> call(std::string_view) override { return not_here(); }
  absl::StatusOr<std::vector<CallRecord>> calls(int, int) override { return not_here(); }
  absl::StatusOr<std::vector<CallEvent>> events(std::string_view) override { return not_here(); }
  absl::StatusOr<std::vector<NodeVisit>> visits(std::string_view) override { return not_here(); }
  absl::StatusOr<std::vector<CallRecord>> calls_between(Time, Time, int, int) override { return not_here(); }
  absl::Status remove_document(std::string_view, std::string_view) override { return not_here(); }
  absl::Status append_router(const RouterStep&) override { return not_here(); }
  absl::Status put_router_snapshot(const RouterSnapshot&, const RouterRetention&) override {
    return not_here();
  }
  absl::StatusOr<std::vector<RouterStep>> router_log(const RouterLogQuery&) override { return not_here(); }
  absl::StatusOr<RouterSnapshot> router_snapshot(std::int64_t) override { return not_here(); }
  absl::StatusOr<std::int64_t> router_next() override { return not_here(); }
  absl::StatusOr<int> close_open_calls(Time) override { return not_here(); }

 private:
  static absl::Status not_here() {
    return absl::UnimplementedError("publishing asks for documents and flows");
  }

  using Documents = std::map<std::pair<std::string, std::string>, std::string>;
  using Flows = std::map<std::string, FlowVersion, std::less<>>;
  Documents documents_;
  Flows flows_;
  std::pair<Documents, Flows> kept_;
};

std::shared_ptr<const Flow> version(int n, const std::string& id = "desk") {
  const std::string json = R"({"ivr": 1, "id": ")" + id +
                           R"(", "start": "a", "nodes": {"a": {"type": "hangup", "say": "This is )" +
                           std::to_string(n) + R"(."}}})";
  return *Flow::load(json);
}

std::string live(const absl::StatusOr<PublishedFlow>& flow) {
  if (!flow.ok()) return std::string(flow.status().message());
  std::string text;
  for (const LiveVersion& one : flow->live())
    text += (text.empty() ? "" : " ") + std::to_string(one.number) + ":" + std::to_string(one.share / 100);
  return text;
}

class Publishing : public testing::Test {
 protected:
  std::string publish(int n, int percent = 100) {
    return live(ivr::publish(store, *version(n), nullptr, percent * 100, what()));
  }
  std::string back(int to = 0) { return live(roll_back(store, "desk", to, what())); }
  std::string out(int percent) { return live(roll_out(store, "desk", percent * 100, what())); }
  Publication what() { return {at(std::chrono::seconds(++clock)), "ann", "because"}; }

  Shelf store;
  int clock = 0;
};

TEST_F(Publishing, S0_80_EachPublicationIsAVersionAndRollingBackMovesNewCallsOnly) {
  EXPECT_EQ(publish(1), "1:100");
  EXPECT_EQ(publish(2), "2:100");
  EXPECT_EQ(publish(2), "flow desk: this is version 2, and it is live already");
  EXPECT_EQ(publish(3), "3:100");
  EXPECT_EQ(back(), "2:100");
  EXPECT_EQ(back(), "1:100") << "twice goes back further";
  EXPECT_EQ(back(), "flow desk: nothing was live before version 1; --to names another");
  EXPECT_EQ(back(1), "flow desk: version 1 is live for all callers already");
  EXPECT_EQ(back(4), "flow desk: no version 4; there are 1 to 3");
  EXPECT_EQ(back(3), "3:100");
  EXPECT_EQ(publish(2), "2:100") << "what is known keeps its number";

  const auto flow = published_flow(store, "desk");
  ASSERT_TRUE(flow.ok()) << flow.status();
  ASSERT_EQ(flow->versions.size(), 3u);
  EXPECT_EQ(flow->versions[1].digest, version(2)->digest());
  EXPECT_EQ(flow->versions[1].at, at(2s));
  EXPECT_EQ(flow->versions[1].by + " " + flow->versions[1].comment, "ann because");
  EXPECT_EQ(flow->changes.size(), 7u) << "what was refused is none";
  // The document is frozen with it.
  EXPECT_EQ((*Flow::load(store.flow(flow->versions[0].digest)->document))->digest(), version(1)->digest());
  EXPECT_FALSE(published_flow(store, "other").ok());
  EXPECT_EQ(published_flows(store)->size(), 1u);
}

TEST_F(Publishing, P_74_ARollOutGrowsAndIsTakenBack) {
  EXPECT_EQ(publish(1, 10), "flow desk: no other version is live that the rest of the callers could have");
  publish(1);
  EXPECT_EQ(out(50), "flow desk: all callers have version 1; publish one for some of them first");
  EXPECT_EQ(publish(2, 10), "2:10 1:90");
  EXPECT_EQ(out(50), "2:50 1:50");
  EXPECT_EQ(back(), "1:100") << "the one that it was to replace";
  EXPECT_EQ(publish(2, 10), "2:10 1:90");
  EXPECT_EQ(publish(3, 20), "3:20 1:80") << "the rest has what most have";
  EXPECT_EQ(out(100), "3:100");
  EXPECT_EQ(back(), "1:100");
  EXPECT_FALSE(ivr::publish(store, *version(4), nullptr, 0, what()).ok());
  EXPECT_FALSE(ivr::publish(store, *version(4), nullptr, 10'001, what()).ok());
}

TEST_F(Publishing, WhatRanBeforeTheFirstPublicationCanBeGoneBackTo) {
  const FlowVersion ran{"desk", version(7)->digest(), version(7)->to_json(), {}};
  EXPECT_EQ(live(ivr::publish(store, *version(8), &ran, 1'000, what())), "2:10 1:90");
  EXPECT_EQ(back(), "1:100");
  EXPECT_EQ(published_flow(store, "desk")->live()[0].digest, version(7)->digest());
}

TEST_F(Publishing, TheMarkTellsThatSomethingWasPublished) {
  const std::string none = *publication_mark(store);
  publish(1);
  const std::string first = *publication_mark(store);
  EXPECT_NE(none, first);
  EXPECT_EQ(first, *publication_mark(store));
  publish(2);
  const std::string second = *publication_mark(store);
  EXPECT_NE(first, second);
  back();
  publish(2);
  EXPECT_NE(*publication_mark(store), second) << "though the same is live";
}

TEST(CallerPlace, IsTheDocumentedHash) {
  // printf 'desk\n1001' | sha256sum: the first 16 digits, modulo 10,000
  EXPECT_EQ(caller_place("desk", "1001"), 3298);
}

TEST(CallerPlace, TheSameCallerHasTheSameVersionWhileARollOutGrowsAndTheSharesAreKept) {
  std::map<int, int> callers;
  for (int i = 0; i < 10'000; ++i) {
    const std::string caller = "+4420" + std::to_string(7'000'000 + i);
    const int at_ten = version_for({{2, "b", 1'000}, {1, "a", 9'000}}, "desk", caller).number;
    const int at_half = version_for({{2, "b", 5'000}, {1, "a", 5'000}}, "desk", caller).number;
    EXPECT_GE(at_half, at_ten) << caller << ": who has the new one keeps it";
    ++callers[at_ten];
    EXPECT_EQ(version_for({{2, "b", kAllCallers}}, "desk", caller).number, 2);
  }
  EXPECT_NEAR(callers[2], 1'000, 120);
}

}  // namespace
}  // namespace ivr
