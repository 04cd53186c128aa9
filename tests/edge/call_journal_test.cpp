#include "edge/call_journal.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>

namespace ivr {
namespace {

using testing::HasSubstr;

class CallJournalTest : public testing::Test {
 protected:
  CallJournalTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ivr-journal-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~CallJournalTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return (folder_ / "calls.journal").string(); }
  std::unique_ptr<CallJournal> open(int max_calls = 16) {
    auto journal = CallJournal::create(path(), {.max_calls = max_calls});
    EXPECT_TRUE(journal.ok()) << journal.status();
    return journal.ok() ? std::move(*journal) : nullptr;
  }

  std::filesystem::path folder_;
};

CallRecord record(std::string id) {
  CallRecord call;
  call.id = std::move(id);
  call.sip_call_id = "cid-" + call.id;
  call.sip_from_tag = "tag-" + call.id;
  call.direction = Direction::outbound;
  call.caller = "alice";
  call.called = "2001";
  call.flow = "support";
  call.flow_digest = "sha256:0123";
  call.started = Time{Micros{1'700'000'000'123'456}};
  call.answered = Time{Micros{1'700'000'001'000'000}};
  call.language = "ar";
  call.recording = "/rec/a.wav";
  return call;
}

TEST_F(CallJournalTest, GivesBackWhatWasOpen) {
  {
    auto journal = open();
    EXPECT_TRUE(journal->recover().empty());
    const auto a = journal->open(record("a"));
    const auto b = journal->open(record("b"));
    const auto c = journal->open(record("c"));
    ASSERT_TRUE(a.ok() && b.ok() && c.ok());
    journal->close(*b);
    journal->close(*b);  // once more does no harm
    journal->close(0);
    journal->close(1000);
    EXPECT_EQ(journal->open_calls(), 2);
  }
  {
    auto journal = open();
    EXPECT_EQ(journal->open_calls(), 2);
    const auto calls = journal->recover();
    ASSERT_EQ(calls.size(), 2u);
    const CallRecord want = record("a");
    const auto got =
        std::find_if(calls.begin(), calls.end(), [](const OpenCall& call) { return call.record.id == "a"; });
    ASSERT_NE(got, calls.end());
    EXPECT_EQ(got->record.sip_call_id, want.sip_call_id);
    EXPECT_EQ(got->record.sip_from_tag, want.sip_from_tag);
    EXPECT_EQ(got->record.direction, want.direction);
    EXPECT_EQ(got->record.caller, want.caller);
    EXPECT_EQ(got->record.called, want.called);
    EXPECT_EQ(got->record.flow, want.flow);
    EXPECT_EQ(got->record.flow_digest, want.flow_digest);
    EXPECT_EQ(got->record.started, want.started);
    EXPECT_EQ(got->record.answered, want.answered);
    EXPECT_EQ(got->record.language, want.language);
    EXPECT_EQ(got->record.recording, want.recording);
    EXPECT_EQ(got->record.status, "in_progress");
    journal->close(got->slot);  // the store has it; the other one is still to do when we die again
    ASSERT_TRUE(journal->open(record("d")).ok());
    EXPECT_EQ(journal->recover().size(), 1u) << "a new call is none of the recovered ones";
  }
  auto journal = open();
  std::set<std::string> ids;
  for (const auto& call : journal->recover()) ids.insert(call.record.id);
  EXPECT_EQ(ids, (std::set<std::string>{"c", "d"}));
}

TEST_F(CallJournalTest, RefusesWhenFullAndCanGoOn) {
  auto journal = open(3);
  std::vector<JournalSlot> slots;
  for (int i = 0; i < 3; ++i) slots.push_back(*journal->open(record(std::to_string(i))));
  const auto full = journal->open(record("more"));
  EXPECT_EQ(full.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.status().message()), testing::AllOf(HasSubstr(path()), HasSubstr("3")));
  journal->close(slots[1]);
  EXPECT_EQ(*journal->open(record("more")), slots[1]);
}

TEST_F(CallJournalTest, CutsLongFieldsBetweenCharacters) {
  CallRecord call = record("x");
  call.caller = "a";
  for (int i = 0; i < 100; ++i) call.caller += "ł";  // 2 bytes: 96 is in the middle of one
  call.called = std::string(1000, '\xbf');           // not UTF-8
  call.sip_call_id = std::string(100'000, 'c');
  for (std::string* field :
       {&call.sip_from_tag, &call.flow, &call.flow_digest, &call.language, &call.recording}) {
    *field = std::string(5000, 'z');
  }
  { ASSERT_TRUE(open()->open(call).ok()); }
  const auto calls = open()->recover();
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_EQ(calls[0].record.caller, call.caller.substr(0, 95));
  EXPECT_EQ(calls[0].record.called.size(), 96u);
  EXPECT_EQ(calls[0].record.sip_call_id.size(), 248u);
  EXPECT_EQ(calls[0].record.started, call.started);
}

TEST_F(CallJournalTest, RefusesAnIdThatWouldNotComeBackWhole) {
  auto journal = open();
  EXPECT_EQ(journal->open(record("")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(journal->open(record(std::string(65, 'i'))).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(journal->open(record(std::string(64, 'i'))).ok());
}

TEST_F(CallJournalTest, OneProcessAtATime) {
  auto journal = open();
  const auto second = CallJournal::create(path());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()),
              testing::AllOf(HasSubstr(path()), HasSubstr("process " + std::to_string(getpid()))));
  journal.reset();
  EXPECT_TRUE(CallJournal::create(path()).ok());
}

TEST_F(CallJournalTest, GrowsAndNeverShrinks) {
  { ASSERT_TRUE(open(4)->open(record("a")).ok()); }
  {
    auto journal = open(40);
    EXPECT_EQ(journal->slots(), 40);
    EXPECT_EQ(journal->recover().size(), 1u);
    for (int i = 0; i < 39; ++i) ASSERT_TRUE(journal->open(record("b" + std::to_string(i))).ok());
  }
  EXPECT_EQ(open(4)->recover().size(), 40u);
}

TEST_F(CallJournalTest, RefusesWhatIsNotItsFile) {
  std::ofstream(path()) << std::string(10'000, 'x');
  const auto foreign = CallJournal::create(path());
  EXPECT_EQ(foreign.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(foreign.status().message()), HasSubstr("not a call journal"));
  std::filesystem::remove(path());
  { open(8); }
  std::filesystem::resize_file(path(), 5000);
  EXPECT_THAT(std::string(CallJournal::create(path()).status().message()), HasSubstr("cut off"));
  EXPECT_FALSE(CallJournal::create("/no/such/folder/j").ok());
  EXPECT_FALSE(CallJournal::create(path(), {.max_calls = 0}).ok());
}

TEST_F(CallJournalTest, ADamagedSlotIsFreeAgainAndCounted) {
  {
    auto journal = open(4);
    ASSERT_TRUE(journal->open(record("a")).ok());
    ASSERT_TRUE(journal->open(record("b")).ok());
  }
  std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096 + 1024 + 40);  // inside the second slot
  file.put('\x7f');
  file.close();
  auto journal = open(4);
  EXPECT_EQ(journal->damaged(), 1);
  ASSERT_EQ(journal->recover().size(), 1u);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(journal->open(record(std::to_string(i))).ok());
}

// The child says what it has done in shared memory: `opened` after open() and `closed` before close(), so the
// truth lies between the two, at most one call apart on each side.
TEST_F(CallJournalTest, SurvivesKillAtAnyInstant) {
  struct Shared {
    std::atomic<std::uint32_t> began, opened, closing, closed;
  };
  auto* shared = static_cast<Shared*>(
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(shared, MAP_FAILED);
  std::mt19937 random(20261121);
  for (int round = 0; round < 60; ++round) {
    std::filesystem::remove(path());
    shared->began = shared->opened = shared->closing = shared->closed = 0;
    const std::uint32_t stop_at = std::uniform_int_distribution<std::uint32_t>(1, 3000)(random);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto journal = CallJournal::create(path(), {.max_calls = 64});
      if (!journal.ok()) _exit(1);
      JournalSlot slots[16] = {};  // the newest sixteen stay open
      for (std::uint32_t i = 0;; ++i) {
        if (i >= 16) {
          shared->closing = i - 15;
          (*journal)->close(slots[i % 16]);
          shared->closed = i - 15;
        }
        shared->began = i + 1;
        auto slot = (*journal)->open(record(std::to_string(i)));
        if (!slot.ok()) _exit(2);
        slots[i % 16] = *slot;
        shared->opened = i + 1;
      }
    }
    while (shared->opened < stop_at) {
      ASSERT_EQ(waitpid(child, nullptr, WNOHANG), 0) << "the child ended by itself";
    }
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));

    auto journal = open(64);
    EXPECT_EQ(journal->damaged(), 0);
    std::set<std::uint32_t> found;
    for (const auto& call : journal->recover()) {
      EXPECT_EQ(call.record.sip_call_id, "cid-" + call.record.id);
      EXPECT_EQ(call.record.recording, "/rec/a.wav");
      found.insert(static_cast<std::uint32_t>(std::stoul(call.record.id)));
    }
    for (std::uint32_t i = shared->closing; i < shared->opened; ++i) {
      EXPECT_TRUE(found.contains(i)) << "round " << round << ": call " << i << " was open and is lost";
    }
    for (std::uint32_t i : found) {
      EXPECT_TRUE(i >= shared->closed && i < shared->began)
          << "round " << round << ": call " << i << " was not open";
    }
  }
  munmap(shared, sizeof(Shared));
}

}  // namespace
}  // namespace ivr
